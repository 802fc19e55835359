"""What the API and the command line read; nothing here locks or writes."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database import fetch

ACCOUNT = """
SELECT customer_id, card_number, status, available, lifetime_points, enrolled_at FROM account WHERE customer_id = $1"""

ACCOUNT_OF_CARD = """
SELECT a.customer_id, a.card_number, a.status, a.available, a.lifetime_points, a.enrolled_at
  FROM card c JOIN account a USING (customer_id) WHERE c.card_number = $1"""

ENTRIES = """
SELECT sequence, kind, points, available_after, reference, occurred_at, recorded_at FROM entry
 WHERE customer_id = $1 AND sequence < $2 ORDER BY sequence DESC LIMIT $3"""

LOTS = """
SELECT l.sequence, l.points, l.remaining, e.occurred_at AS earned_at FROM lot l JOIN entry e USING (customer_id, sequence)
 WHERE l.customer_id = $1 AND l.sequence > $2 AND l.remaining > 0 ORDER BY l.sequence LIMIT $3"""

PURCHASE_COLUMNS = """shop_id, invoice_number, status, customer_id, card_number, currency, total, occurred_at, received_at,
  points, award::text AS award, refunded, clawed_back, recorded_by"""

PURCHASE = f"SELECT {PURCHASE_COLUMNS} FROM purchase WHERE shop_id = $1 AND invoice_number = $2"

UNSETTLED = f"""
SELECT {PURCHASE_COLUMNS} FROM purchase
 WHERE status = $1 AND (shop_id, invoice_number) > ($2, $3) ORDER BY shop_id, invoice_number LIMIT $4"""

REFUNDS = """
SELECT refund_id, status, amount, points, occurred_at, refused_code FROM refund
 WHERE shop_id = $1 AND invoice_number = $2 ORDER BY arrival"""

WAITING_REFUNDS = """
SELECT shop_id, invoice_number, refund_id, currency, amount, occurred_at, received_at FROM refund
 WHERE status = 'waiting' ORDER BY received_at, shop_id, invoice_number, refund_id LIMIT $1"""

LAST = 2**63 - 1


async def account(connection: AsyncConnection, customer_id: str) -> dict[str, Any] | None:
    """Return an account as the API shows it."""
    return _account(await fetch(connection, ACCOUNT, customer_id))


async def account_of_card(connection: AsyncConnection, card_number: str) -> dict[str, Any] | None:
    """Return the account that a card belongs to, as the API shows it."""
    return _account(await fetch(connection, ACCOUNT_OF_CARD, card_number))


def _account(rows: Sequence[Any]) -> dict[str, Any] | None:
    if not rows:
        return None
    row = rows[0]
    return {
        "customer_id": row["customer_id"],
        "card_number": row["card_number"],
        "status": row["status"],
        "balance": {"available": row["available"], "pending": 0, "held": 0},
        "lifetime_points": row["lifetime_points"],
        "tier": None,
        "expiring_next": None,
        "enrolled_at": row["enrolled_at"],
    }


async def entries(
    connection: AsyncConnection, customer_id: str, *, before: int = LAST, limit: int
) -> list[dict[str, Any]]:
    """Return entries with a sequence below `before`, newest first."""
    return [dict(row) for row in await fetch(connection, ENTRIES, customer_id, before, limit)]


async def lots(connection: AsyncConnection, customer_id: str, *, after: int = 0, limit: int) -> list[dict[str, Any]]:
    """Return lots that still hold points, in the order in which they are spent."""
    return [dict(row) | {"expires_on": None} for row in await fetch(connection, LOTS, customer_id, after, limit)]


async def purchase(connection: AsyncConnection, shop_id: str, invoice_number: str) -> dict[str, Any] | None:
    """Return a purchase with its refunds, as the API shows it."""
    rows = await fetch(connection, PURCHASE, shop_id, invoice_number)
    if not rows:
        return None
    found = _purchase(rows[0])
    for row in await fetch(connection, REFUNDS, shop_id, invoice_number):
        found["refunds"].append(dict(row) | {"amount": _money(row["amount"])})
    if found["customer_id"] is not None:
        owner = await account(connection, found["customer_id"])
        found["balance"] = owner and owner["balance"]
    return found


async def unsettled_purchases(
    connection: AsyncConnection, status: str, *, after: tuple[str, str] = ("", ""), limit: int
) -> list[dict[str, Any]]:
    """Return purchases that wait for something (`unclaimed`, `parked` or `awaited`), without their refunds."""
    return [_purchase(row) for row in await fetch(connection, UNSETTLED, status, *after, limit)]


def _purchase(row: Any) -> dict[str, Any]:
    award = orjson.loads(row["award"]) if row["award"] else {}
    return {
        "shop_id": row["shop_id"],
        "invoice_number": row["invoice_number"],
        "customer_id": row["customer_id"],
        "card_number": row["card_number"],
        "points": row["points"],
        "status": "available" if row["status"] == "booked" else row["status"],
        "breakdown": award.get("breakdown", []),
        "balance": None,
        "tier": None,
        "currency": row["currency"],
        "total": None if row["total"] is None else _money(row["total"]),
        "occurred_at": row["occurred_at"],
        "received_at": row["received_at"],
        "refunded": _money(row["refunded"]),
        "clawed_back": row["clawed_back"],
        "recorded_by": row["recorded_by"],
        "refunds": [],
    }


def _money(amount: Decimal) -> str:
    """Show an amount with the decimals that it has, at least the usual two."""
    whole, _, part = str(amount).partition(".")
    return f"{whole}.{part.rstrip('0'):0<2}"


async def waiting_refunds(connection: AsyncConnection, *, limit: int = 1000) -> list[dict[str, Any]]:
    """Return refunds whose purchase has not come, the oldest first."""
    return [dict(row) for row in await fetch(connection, WAITING_REFUNDS, limit)]


def age(since: dt.datetime, now: dt.datetime) -> str:
    """Return an age as people say it."""
    return str(now - since).split(".", maxsplit=1)[0]
