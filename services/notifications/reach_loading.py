"""How the customers of a batch may be reached: their consents, what came back from their addresses, what they heard lately."""

import datetime as dt

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.books import Books, Reach
from services.notifications.decisions.saying import address_of
from services.notifications.rules.consent import Consent, Standing
from services.notifications.rules.reaching import MAIL
from services.notifications.shelf import Shelf
from services.notifications.wanted import Wanted
from shared.columns import joined, rows_of
from shared.database import fetch

LOAD_HOOKS = "SELECT channel FROM hook WHERE enabled"

LOAD_CONSENTS = "SELECT customer_id, channel, purpose, state FROM consent WHERE customer_id = ANY($1::text[])"

LOAD_STANDINGS = f"""
SELECT a.channel, a.address, a.soft_bounces, a.bounced_at, a.complained_at
  FROM {rows_of("text", "text")} AS k(channel, address) JOIN address a ON a.channel = k.channel AND a.address = k.address"""

LOAD_SAID = """
SELECT customer_id, said_at FROM notification
 WHERE customer_id = ANY($1::text[]) AND said_at > $2 AND purpose <> 'necessary'"""


async def load_reach(connection: AsyncConnection, books: Books, wanted: Wanted, shelf: Shelf) -> Reach:
    """Return what saying something to these customers needs; they are locked."""
    names = sorted({books.customer(name).customer_id for name in wanted.heard_by & books.customers.keys()})
    reach = Reach(
        frozenset(row["channel"] for row in await fetch(connection, LOAD_HOOKS)), await shelf.templates(connection)
    )
    for customer_id, channel, purpose, state in await fetch(connection, LOAD_CONSENTS, names):
        reach.consents[customer_id, channel, purpose] = Consent(state)
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
        (channel, where)
        for customer in books.customers.values()
        for channel in channels
        if (where := address_of(customer, channel)) is not None
    }
    for channel, where, *standing in await fetch(connection, LOAD_STANDINGS, *joined(sorted(found), 2)):
        reach.standings[channel, where] = Standing(*standing)
