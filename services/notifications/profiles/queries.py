"""Reading customers without locking them."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.loading import columns
from services.notifications.records import Customer, SavedSegment
from services.notifications.segments import Condition, Segment, segment_condition
from shared.database import fetch

# whoever goes on as another is found under both names
ONE = f"""
SELECT {columns(Customer)} FROM customer
 WHERE customer_id = (SELECT coalesce(merged_into, customer_id) FROM customer WHERE customer_id = $1)"""

LIVE = "c.merged_into IS NULL AND c.erased_at IS NULL"
LISTED = f"""
SELECT {columns(Customer)} FROM customer c WHERE customer_id > $1 AND {LIVE} AND {{condition}} ORDER BY customer_id LIMIT $2"""
COUNTED = f"SELECT count(*) AS customers FROM customer c WHERE {LIVE} AND {{condition}}"

WHOLE_TABLES = """
SELECT set_config(name, 'on', true) FROM unnest(ARRAY['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin']) AS name"""

SEGMENTS = "SELECT name, filter::text, saved_at, saved_by FROM segment WHERE name > $1 ORDER BY name LIMIT $2"
SEGMENT = "SELECT name, filter::text, saved_at, saved_by FROM segment WHERE name = $1"

NAMES = """
SELECT customer_id, customer_id AS target FROM unnest($1::text[]) AS customer_id
 UNION ALL SELECT customer_id, merged_into FROM customer WHERE merged_into = ANY($1::text[])"""
OWN_DATES = (
    "SELECT customer_id, name, date FROM own_date WHERE customer_id = ANY($1::text[]) ORDER BY customer_id, name"
)
BOUGHT = """
SELECT customer_id, category, purchases, last_at FROM bought
 WHERE customer_id = ANY($1::text[]) ORDER BY customer_id, purchases DESC, category"""
CARDS = f"""
SELECT n.target, c.card_number FROM ({NAMES}) n JOIN card c USING (customer_id) ORDER BY 1, 2"""


class Shown(NamedTuple):
    """A customer with their own dates, their categories and their cards."""

    customer: Customer
    own_dates: dict[str, Any]
    bought: list[dict[str, Any]]
    card_numbers: list[str]


async def customer(connection: AsyncConnection, customer_id: str) -> Shown | None:
    """Return a customer; one that goes on as another is that other."""
    found = await _shown(connection, [Customer(*row) for row in await fetch(connection, ONE, customer_id)])
    return found[0] if found else None


async def customers(
    connection: AsyncConnection, segment: Segment | None, *, now: dt.datetime, after: str, limit: int
) -> list[Shown]:
    """Return customers, those of a segment or all, in the order of their ids."""
    condition = _condition(segment, now, first=3)
    rows = await fetch(connection, LISTED.format(condition=condition.sql), after, limit, *condition.arguments)
    return await _shown(connection, [Customer(*row) for row in rows])


async def count(connection: AsyncConnection, segment: Segment, *, now: dt.datetime) -> int:
    """Return how many customers a segment has; reads them all, and so takes other ways than by keys."""
    condition = _condition(segment, now, first=1)
    await fetch(connection, WHOLE_TABLES)
    rows = await fetch(connection, COUNTED.format(condition=condition.sql), *condition.arguments)
    return int(rows[0]["customers"])


def _condition(segment: Segment | None, now: dt.datetime, *, first: int) -> Condition:
    return Condition("true", []) if segment is None else segment_condition(segment, now=now, first=first)


async def segment(connection: AsyncConnection, name: str) -> SavedSegment | None:
    """Return a segment by its name."""
    rows = await fetch(connection, SEGMENT, name)
    return SavedSegment(*rows[0]) if rows else None


async def segments(connection: AsyncConnection, *, after: str, limit: int) -> list[SavedSegment]:
    """Return segments in the order of their names."""
    return [SavedSegment(*row) for row in await fetch(connection, SEGMENTS, after, limit)]


async def _shown(connection: AsyncConnection, found: Sequence[Customer]) -> list[Shown]:
    shown = {each.customer_id: Shown(each, {}, [], []) for each in found}
    names = list(shown)
    for customer_id, name, date in await fetch(connection, OWN_DATES, names):
        shown[customer_id].own_dates[name] = date
    for row in await fetch(connection, BOUGHT, names):
        shown[row["customer_id"]].bought.append({name: row[name] for name in ("category", "purchases", "last_at")})
    for target, card_number in await fetch(connection, CARDS, names):
        shown[target].card_numbers.append(card_number)
    return list(shown.values())
