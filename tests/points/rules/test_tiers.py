"""Tiers by their rule: what a count earns, how long it lasts, what a review makes of it (rule 22)."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from services.points.programme import Tiers
from services.points.rules import tiers
from services.points.rules.tiers import Counts, Standing

LEVELS = [
    {"name": "Basic", "threshold": 0},
    {"name": "Silver", "threshold": 100},
    {"name": "Gold", "threshold": 300},
]
TODAY = dt.date(2026, 11, 23)
SILVER, GOLD = 1, 2


def made(**more: Any) -> Tiers:
    return Tiers.model_validate({"levels": LEVELS} | more)


def counts(now: str, before: str = "0") -> Counts:
    return Counts(Decimal(now), Decimal(before))


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


@pytest.mark.parametrize(
    ("window", "today", "since", "before"),
    [
        ("calendar_year", "2026-11-23", "2026-01-01", "2025-01-01"),
        ("calendar_year", "2026-01-01", "2026-01-01", "2025-01-01"),
        ("rolling_year", "2026-11-23", "2025-11-24", "2024-11-24"),
        ("rolling_year", "2028-02-29", "2027-03-01", "2026-03-01"),
        ("rolling_year", "2027-02-28", "2026-03-01", "2025-03-01"),
        ("rolling_year", "2026-12-31", "2026-01-01", "2025-01-01"),
    ],
)
def test_rule_22_the_window_of_a_day_and_the_one_before(window: str, today: str, since: str, before: str) -> None:
    assert tiers.window(made(window=window), day(today)) == (day(since), day(before))


def test_rule_22_a_lifetime_counts_from_the_beginning() -> None:
    assert tiers.window(made(window="lifetime"), TODAY)[0] == dt.date.min


@pytest.mark.parametrize(
    ("count", "place"), [("-5", 0), ("0", 0), ("99.9999", 0), ("100", 1), ("299", 1), ("300", 2), ("9999", 2)]
)
def test_rule_22_a_tier_is_reached_at_its_threshold(count: str, place: int) -> None:
    assert tiers.earned(made(), Decimal(count)) == place


@pytest.mark.parametrize(
    ("place", "count", "standing"),
    [
        (0, "0", Standing("Basic", TODAY, "Silver", 100)),
        (0, "99.01", Standing("Basic", TODAY, "Silver", 1)),
        (1, "100", Standing("Silver", TODAY, "Gold", 200)),
        (1, "-20", Standing("Silver", TODAY, "Gold", 320)),
        (0, "350", Standing("Basic", TODAY, "Silver", 0)),
        (2, "350", Standing("Gold", TODAY)),
    ],
)
def test_rule_22_what_is_missing_to_the_next_tier(place: int, count: str, standing: Standing) -> None:
    assert tiers.standing(made(), place, TODAY, Decimal(count)) == standing


@pytest.mark.parametrize(
    ("window", "grace", "since", "review", "next_review"),
    [
        ("calendar_year", 0, "2026-11-23", "2027-01-01", "2028-01-01"),
        ("calendar_year", 0, "2026-01-01", "2027-01-01", "2028-01-01"),
        ("calendar_year", 3, "2026-12-31", "2027-04-01", "2028-04-01"),
        ("rolling_year", 0, "2026-11-23", "2027-11-23", "2028-11-23"),
        ("rolling_year", 2, "2026-12-31", "2028-02-29", "2029-02-28"),
        ("rolling_year", 0, "2028-02-29", "2029-02-28", "2030-02-28"),
    ],
)
def test_rule_22_a_review_comes_after_the_period_and_its_grace(
    window: str, grace: int, since: str, review: str, next_review: str
) -> None:
    levels = made(window=window, grace_months=grace)
    assert tiers.review_on(levels, day(since)) == day(review)
    assert tiers.next_review_on(levels, day(review)) == day(next_review)


def test_rule_22_what_was_earned_in_a_lifetime_is_never_reviewed() -> None:
    assert tiers.review_on(made(window="lifetime"), TODAY) is None
    assert tiers.next_review_on(made(window="lifetime"), TODAY) is None


@pytest.mark.parametrize(
    ("downgrade", "place", "count", "after"),
    [
        ("to_earned", GOLD, counts("0", "0"), 0),
        ("to_earned", GOLD, counts("0", "150"), SILVER),
        ("to_earned", GOLD, counts("0", "300"), GOLD),
        ("to_earned", GOLD, counts("310", "0"), GOLD),
        ("to_earned", SILVER, counts("310", "0"), GOLD),
        ("one_level", GOLD, counts("0", "0"), SILVER),
        ("one_level", SILVER, counts("0", "0"), 0),
        ("one_level", GOLD, counts("0", "300"), GOLD),
        ("none", GOLD, counts("0", "0"), GOLD),
        ("none", SILVER, counts("300", "0"), GOLD),
    ],
)
def test_rule_22_a_review_lowers_no_further_than_its_policy(
    downgrade: str, place: int, count: Counts, after: int
) -> None:
    assert tiers.reviewed(made(downgrade=downgrade), place, count) == after


def test_rule_22_in_a_rolling_year_only_its_own_count_keeps_a_tier() -> None:
    assert tiers.reviewed(made(window="rolling_year"), GOLD, counts("0", "300")) == 0
    assert tiers.to_keep(made(window="rolling_year"), GOLD, counts("0", "300")) == 300


@pytest.mark.parametrize(
    ("count", "missing"),
    [(counts("0", "0"), 300), (counts("10", "250.50"), 50), (counts("0", "300"), 0), (counts("400", "0"), 0)],
)
def test_rule_22_what_is_missing_to_keep_a_tier(count: Counts, missing: int) -> None:
    assert tiers.to_keep(made(), GOLD, count) == missing


def test_rule_22_days_are_counted_in_the_window_of_the_review() -> None:
    days = [(day("2025-12-31"), Decimal(1)), (day("2026-01-01"), Decimal(2)), (day("2027-01-01"), Decimal(4))]
    days.append((day("2027-01-02"), Decimal(8)))
    assert tiers.counted(made(), days, day("2027-01-01")) == counts("4", "2")
    assert tiers.counted(made(window="rolling_year"), days, day("2027-01-01")) == counts("4", "3")
    assert tiers.counted(made(window="rolling_year"), days, day("2026-12-31")) == counts("2", "1")
    assert tiers.counted(made(window="lifetime"), days, day("2027-01-01")) == counts("7")


def test_a_tier_that_the_programme_has_not_is_the_first() -> None:
    assert [made().level(name) for name in ("Silver", "Platinum", None)] == [1, 0, 0]
