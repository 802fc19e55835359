"""Codes for everybody on the real database: kept and taken within their budget, however many tills try at once."""

import asyncio
import datetime as dt
from decimal import Decimal
from typing import Any

import orjson
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notifications.commands import (
    Command,
    CreateShared,
    EndShared,
    Outcome,
    RedeemCoupon,
    ReleaseCoupon,
    ReserveCoupon,
    UseCoupons,
)
from services.notifications.delivery import Delivery
from services.notifications.jobs import settle
from services.notifications.rules.coupons import Basket, Line
from services.notifications.service import NotificationsService
from services.notifications.verification import verify
from shared.contracts.notifications import EVENTS
from shared.database import transact
from shared.requests import Request
from tests.asking import rows
from tests.notifications.conftest import CODE, NOW, Book, issue, refund

WORD = "SUMMER26"
TEN_PERCENT = '{"kind": "percentage_voucher", "percent": "10", "minimum": "0"}'
FIVE_EUROS = '{"kind": "money_voucher", "amount": "5.00", "currency": "EUR", "minimum": "0"}'
MINUTES = dt.timedelta(minutes=1)


def shared(code: str = WORD, value: str = TEN_PERCENT, **terms: Any) -> CreateShared:
    return CreateShared(code, value, **terms)


def goods(amount: str = "50.00", customer: str | None = "anna") -> Basket:
    return Basket("EUR", (Line(Decimal(amount), "A-1", "wine"),), customer_id=customer)


def redeem(
    invoice: str = "R-1", basket: Basket | None = None, *, reservation: str | None = None, code: str = WORD
) -> Command:
    return RedeemCoupon(code, "shop", invoice, reservation, basket)


def reserve(name: str = "b-1", basket: Basket | None = None, *, code: str = WORD) -> Command:
    return ReserveCoupon(code, name, 600, basket)


def paid(
    invoice: str = "R-1", *codes: str, customer: str | None = "anna", amount: str = "50.00", at: float = 0
) -> Command:
    """A purchase that is heard of, so many hours from now."""
    when = NOW + dt.timedelta(hours=at)
    return UseCoupons("shop", invoice, Decimal(amount), codes or (WORD,), when, customer, goods(amount, customer))


async def uses(engine: AsyncEngine, code: str = WORD) -> dict[str, str]:
    found = await rows(engine, f"SELECT invoice_number, status, reason FROM coupon_use WHERE code = '{code}'")
    return {each["invoice_number"]: each["reason"] or each["status"] for each in found}


async def used(engine: AsyncEngine, code: str = WORD) -> tuple[int, Decimal]:
    ((number, amount),) = [
        each.values() for each in await rows(engine, f"SELECT uses, amount FROM shared_code WHERE code = '{code}'")
    ]
    return number, amount


async def in_order(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        assert await verify(connection) == []


def said(outcomes: list[Outcome]) -> list[str | None]:
    return [each.code or each.status for each in outcomes]


# The budget


async def test_uses_end_with_the_budget_and_what_is_released_is_free_again(book: Book, engine: AsyncEngine) -> None:
    found = await book(shared(most_uses=2), reserve("b-1"), redeem("R-1"), redeem("R-2"))
    assert said(found) == ["booked", "booked", "booked", "budget-exhausted"]
    assert said(await book(ReleaseCoupon(WORD, "b-1"), ReleaseCoupon(WORD, "b-1"))) == ["booked", "repeated"]
    assert said(await book(redeem("R-2"), redeem("R-3"), redeem("R-2"))) == ["booked", "budget-exhausted", "repeated"]
    assert await used(engine) == (2, Decimal(0))
    await in_order(engine)


async def test_a_budget_in_money_counts_what_each_basket_is_given(book: Book, engine: AsyncEngine) -> None:
    terms = shared(most_amount=Decimal(12), currency="EUR")
    found = await book(
        terms, redeem("R-1", goods("80.00")), redeem("R-2", goods("50.00")), redeem("R-3", goods("40.00"))
    )
    assert said(found) == ["booked", "booked", "budget-exhausted", "booked"]
    assert said(await book(redeem("R-4"))) == ["basket-missing"]
    dollars = goods("1.00")._replace(currency="USD")
    assert said(await book(redeem("R-5", dollars))) == ["currency-differs"]
    assert await used(engine) == (2, Decimal(12))
    await in_order(engine)


async def test_each_customer_has_it_so_often_and_a_customer_nobody_knows_never(book: Book, engine: AsyncEngine) -> None:
    await book(shared(most_per_customer=1), redeem("R-1", goods()))
    found = await book(redeem("R-2", goods()), redeem("R-3"), redeem("R-4", goods(customer=None)))
    assert said(found) == ["customer-had-it", "customer-missing", "customer-missing"]
    assert said(await book(reserve("b-1", goods(customer="ben")))) == ["booked"]
    assert said(await book(redeem("R-5", goods(customer="ben")))) == ["customer-had-it"]
    assert said(await book(redeem("R-5", reservation="b-1"))) == ["booked"]
    await in_order(engine)


async def test_100_tills_at_once_end_at_exactly_the_budget(book: Book, engine: AsyncEngine) -> None:
    await book(shared(most_uses=30))
    writers = [Delivery(), Delivery()]

    async def till(number: int) -> str | None:
        request: Request[Any, Any] = Request([redeem(f"R-{number}", goods(customer=f"c-{number}"))])
        work = writers[number % 2].book
        (reply,) = await transact(engine, lambda connection: work(connection, [request], now=NOW))
        return said(reply.outcomes)[0]

    outcomes = await asyncio.gather(*(till(number) for number in range(100)))
    assert sorted(map(str, outcomes)) == ["booked"] * 30 + ["budget-exhausted"] * 70
    assert await used(engine) == (30, Decimal(150))
    await in_order(engine)


# Baskets


async def test_what_a_basket_keeps_is_paid_with_as_it_was_kept_and_lapses_in_its_time(
    book: Book, engine: AsyncEngine, notifications: NotificationsService
) -> None:
    await book(shared(most_uses=2, valid_until=NOW + 5 * MINUTES), reserve("b-1", goods()), reserve("b-2", goods()))
    assert said(await book(redeem("R-3"))) == ["budget-exhausted"]
    late = NOW + 9 * MINUTES
    found = await book(reserve("b-1", goods()), redeem("R-1", reservation="b-1"), redeem("R-3"), now=late)
    assert said(found) == ["coupon-expired", "booked", "coupon-expired"]
    assert await used(engine) == (2, Decimal(10))
    notifications.clock = lambda: NOW + 10 * MINUTES
    await settle(notifications, engine, lambda _done, _of: None)
    assert await used(engine) == (1, Decimal(5))
    await in_order(engine)


async def test_the_same_basket_keeps_it_for_longer_for_what_is_in_it_now(book: Book, engine: AsyncEngine) -> None:
    await book(shared(most_amount=Decimal(10), currency="EUR"), reserve("b-1", goods("50.00")))
    assert said(await book(reserve("b-1", goods("90.00")), reserve("b-1", goods("110.00")))) == [
        "repeated",
        "budget-exhausted",
    ]
    assert await used(engine) == (1, Decimal(9))
    assert said(await book(reserve("b-1", goods("100.00")), now=NOW + 9 * MINUTES)) == ["repeated"]
    assert said(await book(redeem("R-1", reservation="b-1"), now=NOW + 18 * MINUTES)) == ["booked"]
    assert await used(engine) == (1, Decimal(10))
    await in_order(engine)


async def test_codes_of_one_basket_are_judged_together_though_they_are_redeemed_one_by_one(
    book: Book, engine: AsyncEngine
) -> None:
    stacking: dict[str, Any] = {"categories": '["wine"]', "stacks": True}
    await book(shared(**stacking), shared("FIVE", FIVE_EUROS, **stacking), shared("ALONE"), issue())
    half = '{"kind": "percentage_voucher", "percent": "50", "minimum": "0"}'
    await book(shared("HALF", half, stacks=True))
    found = await book(*(redeem("R-1", goods(), code=code) for code in ("HALF", WORD, "FIVE", "ALONE", CODE)))
    assert said(found) == ["booked"] * 3 + ["coupon-not-combinable"] * 2
    worths = [each.use.amount for each in found if each.use is not None]
    assert worths == [Decimal(25), Decimal("2.50"), Decimal(5)]
    found = await book(reserve("b-1", goods(), code="ALONE"), reserve("b-1", goods(), code="FIVE"))
    assert said(found) == ["booked", "coupon-not-combinable"]
    await in_order(engine)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_what_codes_take_off_together_does_not_depend_on_who_is_first(
    book: Book, engine: AsyncEngine, order: tuple[int, int]
) -> None:
    terms: dict[str, Any] = {"stacks": True, "most_amount": Decimal(50), "currency": "EUR"}
    await book(shared(**terms), shared("GIFT", '{"kind": "free_article", "sku": "A-2"}', **terms))
    basket = Basket("EUR", (Line(Decimal(80), "A-1"), Line(Decimal(20), "A-2")))
    both = [redeem("R-1", basket), redeem("R-1", basket, code="GIFT")]
    await book(*(both[place] for place in order))
    assert [await used(engine), await used(engine, "GIFT")] == [(1, Decimal(8)), (1, Decimal(20))]
    await in_order(engine)


async def test_two_tills_of_one_basket_do_not_pass_each_other_by(book: Book, engine: AsyncEngine) -> None:
    await book(shared("ALONE"), shared("OTHER"))
    for number in range(20):
        both = await asyncio.gather(*(book(reserve(f"b-{number}", code=code)) for code in ("ALONE", "OTHER")))
        assert sorted(str(said(each)[0]) for each in both) == ["booked", "coupon-not-combinable"]
    await in_order(engine)


# In purchases


async def test_a_purchase_counts_and_one_over_the_budget_is_a_conflict_never_lost(
    book: Book, engine: AsyncEngine
) -> None:
    await book(shared(most_uses=1), paid("R-1"), paid("R-2"), paid("R-1"))
    assert await uses(engine) == {"R-1": "redeemed", "R-2": "budget-exhausted"}
    assert await used(engine) == (1, Decimal(5))
    events = [orjson.loads(each["payload"]) for each in await rows(engine, "SELECT payload FROM outbox ORDER BY id")]
    heard = [EVENTS.validate_python(event) for event in events]
    assert [(each.type, each.data.shared, each.data.invoice_number) for each in heard] == [
        ("loyalty.coupon.redeemed.v1", True, "R-1")
    ]
    await in_order(engine)


@pytest.mark.parametrize("is_told_first", [True, False])
async def test_a_till_and_a_purchase_that_say_the_same_count_once(
    book: Book, engine: AsyncEngine, *, is_told_first: bool
) -> None:
    both = [redeem("R-1", goods()), paid("R-1")]
    await book(shared(most_uses=5), *(both if is_told_first else reversed(both)))
    assert await used(engine) == (1, Decimal(5))
    await in_order(engine)


async def test_what_its_customer_keeps_is_for_the_purchase(book: Book, engine: AsyncEngine) -> None:
    await book(
        shared(most_uses=1, most_per_customer=1), reserve("b-1", goods()), paid("R-1", customer="ben"), paid("R-2")
    )
    assert await uses(engine) == {"R-1": "budget-exhausted", "R-2": "redeemed"}
    assert await rows(engine, "SELECT 1 FROM shared_reservation") == []
    await in_order(engine)


async def test_a_purchase_is_judged_by_its_own_time(book: Book, engine: AsyncEngine) -> None:
    await book(shared(valid_from=NOW, valid_until=NOW + 60 * MINUTES))
    await book(EndShared(WORD, "sold out"), now=NOW + 30 * MINUTES)
    late = NOW + dt.timedelta(days=1)
    await book(paid("R-0", at=-1), paid("R-1", at=0.25), paid("R-2", at=0.75), now=late)
    assert await uses(engine) == {"R-0": "coupon-not-yet-valid", "R-1": "redeemed", "R-2": "coupon-voided"}
    assert said(await book(redeem("R-3"), now=late)) == ["coupon-voided"]
    await in_order(engine)


async def test_purchases_that_wait_for_their_code_have_it_in_their_own_order(book: Book, engine: AsyncEngine) -> None:
    await book(paid("R-2", at=-1))
    await book(paid("R-1", at=-2), paid("R-3", at=0), refund("R-3", "50.00"))
    await book(shared(most_uses=1))
    assert await uses(engine) == {"R-1": "redeemed", "R-2": "budget-exhausted", "R-3": "freed"}
    await in_order(engine)


async def test_a_full_refund_makes_room_unless_the_code_says_otherwise(book: Book, engine: AsyncEngine) -> None:
    await book(shared(most_uses=1, most_per_customer=1), shared("ONCE", most_uses=1, refund_frees=False))
    await book(paid("R-1", WORD, "ONCE"), refund("R-1", "40.00"))
    assert said(await book(redeem("R-2", goods()))) == ["customer-had-it"]
    await book(refund("R-1", "10.00", "2"))
    assert said(await book(redeem("R-2", goods()), redeem("R-3", goods(), code="ONCE"))) == [
        "booked",
        "budget-exhausted",
    ]
    assert said(await book(redeem("R-1", goods()))) == ["purchase-refunded"]
    await in_order(engine)


async def test_a_code_is_one_or_the_other(book: Book, engine: AsyncEngine) -> None:
    assert said(await book(issue(), shared(CODE), shared(), issue("claim-2", WORD))) == [
        "booked",
        "code-taken",
        "booked",
        "code-taken",
    ]
    both = await asyncio.gather(book(shared("BOTH")), book(issue("claim-3", "BOTH")))
    assert sorted(str(said(each)[0]) for each in both) == ["booked", "code-taken"]
    await in_order(engine)
