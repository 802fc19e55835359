"""Reading customers without locking them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.loading import columns
from services.notifications.records import Customer
from shared.database import fetch

# whoever goes on as another is found under both names
ONE = f"""
SELECT {columns(Customer)} FROM customer
 WHERE customer_id = (SELECT coalesce(merged_into, customer_id) FROM customer WHERE customer_id = $1)"""

LISTED = f"""
SELECT {columns(Customer)} FROM customer
 WHERE customer_id > $1 AND merged_into IS NULL AND erased_at IS NULL ORDER BY customer_id LIMIT $2"""

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


async def customers(connection: AsyncConnection, *, after: str, limit: int) -> list[Shown]:
    """Return customers in the order of their ids."""
    return await _shown(connection, [Customer(*row) for row in await fetch(connection, LISTED, after, limit)])


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
