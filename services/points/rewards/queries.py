"""What is read of rewards and claims; nothing here locks or writes."""

import datetime as dt
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.points.catalogue import Reward
from services.points.loading import CLAIM_COLUMNS, LIVE_CLAIMS
from services.points.records import Listing, RewardClaim
from shared.database import fetch

LISTING_COLUMNS = "reward_id, document::text, created_at, claimed, retired_at"
CLAIMS = f"SELECT {', '.join(CLAIM_COLUMNS)}, number FROM reward_claim"

ONE = f"SELECT {LISTING_COLUMNS} FROM reward WHERE reward_id = $1"
ALL = f"""
SELECT {LISTING_COLUMNS} FROM reward WHERE reward_id > $1 AND ($2 OR retired_at IS NULL) ORDER BY reward_id LIMIT $3"""

# what is over is not offered any more
OFFERED = f"""
SELECT {LISTING_COLUMNS} FROM reward
 WHERE reward_id > $1 AND retired_at IS NULL
   AND coalesce((document ->> 'valid_until')::timestamptz, 'infinity') > $2
 ORDER BY reward_id LIMIT $3"""

CLAIM = f"{CLAIMS} WHERE claim_id = $1"
OF_REWARD = f"{CLAIMS} WHERE reward_id = $1 AND number < $2 ORDER BY number DESC LIMIT $3"
OF_CUSTOMER = f"""{CLAIMS}
 WHERE customer_id IN (SELECT customer_id FROM account WHERE customer_id = $1 OR merged_into = $1) AND number < $2
 ORDER BY number DESC LIMIT $3"""

SETTLEMENT = """
SELECT claim_id, member_number, points, units, claimed_at, status, number FROM reward_claim
 WHERE reward_id = $1 AND status <> 'cancelled' AND claimed_at >= $2 AND claimed_at < $3 AND number > $4
 ORDER BY number LIMIT $5"""

TOTALS = """
SELECT count(*) AS claims, coalesce(sum(units), 0)::bigint AS units FROM reward_claim
 WHERE reward_id = $1 AND status <> 'cancelled' AND claimed_at >= $2 AND claimed_at < $3"""


def _listing(row: Any) -> Listing:
    reward_id, document, *rest = row
    return Listing(reward_id, Reward.model_validate_json(document), *rest)


async def reward(connection: AsyncConnection, reward_id: str) -> Listing | None:
    rows = await fetch(connection, ONE, reward_id)
    return _listing(rows[0]) if rows else None


async def rewards(connection: AsyncConnection, *, after: str, with_retired: bool, limit: int) -> list[Listing]:
    """Return rewards by their ids."""
    return [_listing(row) for row in await fetch(connection, ALL, after, with_retired, limit)]


async def offered(connection: AsyncConnection, *, after: str, now: dt.datetime, limit: int) -> list[Listing]:
    """Return rewards that can be claimed, now or at some time to come, by their ids."""
    return [_listing(row) for row in await fetch(connection, OFFERED, after, now, limit)]


async def live_claims(connection: AsyncConnection, customer_id: str, rewards: list[str]) -> dict[str, int]:
    """Return how many a customer has of each of these rewards."""
    rows = await fetch(connection, LIVE_CLAIMS, [customer_id], rewards)
    return {row["reward_id"]: row["claims"] for row in rows}


async def claim(connection: AsyncConnection, claim_id: str) -> RewardClaim | None:
    rows = await fetch(connection, CLAIM, claim_id)
    return RewardClaim(*rows[0][:-1]) if rows else None


async def claims_of_reward(
    connection: AsyncConnection, reward_id: str, *, before: int, limit: int
) -> list[dict[str, Any]]:
    """Return the claims of a reward that have a number below `before`, the newest first."""
    return [dict(row) for row in await fetch(connection, OF_REWARD, reward_id, before, limit)]


async def claims_of_customer(
    connection: AsyncConnection, customer_id: str, *, before: int, limit: int
) -> list[dict[str, Any]]:
    """Return a customer's claims that have a number below `before`, the newest first; of merged accounts with them."""
    return [dict(row) for row in await fetch(connection, OF_CUSTOMER, customer_id, before, limit)]


Span = tuple[dt.datetime, dt.datetime]


async def settlement(
    connection: AsyncConnection, reward_id: str, span: Span, *, after: int = 0, limit: int
) -> list[dict[str, Any]]:
    """Return what a partner owes for claims within a half-open span, in the order in which they were made."""
    return [dict(row) for row in await fetch(connection, SETTLEMENT, reward_id, *span, after, limit)]


async def settlement_totals(connection: AsyncConnection, reward_id: str, span: Span) -> dict[str, Any]:
    return dict((await fetch(connection, TOTALS, reward_id, *span))[0])
