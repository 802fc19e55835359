"""What the API reads; nothing here locks or writes."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from services.referrals.loading import REFERRAL_COLUMNS
from services.referrals.records import Code, Referral
from shared.database import fetch

CODES = """
SELECT c.code, c.kind, coalesce(o.merged_into, c.customer_id) AS customer_id, c.partner_id, c.created_at, c.retired_at
  FROM code c LEFT JOIN customer o USING (customer_id)"""
CODE = f"{CODES} WHERE c.code = $1"
LIVE_CODES = f"{CODES} WHERE c.customer_id = ANY($1::text[]) AND c.retired_at IS NULL ORDER BY c.created_at, c.code"
CODES_OF = f"""{CODES}
 WHERE c.customer_id = ANY($1::text[]) AND (c.created_at, c.code) > ($2::text::timestamptz, $3)
 ORDER BY c.created_at, c.code LIMIT $4"""

NAMES = """
WITH target AS (SELECT coalesce(merged_into, customer_id) AS name FROM customer WHERE customer_id = $1)
SELECT name, 0 AS place FROM target
 UNION ALL SELECT c.customer_id, 1 FROM target t JOIN customer c ON c.merged_into = t.name ORDER BY place"""

CLAIM = f"SELECT {REFERRAL_COLUMNS} FROM referral WHERE referral_id = $1"
REFERRED_BY = f"SELECT {REFERRAL_COLUMNS} FROM referral WHERE friend_id = ANY($1::text[]) AND status <> 'rejected'"

NEWEST_FIRST = f"""
SELECT {REFERRAL_COLUMNS} FROM referral WHERE (received_at, referral_id) < ($1::text::timestamptz, $2) {{filters}}
 ORDER BY received_at DESC, referral_id DESC LIMIT $3"""
BY_DEADLINE = f"""
SELECT {REFERRAL_COLUMNS} FROM referral
 WHERE status = 'review' AND (review_until, referral_id) > ($1::text::timestamptz, $2) {{filters}}
 ORDER BY review_until, referral_id LIMIT $3"""

PURCHASE = """
SELECT shop_id, invoice_number, occurred_at, currency, amount::text AS amount, taken_back::text AS taken_back FROM purchase
 WHERE shop_id = $1 AND invoice_number = $2"""

REWARDS = """
SELECT w.reward_id, w.customer_id, w.referral_id, w.side, w.status, w.benefit::text AS reward, w.rung,
    CASE WHEN w.status = 'held' THEN r.hold_until END AS due_at, w.decided_at
  FROM reward w JOIN referral r USING (referral_id)"""
OF_CLAIM = f"{REWARDS} WHERE w.referral_id = $1 ORDER BY w.round, w.side, w.rung NULLS FIRST"
OF_CUSTOMER = f"""{REWARDS}
 WHERE w.customer_id = ANY($1::text[]) AND w.status IN ('held', 'given') ORDER BY w.decided_at DESC, w.reward_id LIMIT 100"""

COUNTS = "SELECT status, count(*) AS referrals FROM referral WHERE referrer_id = ANY($1::text[]) GROUP BY status"
SUMS = """
SELECT status, count(*) AS rewards, coalesce(sum((benefit->>'points')::bigint), 0)::bigint AS points FROM reward
 WHERE customer_id = ANY($1::text[]) AND status IN ('held', 'given') GROUP BY status"""

OLDEST = "-infinity", ""
NEWEST = "infinity", ""

STATES = ("review", "claimed", "qualified", "rewarded", "rejected")


class Wanted(NamedTuple):
    """Which claims are looked for; a customer's are those under any of their names."""

    status: str | None = None
    referrer_id: str | None = None
    friend_id: str | None = None

    @property
    def is_by_deadline(self) -> bool:
        return self.status == "review"


async def names(connection: AsyncConnection, customer_id: str) -> list[str]:
    """Return all names of a customer, the one that they go on as first; none of a customer that nobody has heard of."""
    return [row["name"] for row in await fetch(connection, NAMES, customer_id)]


async def code(connection: AsyncConnection, spelled: str) -> Code | None:
    rows = await fetch(connection, CODE, spelled)
    return Code(*rows[0]) if rows else None


async def codes(
    connection: AsyncConnection, customer_id: str, *, after: tuple[str, str] = OLDEST, limit: int
) -> list[Code]:
    """Return a customer's codes, the oldest first."""
    known = await names(connection, customer_id)
    return [Code(*row) for row in await fetch(connection, CODES_OF, known, *after, limit)]


async def claim(connection: AsyncConnection, referral_id: str) -> Referral | None:
    rows = await fetch(connection, CLAIM, referral_id)
    return Referral(*rows[0]) if rows else None


async def claims(connection: AsyncConnection, wanted: Wanted, *, beside: tuple[str, str], limit: int) -> list[Referral]:
    """Return claims, the newest first; those that wait for staff by their deadline."""
    filters: dict[str, list[str]] = {}
    if wanted.status is not None:
        filters["status"] = [wanted.status]
    for field, customer_id in (("referrer_id", wanted.referrer_id), ("friend_id", wanted.friend_id)):
        if customer_id is not None:
            filters[field] = await names(connection, customer_id) or [customer_id]
    said = " ".join(f"AND {field} = ANY(${place}::text[])" for place, field in enumerate(filters, 4))
    statement = (BY_DEADLINE if wanted.is_by_deadline else NEWEST_FIRST).format(filters=said)
    return [Referral(*row) for row in await fetch(connection, statement, *beside, limit, *filters.values())]


async def life(connection: AsyncConnection, referral: Referral) -> dict[str, Any]:
    """Return the purchase that qualified a claim, and the rewards for it."""
    purchases: Sequence[Any] = ()
    if referral.has_qualified:
        purchases = await fetch(connection, PURCHASE, referral.shop_id, referral.invoice_number)
    rewards = await fetch(connection, OF_CLAIM, referral.referral_id)
    return {"purchase": dict(purchases[0]) if purchases else None, "rewards": [_reward(row) for row in rewards]}


class Standing(NamedTuple):
    """What a customer's recommendations came to."""

    codes: list[Code]
    referred_by: Referral | None
    referrals: dict[str, int]
    given: dict[str, int]
    waiting: dict[str, int]
    rewards: list[dict[str, Any]]


async def standing(connection: AsyncConnection, known: list[str]) -> Standing:
    """Return what stands in the books of a customer under all of their names."""
    codes = [Code(*row) for row in await fetch(connection, LIVE_CODES, known)]
    referred = await fetch(connection, REFERRED_BY, known)
    counts: dict[str, int] = dict(await fetch(connection, COUNTS, known))
    sums = {
        row["status"]: {"rewards": row["rewards"], "points": row["points"]}
        for row in await fetch(connection, SUMS, known)
    }
    rewards = [_reward(row) for row in await fetch(connection, OF_CUSTOMER, known)]
    nothing = {"rewards": 0, "points": 0}
    return Standing(
        codes,
        Referral(*referred[0]) if referred else None,
        {status: counts.get(status, 0) for status in STATES},
        sums.get("given", nothing),
        sums.get("held", nothing),
        rewards,
    )


def _reward(row: Any) -> dict[str, Any]:
    return {**row, "reward": orjson.Fragment(row["reward"])}


def stamp(instant: dt.datetime) -> str:
    """Return an instant as a cursor holds it."""
    return f"{instant:%Y-%m-%dT%H:%M:%S.%fZ}"
