"""The life of a coupon on the real database: taken once, by whichever purchase, in any order of what is heard."""

import asyncio
import datetime as dt
import itertools
from typing import Any

import orjson
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notifications.commands import (
    Command,
    CreateShared,
    RedeemCoupon,
    ReleaseCoupon,
    ReserveCoupon,
    SettleCoupon,
)
from services.notifications.delivery import Delivery
from services.notifications.jobs import settle
from services.notifications.programme import Programme
from services.notifications.service import NotificationsService
from services.notifications.verification import verify
from shared.contracts.notifications import EVENTS
from shared.database import transact
from shared.requests import Request
from tests.asking import rows
from tests.notifications.conftest import CODE, NOW, VALUE, Book, issue, purchase, refund, void

OTHER = "XMAS-9QF4-7K2M-T3HY"


async def said(engine: AsyncEngine) -> list[str]:
    """What was said, in order, each one of the contract."""
    events = [orjson.loads(each["payload"]) for each in await rows(engine, "SELECT payload FROM outbox ORDER BY id")]
    for event in events:
        EVENTS.validate_python(event)
    return [each["type"].removeprefix("loyalty.coupon.").removesuffix(".v1") for each in events]


async def state(engine: AsyncEngine) -> tuple[str, str | None]:
    ((status, invoice),) = [each.values() for each in await rows(engine, "SELECT status, invoice_number FROM coupon")]
    return status, invoice


async def uses(engine: AsyncEngine) -> dict[str, str]:
    found = await rows(engine, "SELECT invoice_number, status FROM coupon_use")
    return {each["invoice_number"]: each["status"] for each in found}


async def in_order(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        assert await verify(connection) == []


FACTS: list[Command] = [issue(), purchase("R-1", at=0), purchase("R-2", at=1), refund("R-1")]


@pytest.mark.parametrize("order", list(itertools.permutations(range(2))), ids=str)
async def test_a_code_is_taken_by_the_purchase_that_names_it_whichever_is_heard_first(
    book: Book, engine: AsyncEngine, order: tuple[int, ...]
) -> None:
    for place in (*order, *order):
        await book(FACTS[place])
    assert await state(engine) == ("redeemed", "R-1")
    assert await said(engine) == ["issued", "redeemed"]
    await in_order(engine)


async def test_a_code_that_was_taken_elsewhere_is_a_conflict(book: Book, engine: AsyncEngine) -> None:
    await book(issue(), purchase("R-1"), purchase("R-2"))
    assert await uses(engine) == {"R-1": "redeemed", "R-2": "conflict"}
    assert await state(engine) == ("redeemed", "R-1")
    await in_order(engine)


async def test_the_first_purchase_by_its_own_time_has_a_coupon_that_comes_late(book: Book, engine: AsyncEngine) -> None:
    await book(purchase("R-2", at=1))
    await book(purchase("R-1", at=0))
    await book(issue())
    assert await uses(engine) == {"R-1": "redeemed", "R-2": "conflict"}


@pytest.mark.parametrize("order", list(itertools.permutations([0, 1, 3])), ids=str)
async def test_what_is_taken_back_as_a_whole_frees_its_coupon_in_any_order(
    book: Book, engine: AsyncEngine, order: tuple[int, ...]
) -> None:
    for place in (*order, *order):
        await book(FACTS[place])
    assert await state(engine) == ("issued", None)
    await book(purchase("R-3"))
    assert await state(engine) == ("redeemed", "R-3")
    await in_order(engine)


async def test_the_programme_says_whether_a_full_refund_frees(
    book: Book, engine: AsyncEngine, notifications: NotificationsService
) -> None:
    programme = Programme.model_validate({"coupons": {"full_refund_frees": False}})
    await notifications.publish(programme, valid_from=NOW, now=NOW, actor="tester", request_id="r-1")
    await book(issue(), CreateShared("SUMMER26", VALUE), purchase("R-1", CODE, "SUMMER26"), refund())
    assert await state(engine) == ("redeemed", "R-1")
    found = await rows(engine, "SELECT DISTINCT status, reason FROM coupon_use")
    assert [tuple(each.values()) for each in found] == [("redeemed", "purchase-refunded")]
    await in_order(engine)


async def test_a_part_that_is_taken_back_frees_nothing(book: Book, engine: AsyncEngine) -> None:
    await book(issue(), purchase(), refund(amount="40.00"))
    assert await state(engine) == ("redeemed", "R-1")
    await book(refund(amount="9.90", refund_id="2"))
    assert await state(engine) == ("issued", None)


async def test_what_is_cancelled_is_void_and_says_so_also_before_it_is_heard_of(
    book: Book, engine: AsyncEngine
) -> None:
    await book(void())
    await book(issue())
    assert await state(engine) == ("voided", None)
    assert await said(engine) == ["voided"]
    await book(purchase())
    assert await uses(engine) == {"R-1": "conflict"}


async def test_what_a_till_has_taken_is_not_void(book: Book, engine: AsyncEngine) -> None:
    await book(issue(), purchase(), void())
    assert await state(engine) == ("redeemed", "R-1")
    assert await said(engine) == ["issued", "redeemed"]


async def test_a_basket_has_it_until_its_time_is_over(book: Book, engine: AsyncEngine) -> None:
    await book(issue(), ReserveCoupon(CODE, "basket 1", 600))
    (other,) = await book(ReserveCoupon(CODE, "basket 2", 600))
    assert (other.status, other.code) == ("refused", "coupon-reserved")
    (taken,) = await book(RedeemCoupon(CODE, "shop", "R-1"))
    assert taken.code == "coupon-reserved"
    later = NOW + dt.timedelta(seconds=600)
    (free,) = await book(ReserveCoupon(CODE, "basket 2", 600), now=later)
    assert free.status == "booked"
    await book(ReleaseCoupon(CODE, "basket 2"), now=later)
    await book(RedeemCoupon(CODE, "shop", "R-1"), now=later)
    assert await state(engine) == ("redeemed", "R-1")
    await in_order(engine)


async def test_it_ends_with_its_last_day(book: Book, engine: AsyncEngine, notifications: NotificationsService) -> None:
    await book(issue(days=0), issue("claim-2", OTHER, days=None))
    (over,) = await book(RedeemCoupon(CODE, "shop", "R-1"), now=NOW + dt.timedelta(hours=12))
    assert over.code == "coupon-expired"
    notifications.clock = lambda: NOW + dt.timedelta(days=1)
    await settle(notifications, engine, lambda _done, _of: None)
    found = await rows(engine, "SELECT coupon_id, status FROM coupon ORDER BY coupon_id")
    assert [each["status"] for each in found] == ["expired", "issued"]
    assert await book(SettleCoupon(CODE), now=NOW + dt.timedelta(days=1))
    assert await said(engine) == ["issued", "issued", "expired"]


async def test_what_a_basket_keeps_may_be_paid_with_after_its_end(
    book: Book, engine: AsyncEngine, notifications: NotificationsService
) -> None:
    before, after = NOW + dt.timedelta(hours=11, minutes=55), NOW + dt.timedelta(hours=12)
    await book(issue(days=0), ReserveCoupon(CODE, "basket 1", 600), now=before)
    notifications.clock = lambda: after
    assert await settle(notifications, engine, lambda _done, _of: None) == 0
    (longer, other, taken) = await book(
        ReserveCoupon(CODE, "basket 1", 600),
        RedeemCoupon(CODE, "shop", "R-2"),
        RedeemCoupon(CODE, "shop", "R-1", "basket 1"),
        now=after,
    )
    assert (longer.code, other.code, taken.status) == ("coupon-expired", "coupon-reserved", "booked")
    await in_order(engine)


async def test_a_purchase_that_was_taken_back_takes_no_code_any_more(book: Book, engine: AsyncEngine) -> None:
    await book(issue(), purchase("R-1", "OTHER"), refund("R-1"))
    (refused,) = await book(RedeemCoupon(CODE, "shop", "R-1"))
    assert refused.code == "purchase-refunded"
    assert await state(engine) == ("issued", None)
    await in_order(engine)


async def test_a_refund_and_a_till_at_once_leave_nothing_used(book: Book, engine: AsyncEngine) -> None:
    for number in range(20):
        invoice, code = f"R-{number}", f"LATE-{number}"
        await book(issue(f"claim-{number}", code), purchase(invoice, "OTHER"))
        await asyncio.gather(book(RedeemCoupon(code, "shop", invoice)), book(refund(invoice)))
    await in_order(engine)


async def test_50_tills_on_one_code_take_it_once(book: Book, engine: AsyncEngine) -> None:
    await book(issue())
    writers = [Delivery(), Delivery()]

    async def till(number: int) -> str:
        request: Request[Any, Any] = Request([RedeemCoupon(CODE, "shop", f"R-{number}")])
        work = writers[number % 2].book
        (reply,) = await transact(engine, lambda connection: work(connection, [request], now=NOW))
        return reply.outcomes[0].status

    outcomes = await asyncio.gather(*(till(number) for number in range(50)))
    assert sorted(outcomes) == ["booked"] + ["refused"] * 49
    await in_order(engine)


async def test_a_purchase_and_the_coupon_that_it_names_at_once_find_each_other(book: Book, engine: AsyncEngine) -> None:
    for number in range(40):
        code = f"RACE-{number}"
        await asyncio.gather(book(issue(f"claim-{number}", code)), book(purchase(f"R-{number}", code)))
    found = await rows(engine, "SELECT status FROM coupon")
    assert [each["status"] for each in found] == ["redeemed"] * 40
    await in_order(engine)
