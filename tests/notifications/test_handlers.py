"""What other services say becomes coupons, once each, whatever is delivered again and in which order."""

import datetime as dt
from decimal import Decimal
from typing import Any

import orjson
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notifications import handlers
from services.notifications.commands import CreateShared, Request
from services.notifications.delivery import Delivery
from shared.database import fetch, transact
from shared.messaging.decoding import decode
from shared.messaging.events import Received
from tests.notifications.conftest import NOW

COUPON = {
    "kind": "coupon",
    "coupon": {
        "value": {"kind": "percentage_voucher", "percent": "10"},
        "valid_days": 30,
        "code_prefix": "FRNDS",
        "titles": {"en": "10 % off"},
    },
}
REFERRAL = {
    "customer_id": "ben",
    "referral_id": "r-1",
    "side": "friend",
    "code": "7K2M-9QFS",
    "friend_id": "ben",
    "referrer_id": "anna",
    "programme_version": 1,
    "occurred_at": "2026-11-23T09:15:00Z",
}
PAIR = {
    "customer_id": "ben",
    "pair_id": "p-1",
    "side": "friend",
    "offer_id": "winter",
    "kind": "each_buys",
    "referrer_id": "anna",
    "friend_id": "ben",
    "expires_at": "2026-12-23T23:00:00Z",
    "occurred_at": "2026-11-23T09:15:00Z",
}
REWARDED = ("referral.rewarded", REFERRAL | {"reward_id": "r-1/friend/1", "reward": COUPON})
REVERSED = (
    "referral.reversed",
    REFERRAL | {"reward_id": "r-1/friend/1", "reward_kind": "coupon", "reason": "refunded"},
)
COMPLETED = ("pair.completed", PAIR | {"reward_id": "p-1/friend/1", "reward": COUPON})
UNDONE = ("pair.reversed", PAIR | {"reward_id": "p-1/friend/1", "reward_kind": "coupon", "reason": "refunded"})


async def hear(engine: AsyncEngine, *said: tuple[str, dict[str, Any]], source: str = "/loyalty/referrals") -> list[str]:
    """Hear events, each under a name of its own, and return the verdicts."""
    heard = handlers.subscription(Delivery(), clock=lambda: NOW)
    events = [decode(handlers.EVENTS, document(*each, number, source), now=NOW) for number, each in enumerate(said)]
    received = [each for each in events if isinstance(each, Received)]
    assert len(received) == len(said), events
    return [each.status for each in await transact(engine, lambda connection: heard.handle(connection, received))]


def document(kind: str, data: dict[str, Any], number: int, source: str) -> bytes:
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": f"event-{number}",
            "source": source,
            "type": f"loyalty.{kind}.v1",
            "subject": data["customer_id"],
            "time": dt.datetime(2026, 11, 23, 9, 15, tzinfo=dt.UTC),
            "sequence": f"{number + 1:020d}",
            "data": data,
        }
    )


async def coupons(engine: AsyncEngine) -> list[tuple[str, str, str]]:
    async with engine.connect() as connection:
        rows = await fetch(connection, "SELECT coupon_id, customer_id, status FROM coupon ORDER BY coupon_id")
        return [tuple(row) for row in rows]


@pytest.mark.parametrize(("given", "name"), [(REWARDED, "r-1/friend/1"), (COMPLETED, "p-1/friend/1")])
async def test_a_coupon_that_is_due_is_issued_once(
    engine: AsyncEngine, given: tuple[str, dict[str, Any]], name: str
) -> None:
    assert await hear(engine, given, given) == ["accepted", "duplicate"]
    assert await hear(engine, given) == ["duplicate"]
    assert await coupons(engine) == [(name, "ben", "issued")]
    async with engine.connect() as connection:
        (row,) = await fetch(connection, "SELECT code, valid_until FROM coupon")
    assert row["code"].startswith("FRNDS-")
    assert row["valid_until"] == dt.datetime(2026, 12, 24, tzinfo=dt.UTC)


@pytest.mark.parametrize(("given", "undone"), [(REWARDED, REVERSED), (COMPLETED, UNDONE)])
@pytest.mark.parametrize("is_given_first", [True, False])
async def test_what_is_taken_back_is_void_in_either_order(
    engine: AsyncEngine, given: tuple[str, dict[str, Any]], undone: tuple[str, dict[str, Any]], *, is_given_first: bool
) -> None:
    said = [given, undone] if is_given_first else [undone, given]
    await hear(engine, *said)
    await hear(engine, *said)
    assert [each[2] for each in await coupons(engine)] == ["voided"]


async def test_points_and_what_has_no_coupon_are_left_to_others(engine: AsyncEngine) -> None:
    points = REFERRAL | {"reward_id": "r-2/friend/1", "reward": {"kind": "points", "points": 200}}
    cancelled = REFERRAL | {"reward_id": None, "reason": "refunded"}
    of_points = REFERRAL | {"reward_id": "r-2/friend/1", "reward_kind": "points", "reason": "refunded"}
    verdicts = await hear(
        engine, ("referral.rewarded", points), ("referral.reversed", cancelled), ("referral.reversed", of_points)
    )
    assert verdicts == ["skipped"] * 3
    assert await coupons(engine) == []


async def test_a_purchase_with_a_shared_code_counts_what_it_was_given(engine: AsyncEngine) -> None:
    """10 % of wine: 90.00 were paid for what cost 100.00, of which 40.00 were wine."""
    value = '{"kind": "percentage_voucher", "percent": "10", "minimum": "0"}'
    shared = CreateShared("SUMMER26", value, categories='["wine"]')
    writer = Delivery()
    await transact(engine, lambda connection: writer.book(connection, [Request([shared])], now=NOW))
    lines = [
        {"sku": "A-1", "category": "wine", "amount": "36.00"},
        {"sku": "B-1", "category": "books", "amount": "54.00"},
    ]
    bought = {"shop_id": "shop", "invoice_number": "R-1", "customer_id": "ben", "currency": "EUR", "total": "90.00"}
    said = ("purchase.completed", bought | {"discount": "10.00", "lines": lines, "coupon_codes": ["summer-26"]})
    assert await hear(engine, said, said) == ["accepted", "duplicate"]
    async with engine.connect() as connection:
        rows = await fetch(connection, "SELECT uses, amount FROM shared_code")
    assert [tuple(row) for row in rows] == [(1, Decimal("4.00"))]
