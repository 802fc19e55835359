"""The arithmetic of breakage to come."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.points.reports.runoff import (
    Age,
    Cohort,
    Outlook,
    Share,
    Trial,
    is_decided,
    outlook,
    shares,
    to_come,
    trial,
    whole,
)

HALF = Share(Decimal("0.25"), Decimal("0.5"))
LAST = Share(Decimal("0.8"), Decimal(1))


def cohort(issued: int, *ages: tuple[int, int]) -> Cohort:
    """Each age as what was used and what expired in it."""
    return Cohort(issued, [Age(used=used, expired=expired) for used, expired in ages])


RUN_OFF = cohort(100, (50, 0), (10, 40))
"""Half is used in the month of the issue; of the rest a fifth in the next, and its end comes for four."""


def test_an_age_has_the_shares_of_all_cohorts_that_lived_through_it() -> None:
    cohorts = [
        cohort(100, (10, 0), (0, 90)),
        cohort(300, (30, 0), (27, 243)),
        cohort(100, (0, 0), (10, 90)),
        cohort(50, (5, 0)),
    ]
    first, second = shares(cohorts)
    assert first == Share(Decimal(0), Decimal(45) / 550)
    assert second == Share(Decimal(423) / 460, Decimal(1))


def test_clawbacks_and_points_given_back_are_counted() -> None:
    cohorts = [Cohort(100, [Age(used=50, clawed_back=10), Age(used=-20, expired=60)])] * 3
    assert shares(cohorts) == [Share(Decimal(0), Decimal("0.6")), Share(Decimal("1.5"), Decimal(1))]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_what_fewer_than_three_cohorts_lived_through_is_not_known(number: int) -> None:
    assert set(shares([RUN_OFF] * number)) <= {None}
    assert None not in shares([RUN_OFF] * 3)


def test_a_cohort_of_which_nothing_is_open_tells_nothing_of_an_age() -> None:
    assert shares([cohort(100, (100, 0), (0, 0))] * 3)[1] is None


@pytest.mark.parametrize(
    ("open_", "age", "known", "months", "expires", "undecided"),
    [
        (100, 0, [HALF, HALF, LAST], None, "57.5", 0),
        (100, 1, [HALF, HALF, LAST], None, 65, 0),
        (100, 2, [HALF, HALF, LAST], None, 80, 0),
        (100, 3, [HALF, HALF, LAST], None, 0, 100),
        (0, 3, [HALF, HALF, LAST], None, 0, 0),
        (100, 0, [HALF, HALF], None, "37.5", 25),
        (100, 0, [HALF, None, LAST], None, 25, 50),
        (100, 0, [], None, 0, 100),
        (100, 0, [HALF, HALF, LAST], 2, "37.5", 0),
        (100, 1, [HALF, HALF, LAST], 0, 0, 0),
        (100, 2, [HALF, HALF, LAST], 2, 80, 0),
        (100, 1, [HALF, HALF], 2, 25, 50),
    ],
)
def test_open_points_go_through_the_ages_to_come(
    open_: int, age: int, known: list[Share | None], months: int | None, expires: Decimal | str, undecided: int
) -> None:
    assert outlook(open_, age, known, months=months) == Outlook(Decimal(expires), Decimal(undecided))


@pytest.mark.parametrize(
    ("cohorts", "expected"),
    [
        ([RUN_OFF, RUN_OFF, RUN_OFF, cohort(200, (100, 0))], 80),
        ([RUN_OFF, RUN_OFF, RUN_OFF, cohort(200)], 80),
        ([RUN_OFF, RUN_OFF, cohort(200, (100, 0))], None),
        ([cohort(200, (100, 0))], None),
        ([RUN_OFF, RUN_OFF, RUN_OFF], 0),
    ],
)
def test_what_will_expire_of_the_last_cohort(cohorts: list[Cohort], expected: int | None) -> None:
    assert to_come(cohorts[-1], shares(cohorts)) == expected


def test_a_twentieth_without_history_is_let_pass_and_no_more() -> None:
    nearly, less = (cohort(1000, (500, 0), (100, expired)) for expired in (350, 349))
    assert to_come(cohort(1000, (500, 0)), shares([nearly] * 3)) == 350
    assert to_come(cohort(1000, (500, 0)), shares([less] * 3)) is None


def test_all_that_is_open_is_told_from_each_cohort() -> None:
    cohorts = [RUN_OFF, RUN_OFF, RUN_OFF, cohort(200, (100, 0)), cohort(300)]
    assert whole(cohorts, shares(cohorts)) == Outlook(Decimal(200), Decimal(0))
    assert is_decided(Outlook(Decimal(0), Decimal(5)), of=100)
    assert not is_decided(Outlook(Decimal(0), Decimal(6)), of=100)


def test_points_that_never_end_have_no_estimate() -> None:
    cohorts = [Cohort(100, [Age(used=3)] * months) for months in range(24, 0, -1)]
    assert {to_come(each, shares(cohorts)) for each in cohorts} == {None}


STEADY = [
    Cohort(100, [Age(used=50), Age(used=10, expired=40), Age(), Age(), Age()][:months])
    for months in (5, 5, 5, 4, 3, 2, 1)
]


@pytest.mark.parametrize(
    ("cohorts", "months", "expected"),
    [
        (STEADY, 2, Trial(80, 80)),
        ([*STEADY[:5], cohort(100, (50, 0), (50, 0)), STEADY[6]], 2, Trial(80, 40)),
        ([*STEADY[:5], cohort(100, (75, 0), (5, 20)), STEADY[6]], 1, Trial(20, 20)),
        (STEADY, 4, None),
        (STEADY, 9, None),
        ([], 2, None),
    ],
)
def test_a_trial_foretells_the_last_months_from_those_before(
    cohorts: list[Cohort], months: int, expected: Trial | None
) -> None:
    assert trial(cohorts, months) == expected


def test_the_error_of_a_trial_says_whether_it_was_too_much() -> None:
    assert (Trial(80, 40).error, Trial(40, 80).error) == (40, -40)


lives = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=6)


@given(st.lists(lives, min_size=3, max_size=8), st.integers(0, 1000))
def test_no_more_expires_than_is_open(known: list[list[tuple[int, int]]], open_: int) -> None:
    found = outlook(open_, 0, shares([cohort(1000, *each) for each in known]))
    assert found.expires >= 0
    assert found.undecided >= 0
    assert found.expires + found.undecided <= open_ + Decimal("0.001")
