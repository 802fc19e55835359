"""On which channel customers could be told of an occasion as things stand, or why on none; nothing is locked."""

import datetime as dt
from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.loading import LOAD_CONSENTS, consent_of, standing_of
from services.notifications.programme import Programme
from services.notifications.reach_loading import LOAD_HOOKS, LOAD_STANDINGS
from services.notifications.rules.consent import Consent, Standing, spelled
from services.notifications.rules.permission import Message, Reach, judge
from services.notifications.rules.reaching import MAIL, address, choose, in_order
from shared.columns import joined
from shared.database import fetch

LOAD = """
SELECT customer_id, time_zone, email, phone, preferred_channel, turnover, purchases
  FROM customer WHERE customer_id = ANY($1::text[])"""


class Known(NamedTuple):
    """What of a customer decides whether they can be told, and what they buy."""

    customer_id: str
    time_zone: str | None
    email: str | None
    phone: str | None
    preferred_channel: str | None
    turnover: Decimal
    purchases: int

    def address_on(self, channel: str) -> str | None:
        return address(channel, customer_id=self.customer_id, email=self.email, phone=self.phone)


class Reachable(NamedTuple):
    """Customers by their ids, with what they agreed to and what came back from their addresses, by channel."""

    channels: Collection[str]
    customers: dict[str, Known]
    consents: dict[tuple[str, str], Consent]
    standings: dict[tuple[str, str], Standing]

    def why_not(self, customer_id: str, at: dt.datetime, until: dt.datetime, programme: Programme) -> str | None:
        """Return why an occasion could not be said at that instant, or soon after; none where it could."""
        customer, message = self.customers[customer_id], Message("offers", at, until)
        _, verdict = choose(
            [
                (channel, judge(message, self._reach(customer, channel, programme), at, programme))
                for channel in in_order(self.channels, customer.preferred_channel)
            ]
        )
        return verdict.reason if verdict.outcome == "suppressed" else None

    def _reach(self, customer: Known, channel: str, programme: Programme) -> Reach:
        where = customer.address_on(channel)
        standing = None if where is None else self.standings.get((channel, spelled(channel, where)), Standing())
        return Reach(
            programme.zone_of(customer.time_zone), standing, self.consents.get((customer.customer_id, channel))
        )


async def channels_of(connection: AsyncConnection, programme: Programme) -> Collection[str]:
    """Return all channels there are."""
    return {MAIL, *programme.shop_channels, *(row["channel"] for row in await fetch(connection, LOAD_HOOKS))}


async def reachable(connection: AsyncConnection, names: Sequence[str], channels: Collection[str]) -> Reachable:
    """Return what is known of these customers."""
    customers = {row["customer_id"]: Known(*row) for row in await fetch(connection, LOAD, names)}
    consents = {
        (customer_id, channel): consent
        for (customer_id, channel, purpose), consent in map(consent_of, await fetch(connection, LOAD_CONSENTS, names))
        if purpose == "offers"
    }
    places = {(channel, each.address_on(channel)) for each in customers.values() for channel in channels}
    found = sorted((channel, spelled(channel, where)) for channel, where in places if where is not None)
    standings = dict(map(standing_of, await fetch(connection, LOAD_STANDINGS, *joined(found, 2))))
    return Reachable(channels, customers, consents, standings)
