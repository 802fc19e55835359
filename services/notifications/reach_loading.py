"""How the customers of a batch may be reached: their consents, what came back from their addresses, what they heard lately."""

import datetime as dt

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.books import Books, Reach
from services.notifications.decisions.saying import address_of
from services.notifications.loading import LOAD_CONSENTS, STANDING_COLUMNS, consent_of, standing_of
from services.notifications.rules.consent import spelled
from services.notifications.rules.reaching import MAIL
from services.notifications.shelf import Shelf
from services.notifications.wanted import Wanted
from shared.columns import joined, rows_of
from shared.database import fetch

LOAD_HOOKS = "SELECT channel FROM hook WHERE enabled"

LOAD_STANDINGS = f"""
SELECT {STANDING_COLUMNS} FROM {rows_of("text", "text")} AS k(channel, address)
  JOIN address a ON a.channel = k.channel AND a.address = k.address"""

LOAD_SAID = """
SELECT customer_id, said_at FROM notification
 WHERE customer_id = ANY($1::text[]) AND said_at > $2 AND purpose <> 'necessary'"""


async def load_reach(connection: AsyncConnection, books: Books, wanted: Wanted, shelf: Shelf) -> Reach:
    """Return what saying something to these customers needs; they are locked."""
    names = sorted({books.customer(name).customer_id for name in wanted.heard_by & books.customers.keys()})
    reach = Reach(
        frozenset(row["channel"] for row in await fetch(connection, LOAD_HOOKS)), await shelf.templates(connection)
    )
    books.consents.update(map(consent_of, await fetch(connection, LOAD_CONSENTS, names)))
    await _load_standings(connection, books, reach)
    cap = books.programme.frequency_cap
    if cap is not None:
        since = books.now - dt.timedelta(days=cap.days)
        for customer_id, said_at in await fetch(connection, LOAD_SAID, names, since):
            reach.said.setdefault(customer_id, []).append(said_at)
    return reach


async def _load_standings(connection: AsyncConnection, books: Books, reach: Reach) -> None:
    channels = {MAIL, *reach.hooks, *books.programme.shop_channels}
    found = {
        (channel, spelled(channel, where))
        for customer in books.customers.values()
        for channel in channels
        if (where := address_of(customer, channel)) is not None
    }
    books.standings.update(map(standing_of, await fetch(connection, LOAD_STANDINGS, *joined(sorted(found), 2))))
