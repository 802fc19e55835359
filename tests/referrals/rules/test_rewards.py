"""What is due on qualifying, after the hold and for so many, and what is taken back."""

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.referrals.benefits import PointsBenefit
from services.referrals.programme import Programme
from services.referrals.rules.qualifying import Sale
from services.referrals.rules.rewards import (
    Standing,
    Status,
    Step,
    after_hold,
    at_qualifying,
    hold_until,
    steps,
    taken_back,
)

PROGRAMME = Programme()
FIVE, TEN = (rung.benefit for rung in PROGRAMME.ladder)
NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)


def test_the_friend_gets_theirs_at_once_and_the_referrer_waits() -> None:
    due = at_qualifying(PROGRAMME, has_referrer=True)
    assert due == [
        ("friend", "given", PointsBenefit(kind="points", points=200)),
        ("referrer", "held", PointsBenefit(kind="points", points=500)),
    ]


def test_a_side_without_a_benefit_gets_nothing() -> None:
    assert [each.side for each in at_qualifying(PROGRAMME, has_referrer=False)] == ["friend"]
    assert [each.side for each in at_qualifying(Programme(friend=None), has_referrer=True)] == ["referrer"]
    assert at_qualifying(Programme(friend=None, referrer=None), has_referrer=True) == []


def test_the_hold_counts_from_the_purchase() -> None:
    sale = Sale(NOON, "shop", "R-1", "EUR", Decimal(50))
    assert hold_until(sale, PROGRAMME) == NOON + dt.timedelta(days=14)


@pytest.mark.parametrize(
    ("most", "before", "status"), [(20, 19, "given"), (20, 20, "capped"), (20, 21, "capped"), (None, 10**6, "given")]
)
def test_above_the_cap_of_the_month_nothing_is_given(most: int | None, before: int, status: Status) -> None:
    assert after_hold(Programme(rewards_per_referrer_and_month=most), before) == status


def test_the_month_is_that_of_the_programme() -> None:
    instant = dt.datetime(2026, 11, 30, 23, 30, tzinfo=dt.UTC)
    assert Programme(time_zone="Europe/Berlin").month(instant) == dt.date(2026, 12, 1)
    assert Programme(time_zone="UTC").month(instant) == dt.date(2026, 11, 1)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("held", "cancelled"),
        ("given", "reversed"),
        ("capped", "capped"),
        ("cancelled", "cancelled"),
        ("reversed", "reversed"),
    ],
)
def test_what_was_given_is_reversed_and_what_was_held_cancelled(before: Status, after: Status) -> None:
    assert taken_back(before) == after


GIVEN_5, TAKEN_5 = Standing(5, 1, is_given=True), Standing(5, 1, is_given=False)


@pytest.mark.parametrize(
    ("count", "standing", "expected"),
    [
        (4, [], []),
        (5, [], [Step(5, 1, "given", FIVE)]),
        (5, [GIVEN_5], []),
        (12, [], [Step(5, 1, "given", FIVE), Step(10, 1, "given", TEN)]),
        (4, [GIVEN_5], [Step(5, 1, "reversed", None)]),
        (4, [TAKEN_5], []),
        (5, [TAKEN_5], [Step(5, 2, "given", FIVE)]),
        (7, [Standing(7, 1, is_given=True), GIVEN_5], []),
        (6, [Standing(7, 1, is_given=True), GIVEN_5], [Step(7, 1, "reversed", None)]),
    ],
)
def test_a_rung_is_given_once_while_it_stands(count: int, standing: list[Standing], expected: list[Step]) -> None:
    assert list(steps(PROGRAMME.ladder, count, {each.rung: each for each in standing})) == expected


@given(st.lists(st.integers(0, 12), max_size=20))
def test_whatever_the_count_does_each_round_of_a_rung_is_given_once(counts: list[int]) -> None:
    standing: dict[int, Standing] = {}
    given_ever = set()
    for count in counts:
        for step in steps(PROGRAMME.ladder, count, standing):
            if step.status == "given":
                assert (step.rung, step.round) not in given_ever
                given_ever.add((step.rung, step.round))
            standing[step.rung] = Standing(step.rung, step.round, is_given=step.status == "given")
        assert {each.rung for each in standing.values() if each.is_given} == {n for n in (5, 10) if n <= count}
