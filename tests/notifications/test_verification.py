"""Each invariant of coupons and of histories is broken once, and found; what the service itself did never breaks one."""

from decimal import Decimal

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notifications.commands import CreateShared, HearMerge, ReserveCoupon
from services.notifications.rules.coupons import Basket, Line
from services.notifications.verification import COUPONS, verify
from shared.database import fetch
from tests.notifications.conftest import CODE, VALUE, Book, issue, purchase, refund
from tests.notifications.test_history import bought

BEN = Basket("EUR", (Line(Decimal("49.90")),), customer_id="ben")
OTHER = "XMAS-9QF4-7K2M-T3HY"

BREAKAGES = {
    "a-coupon-is-taken-by-one-purchase": "UPDATE coupon SET invoice_number = 'R-2' WHERE coupon_id = 'claim-1'",
    "no-code-waits-for-a-coupon-that-is-there": "UPDATE coupon_use SET status = 'unknown' WHERE status = 'conflict'",
    "what-was-taken-back-uses-nothing": "UPDATE coupon_use SET status = 'redeemed' WHERE status = 'freed'",
    "a-coupon-ends-once": "UPDATE coupon SET ended_at = NULL WHERE coupon_id = 'claim-1'",
    "a-use-has-its-code": "UPDATE coupon_use SET code = 'NOBODYS' WHERE code = 'SUMMER26' AND status = 'redeemed'",
    "a-code-is-one-or-the-other": "UPDATE coupon SET code = 'SUMMER26' WHERE coupon_id = 'claim-2'",
    "a-shared-code-counts-what-is-used": "UPDATE shared_code SET uses = uses + 1",
    "a-customer-has-a-shared-code-as-often-as-anybody-may": "UPDATE shared_reservation SET customer_id = 'anna'",
    "what-is-kept-is-of-a-shared-code": "UPDATE shared_reservation SET code = 'NOBODYS'",
    "a-history-is-its-purchases": "UPDATE customer SET turnover = turnover + 1 WHERE customer_id = 'ben'",
    "categories-are-those-of-the-purchases": "UPDATE bought SET purchases = purchases + 1",
    "no-purchase-waits-for-a-card-that-is-known": "INSERT INTO card VALUES ('K-1', 'ben')",
    "who-goes-on-as-another-has-nothing-of-their-own": "UPDATE customer SET merged_into = 'nobody' WHERE customer_id = 'ben'",
}


async def found(engine: AsyncEngine) -> set[str]:
    async with engine.connect() as connection:
        return {finding.name for finding in await verify(connection)}


@pytest.fixture
async def history(book: Book) -> None:
    """A coupon that is taken and one that was given back; a code for everybody that one has, and a basket keeps; purchases
    of one who went on as another, and of an unknown card.
    """
    await book(issue(), issue("claim-2", OTHER), CreateShared("SUMMER26", VALUE, most_per_customer=1))
    await book(purchase("R-1", CODE), purchase("R-2", CODE), purchase("R-3", OTHER), refund("R-3"))
    await book(purchase("R-4", "SUMMER26")._replace(customer_id="anna"), ReserveCoupon("SUMMER26", "b-1", 600, BEN))
    await book(bought("R-5", "cleo", "9.90", "wine"), HearMerge("cleo", "ben"), bought("R-6", None, card="K-1"))


@pytest.mark.usefixtures("history")
async def test_what_the_service_did_breaks_none(engine: AsyncEngine) -> None:
    assert await found(engine) == set()


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("name", BREAKAGES)
async def test_what_is_broken_is_found(engine: AsyncEngine, name: str) -> None:
    async with engine.begin() as connection:
        await fetch(connection, BREAKAGES[name])
    assert name in await found(engine)


def test_every_invariant_is_broken() -> None:
    assert {each.name for each in COUPONS} == set(BREAKAGES)
