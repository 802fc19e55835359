"""What is read of offers and pairs; nothing here locks or writes."""

import datetime as dt
from collections import Counter
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from services.referrals.offers import Offer
from services.referrals.pair_loading import PAIR_COLUMNS, PAIRS_OF
from services.referrals.pairs.answers import pair_view
from services.referrals.records import Listing, Pair
from shared.database import fetch

LISTING_COLUMNS = "offer_id, document::text, created_at, reserved, retired_at"
ONE = f"SELECT {LISTING_COLUMNS} FROM offer WHERE offer_id = $1"
ALL = (
    f"SELECT {LISTING_COLUMNS} FROM offer WHERE offer_id > $1 AND ($2 OR retired_at IS NULL) ORDER BY offer_id LIMIT $3"
)

# what is over is not offered any more
OFFERED = f"""
SELECT {LISTING_COLUMNS} FROM offer
 WHERE offer_id > $1 AND retired_at IS NULL
   AND coalesce((document ->> 'valid_until')::timestamptz, 'infinity') > $2
 ORDER BY offer_id LIMIT $3"""

CUSTOMER = """
SELECT t.customer_id, t.tier FROM customer c JOIN customer t ON t.customer_id = coalesce(c.merged_into, c.customer_id)
 WHERE c.customer_id = $1"""
NAMES = "SELECT customer_id FROM customer WHERE merged_into = $1"

PAIR = f"SELECT {PAIR_COLUMNS} FROM pair WHERE pair_id = $1"
PAIR_OF_CODE = f"SELECT {PAIR_COLUMNS} FROM pair WHERE code = $1"
PAIRS = f"SELECT {PAIR_COLUMNS}, number FROM pair WHERE number < $1 {{more}} ORDER BY number DESC LIMIT $2"

LAST = 2**63 - 1


class Inviter(NamedTuple):
    """A customer as offers look at them, merges resolved, and of how many pairs of each offer they are."""

    tier: str | None
    pairs: Counter[str]


class Filter(NamedTuple):
    """Which pairs are listed: none of a field is all."""

    customer_id: str | None = None
    offer_id: str | None = None
    status: str | None = None


async def offer(connection: AsyncConnection, offer_id: str) -> Listing | None:
    rows = await fetch(connection, ONE, offer_id)
    return _listing(rows[0]) if rows else None


async def offers(connection: AsyncConnection, *, after: str, with_retired: bool, limit: int) -> list[Listing]:
    """Return offers by their ids."""
    return [_listing(row) for row in await fetch(connection, ALL, after, with_retired, limit)]


async def offered(connection: AsyncConnection, *, after: str, now: dt.datetime, limit: int) -> list[Listing]:
    """Return offers that can be taken up, now or at some time to come, by their ids."""
    return [_listing(row) for row in await fetch(connection, OFFERED, after, now, limit)]


def _listing(row: Any) -> Listing:
    offer_id, document, *rest = row
    return Listing(offer_id, Offer.model_validate_json(document), *rest)


async def inviter(connection: AsyncConnection, customer_id: str, *, now: dt.datetime) -> Inviter:
    """Return what counts of a customer; nothing does of one who was never heard of."""
    names, tier = await _names(connection, customer_id)
    counted: Counter[str] = Counter()
    for _, offer_id, pairs in await fetch(connection, PAIRS_OF, names, now):
        counted[offer_id] += pairs
    return Inviter(tier, counted)


async def _names(connection: AsyncConnection, customer_id: str) -> tuple[list[str], str | None]:
    """Return all names of a customer, whichever of them is said, and their tier."""
    rows = await fetch(connection, CUSTOMER, customer_id)
    name, tier = rows[0] if rows else (customer_id, None)
    return [name, *(row["customer_id"] for row in await fetch(connection, NAMES, name))], tier


async def pair(connection: AsyncConnection, pair_id: str) -> Pair | None:
    rows = await fetch(connection, PAIR, pair_id)
    return Pair(*rows[0]) if rows else None


async def pair_of_code(connection: AsyncConnection, code: str) -> Pair | None:
    rows = await fetch(connection, PAIR_OF_CODE, code)
    return Pair(*rows[0]) if rows else None


async def pairs(connection: AsyncConnection, which: Filter, *, before: int, limit: int) -> list[dict[str, Any]]:
    """Return pairs that have a number below `before`, the newest first; a customer's whichever of the two they are."""
    conditions: list[str] = []
    values: list[object] = [before, limit]
    if which.customer_id is not None:
        values.append((await _names(connection, which.customer_id))[0])
        conditions.append(f"(referrer_id = ANY(${len(values)}::text[]) OR friend_id = ANY(${len(values)}::text[]))")
    for column, value in (("offer_id", which.offer_id), ("status", which.status)):
        if value is not None:
            values.append(value)
            conditions.append(f"{column} = ${len(values)}")
    statement = PAIRS.format(more="".join(f" AND {each}" for each in conditions))
    rows = await fetch(connection, statement, *values)
    return [pair_view(Pair(*row[:-1])) | {"number": row["number"]} for row in rows]
