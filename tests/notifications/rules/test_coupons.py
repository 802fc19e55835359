"""What coupons are worth and when they are taken (rule 27): tables, and what holds for every basket and every life."""

import datetime as dt
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from services.notifications.rules.coupons import (
    Basket,
    Budget,
    Coupon,
    Line,
    Priced,
    Used,
    draw,
    priced,
    valid_until,
)
from shared import codes
from shared.contracts.coupons import CouponValue

NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
DAY = dt.timedelta(days=1)
VALUE: TypeAdapter[CouponValue] = TypeAdapter(CouponValue)
NOTHING = Used()


def coupon(kind: str = "percentage_voucher", *, code: str = "A", conditions: Any = None, **value: Any) -> Coupon:
    filled = {"percentage_voucher": {"percent": "10"}, "money_voucher": {"amount": "5.00", "currency": "EUR"}}
    document = {"kind": kind, **filled.get(kind, {}), **value}
    return Coupon(code, VALUE.validate_python(document), **(conditions or {}))


def basket(*lines: Line, shipping: str = "4.90", currency: str = "EUR", customer_id: str | None = "c-42") -> Basket:
    goods = lines or (line("60.00", "wine", quantity=3), line("40.00", "books", "B-1"))
    return Basket(currency, goods, Decimal(shipping), customer_id)


def line(amount: str, category: str | None = None, sku: str = "A-1", quantity: int = 1) -> Line:
    return Line(Decimal(amount), sku, category, Decimal(quantity))


def alone(one: Coupon, goods: Basket, used: Used = NOTHING) -> str:
    [found] = priced([(one, used)], goods)
    return found.refused.reason if found.refused else str(found.worth)


WINE = {"categories": frozenset({"wine"})}


@pytest.mark.parametrize(
    ("one", "goods", "worth"),
    [
        (coupon(), basket(), "10.00"),
        (coupon(percent="12.5"), basket(line("9.99")), "1.25"),
        (coupon(percent="100"), basket(), "100.00"),
        (coupon(conditions=WINE), basket(), "6.00"),
        (coupon(conditions={"categories": frozenset({"toys"})}), basket(), "nothing-eligible"),
        (coupon(minimum="100"), basket(), "10.00"),
        (coupon(minimum="100.01"), basket(), "minimum-missed"),
        (coupon(minimum="60.01", conditions=WINE), basket(), "minimum-missed"),
        (coupon("money_voucher"), basket(), "5.00"),
        (coupon("money_voucher"), basket(line("3.49")), "3.49"),
        (coupon("money_voucher", currency="CHF"), basket(), "currency-differs"),
        (coupon("money_voucher", minimum="10"), basket(line("9.99")), "minimum-missed"),
        (coupon("free_article", sku="A-1"), basket(), "20.00"),
        (coupon("free_article", sku="B-1"), basket(), "40.00"),
        (coupon("free_article", sku="C-1"), basket(), "0"),
        (coupon("free_article", sku="A-1"), basket(line("3.00", quantity=0), line("4.00")), "3.00"),
        (coupon("shipping"), basket(), "4.90"),
        (coupon("shipping"), basket(shipping="0"), "nothing-eligible"),
        (coupon("shipping", minimum="100.01"), basket(), "minimum-missed"),
    ],
)
def test_what_a_coupon_is_worth(one: Coupon, goods: Basket, worth: str) -> None:
    found = alone(one, goods)
    assert found == worth or Decimal(found) == Decimal(worth)


@pytest.mark.parametrize(
    ("conditions", "goods", "verdict"),
    [
        ({"customer_id": "c-42"}, basket(), "10.00"),
        ({"customer_id": "c-42"}, basket(customer_id=None), "10.00"),
        ({"customer_id": "c-42"}, basket(customer_id="c-43"), "coupon-of-another"),
        ({"budget": Budget(per_customer=1)}, basket(customer_id=None), "customer-missing"),
    ],
)
def test_by_whom_a_coupon_is_used(conditions: Any, goods: Basket, verdict: str) -> None:
    assert alone(coupon(conditions=conditions), goods) == verdict


@pytest.mark.parametrize(
    ("budget", "used", "verdict"),
    [
        (Budget(uses=100), Used(uses=99), "10.00"),
        (Budget(uses=100), Used(uses=100), "budget-exhausted"),
        (Budget(amount=Decimal(50)), Used(amount=Decimal(40)), "10.00"),
        (Budget(amount=Decimal(50)), Used(amount=Decimal("40.01")), "budget-exhausted"),
        (Budget(per_customer=1), Used(uses=500), "10.00"),
        (Budget(per_customer=1), Used(by_customer=1), "customer-had-it"),
        (Budget(), Used(10**6, Decimal(10**6), 10**6), "10.00"),
    ],
)
def test_a_shared_code_ends_with_its_budget(budget: Budget, used: Used, verdict: str) -> None:
    assert alone(coupon(conditions={"budget": budget}), basket(), used) == verdict


def together(*coupons: Coupon, goods: Basket | None = None) -> list[str]:
    found = priced([(each, NOTHING) for each in coupons], goods or basket())
    return [each.refused.reason if each.refused else str(each.worth) for each in found]


def stacking(kind: str, code: str, categories: frozenset[str] = frozenset(), **value: Any) -> Coupon:
    return coupon(kind, code=code, conditions={"stacks": True, "categories": categories}, **value)


def test_shares_are_taken_before_sums_in_whatever_order_the_codes_are_named() -> None:
    share, money = stacking("percentage_voucher", "A"), stacking("money_voucher", "B", amount="50")
    assert together(share, money) == ["10.00", "50"]
    assert together(money, share) == ["50", "10.00"]


def test_each_coupon_is_worth_something_of_what_the_others_left() -> None:
    half_of_wine = stacking("percentage_voucher", "A", frozenset({"wine"}), percent="50")
    half = stacking("percentage_voucher", "B", percent="50")
    rest = stacking("money_voucher", "C", amount="1000")
    assert together(half_of_wine, half, rest) == ["30.00", "35.00", "35.00"]


def test_of_those_that_do_not_stack_the_first_is_taken() -> None:
    assert together(coupon(code="A"), stacking("shipping", "B")) == ["10.00", "coupon-not-combinable"]
    assert together(stacking("shipping", "B"), coupon(code="A")) == ["4.90", "coupon-not-combinable"]


AMOUNTS = st.decimals(0, 500, places=2)
LINES = st.lists(st.tuples(AMOUNTS, st.sampled_from(["wine", "books", None])), min_size=1, max_size=5)
COUPONS = st.lists(
    st.one_of(
        st.tuples(st.just("percentage_voucher"), st.decimals(Decimal("0.01"), 100, places=2)),
        st.tuples(st.just("money_voucher"), st.decimals(Decimal("0.01"), 400, places=2)),
    ),
    max_size=5,
)


@given(lines=LINES, wanted=COUPONS, categories=st.sampled_from([frozenset[str](), frozenset({"wine"})]))
def test_coupons_never_pay_more_than_there_is(lines: Any, wanted: Any, categories: frozenset[str]) -> None:
    goods = Basket("EUR", tuple(Line(amount, "A-1", category) for amount, category in lines))
    fields = {"percentage_voucher": "percent", "money_voucher": "amount"}
    coupons = [
        stacking(kind, str(place), categories if place % 2 else frozenset(), **{fields[kind]: str(value)})
        for place, (kind, value) in enumerate(wanted)
    ]
    found = priced([(each, NOTHING) for each in coupons], goods)
    assert all(each.worth >= 0 for each in found)
    assert sum(each.worth for each in found) <= sum(each.amount for each in goods.lines)


@pytest.mark.parametrize(
    ("issued", "days", "until"),
    [
        ("2026-11-23T12:00:00Z", 30, "2026-12-23T23:00:00Z"),
        ("2026-11-23T23:30:00Z", 0, "2026-11-24T23:00:00Z"),
        ("2026-03-20T12:00:00Z", 9, "2026-03-29T22:00:00Z"),
    ],
)
def test_a_coupon_ends_with_a_local_day(issued: str, days: int, until: str) -> None:
    found = valid_until(dt.datetime.fromisoformat(issued), days, ZoneInfo("Europe/Berlin"))
    assert found == dt.datetime.fromisoformat(until)
    assert valid_until(NOON, None, ZoneInfo("UTC")) is None


def test_a_code_checks_itself_and_is_drawn_anew_each_time() -> None:
    drawn = {draw("XMAS") for _ in range(100)}
    assert len(drawn) == 100
    assert all(codes.spelled(code.lower()) == code and code.startswith("XMAS-") for code in drawn)


def test_prices_come_in_the_order_of_the_codes() -> None:
    found = priced([(stacking("shipping", "Z"), NOTHING), (stacking("money_voucher", "Y"), NOTHING)], basket())
    assert found == [Priced("Z", Decimal("4.90")), Priced("Y", Decimal("5.00"))]
