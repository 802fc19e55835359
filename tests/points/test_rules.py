"""The arithmetic of the rules, case by case."""

import datetime as dt
from decimal import Decimal

import pytest

from services.points.programme import EarnBase, Programme, Version, Versions
from services.points.rules import cards, earning
from services.points.rules.lots import Lot, spend

ONE = Decimal(1)


@pytest.mark.parametrize(
    ("base", "rate", "points"),
    [
        ("105.00", "0.1", 10),
        ("49.95", "1", 49),
        ("268.28", "1", 268),
        ("0", "1", 0),
        ("0.99", "1", 0),
        ("0.3333", "3", 0),
        ("0.3334", "3", 1),
        ("99999999999999.9999", "1", 99_999_999_999_999),
    ],
)
def test_rule_1_points_are_rounded_down_once(base: str, rate: str, points: int) -> None:
    assert earning.award(snapshot(base, rate=rate)) == points


def test_nothing_is_earned_below_the_minimum() -> None:
    assert earning.award(snapshot("4.99", minimum="5")) == 0
    assert earning.award(snapshot("5.00", minimum="5")) == 5


SALE = earning.Sale(
    total=Decimal("119.00"),
    tax=Decimal("19.00"),
    shipping=Decimal("4.90"),
    gift_cards=Decimal("20.00"),
    points_paid=Decimal("10.00"),
    discount=Decimal("5.00"),
)


@pytest.mark.parametrize(
    ("counts", "base"),
    [
        (EarnBase(), "84.10"),
        (EarnBase(tax=False), "65.10"),
        (EarnBase(shipping=True), "89.00"),
        (EarnBase(gift_cards=True), "104.10"),
        (EarnBase(points_paid=True), "94.10"),
        (EarnBase(discount=True), "89.10"),
    ],
)
def test_rule_2_the_earn_base_is_a_setting(counts: EarnBase, base: str) -> None:
    programme = Programme(earn_base=counts)
    assert earning.terms(SALE, version=1, programme=programme, rate=ONE).base == Decimal(base)


def test_rule_3_what_is_not_eligible_earns_nothing() -> None:
    gift_card = earning.Sale(total=Decimal("50.00"), gift_cards=Decimal("50.00"), shipping=Decimal("3.00"))
    assert earning.award(earning.terms(gift_card, version=1, programme=Programme(), rate=ONE)) == 0


def snapshot(base: str, *, rate: str = "1", minimum: str = "0", gross: str | None = None) -> earning.Terms:
    return earning.Terms(1, Decimal(rate), Decimal(minimum), Decimal(gross or base), Decimal(base))


def test_rule_13_refunds_of_a_third_take_34_33_and_33() -> None:
    terms, taken_back, clawed_back, steps = snapshot("100.00"), Decimal(0), 0, []
    for amount in ("33.33", "33.33", "33.34"):
        taken_back += Decimal(amount)
        now = earning.clawback(terms, earned=100, taken_back=taken_back, clawed_back=clawed_back)
        clawed_back += now
        steps.append(now)
    assert steps == [34, 33, 33]


def test_rule_13_the_minimum_is_judged_again_on_what_is_kept() -> None:
    assert earning.clawback(snapshot("60", minimum="50"), earned=60, taken_back=Decimal(11), clawed_back=0) == 60


def test_rule_13_where_tax_does_not_earn_a_refund_takes_its_share() -> None:
    assert earning.award(snapshot("100", gross="119"), Decimal("59.50")) == 50


@pytest.mark.parametrize(
    ("refunded", "given_back", "part"),
    [("50", "0", "10"), ("100", "10", "10"), ("33.33", "0", "6.666"), ("100", "20", "0"), ("10", "5", "0")],
)
def test_rule_16_points_paid_go_back_in_proportion(refunded: str, given_back: str, part: str) -> None:
    assert earning.points_paid_part(
        paid=Decimal(20), total=Decimal(100), refunded=Decimal(refunded), given_back=Decimal(given_back)
    ) == Decimal(part)


def lots(*remaining: int) -> list[Lot]:
    return [Lot(number, points, points) for number, points in enumerate(remaining, start=1)]


@pytest.mark.parametrize(
    ("points", "first", "allocated", "missing"),
    [
        (5, None, [(1, 5)], 0),
        (15, None, [(1, 10), (2, 5)], 0),
        (15, 2, [(2, 15)], 0),
        (25, 2, [(2, 20), (1, 5)], 0),
        (100, 3, [(3, 30), (1, 10), (2, 20)], 40),
    ],
)
def test_rule_14_the_purchases_own_lot_gives_first_then_the_oldest(
    points: int, first: int | None, allocated: list[tuple[int, int]], missing: int
) -> None:
    there = lots(10, 20, 30)
    given, lacking = spend(there, points, first=None if first is None else there[first - 1])
    assert [(lot.sequence, part) for lot, part in given] == allocated
    assert lacking == missing


def test_card_numbers_carry_the_ean_check_digit() -> None:
    assert cards.card_number(42) == "2990000000422"
    assert cards.check_digit("400638133393") == "1"


@pytest.mark.parametrize(
    ("number", "mistyped"),
    [
        ("2990000000422", False),
        ("2990000000423", True),
        ("2990000000242", True),
        ("SHOP-7", False),
        ("4006381333930", False),
    ],
)
def test_only_numbers_of_our_own_range_are_checked(number: str, mistyped: bool) -> None:  # noqa: FBT001 - a table
    assert cards.is_mistyped(number) is mistyped


def test_rule_6_a_purchase_earns_by_the_version_of_its_day() -> None:
    start, later = dt.datetime(1, 1, 1, tzinfo=dt.UTC), dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
    versions = Versions(
        [
            Version(version=2, valid_from=later, programme=Programme.model_validate({"rates": {"EUR": "2"}})),
            Version(version=1, valid_from=start, programme=Programme()),
        ]
    )
    assert versions.at(later - dt.timedelta(microseconds=1)).version == 1
    assert versions.at(later).version == 2
    assert versions.latest == 2
