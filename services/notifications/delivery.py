"""The only writer of what customers hold and hear: load, decide, save, in the caller's transaction.

Locked in this order, sorted inside: codes, purchases, coupons, customers. What is new is inserted at the end, and its
unique key is the judge.
"""

import datetime as dt
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.books import NO_HOUSE, House
from services.notifications.commands import Reply, Request
from services.notifications.decisions import decide
from services.notifications.loading import load
from services.notifications.programme import Programme, Version, Versions, faults
from services.notifications.reach_loading import load_reach
from services.notifications.saving import save
from services.notifications.shelf import Shelf
from services.notifications.wanted import Wanted
from shared import answers
from shared.published import Published


class Delivery:
    """Books requests in the caller's transaction."""

    def __init__(self, house: House = NO_HOUSE) -> None:
        self._house = house
        self._published = Published(Programme, faults)
        self._shelf = Shelf()

    async def book(self, connection: AsyncConnection, requests: Sequence[Request], *, now: dt.datetime) -> list[Reply]:
        """Load, decide, save. Answers one reply per request, in their order; the caller commits.

        Raises `CollisionError` (another transaction was first, so the same work again) and the database's errors.
        """
        wanted = Wanted(command for request in requests for command in request.commands)
        books = await load(connection, requests, wanted, await self.versions(connection), now)
        books.house = self._house
        if wanted.heard_by:
            books.reach = await load_reach(connection, books, wanted, self._shelf)
        replies = decide(books, requests)
        await save(connection, books.changes)
        await answers.save(connection, books.answers, now=now)
        return replies

    async def publish(
        self,
        connection: AsyncConnection,
        programme: Programme,
        *,
        valid_from: dt.datetime,
        now: dt.datetime,
        actor: str,
    ) -> tuple[Version, bool]:
        """Add a version, unless what holds at `valid_from` is this document. Answers the version and whether it is new."""
        return await self._published.publish(connection, programme, valid_from=valid_from, now=now, actor=actor)

    async def versions(self, connection: AsyncConnection) -> Versions:
        """Return the published programmes as this transaction sees them."""
        return await self._published.versions(connection)
