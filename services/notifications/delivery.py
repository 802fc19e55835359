"""The only writer of what customers hold and hear: load, decide, save, in the caller's transaction.

Locked in this order, sorted inside: codes, purchases, coupons, customers. What is new is inserted at the end, and its
unique key is the judge.
"""

import datetime as dt
from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.books import NO_HOUSE, House
from services.notifications.commands import Reply, Request
from services.notifications.decisions import decide
from services.notifications.loading import load, load_segments
from services.notifications.programme import Programme, Version, Versions, faults
from services.notifications.reach_loading import load_reach
from services.notifications.saving import save
from services.notifications.shelf import Shelf, unfit
from services.notifications.templates.document import Stored, Template
from services.notifications.wanted import Wanted
from shared import answers
from shared.documents import UnpublishableError
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
        await save(connection, books.changes, now)
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
        """Add a version, unless what holds at `valid_from` is this document. Answers the version and whether it is new.

        Raises `UnpublishableError` where a template or a segment is missing.
        """
        saved = await load_segments(connection, (each.segment for each in programme.occasions))
        for place, each in enumerate(programme.occasions):
            if each.segment is not None and each.segment not in saved:
                detail = f"there is no segment {each.segment}"
                raise UnpublishableError(f"/occasions/{place}/segment", "segment-unknown", detail)
        for fault in unfit(programme, await self._shelf.templates(connection)):
            raise UnpublishableError(fault.pointer, fault.code, fault.detail)
        return await self._published.publish(connection, programme, valid_from=valid_from, now=now, actor=actor)

    async def templates(self, connection: AsyncConnection) -> Mapping[str, Stored]:
        """Return the templates that hold by their names, as this transaction sees them."""
        return await self._shelf.templates(connection)

    async def save_template(
        self, connection: AsyncConnection, name: str, template: Template, *, now: dt.datetime, actor: str
    ) -> tuple[Stored, bool]:
        """Add a version of a template, unless the one that holds is this one. Answers it and whether it is new.

        Raises `UnpublishableError` where a programme of today or later could not be kept with it.
        """
        saved = await self._shelf.save(connection, name, template, now=now, actor=actor)
        for version in (await self.versions(connection)).from_now_on(now):
            for fault in unfit(version.programme, {**await self.templates(connection), name: saved[0]}):
                raise UnpublishableError(
                    "/kind", fault.code, f"programme {version.version}, {fault.pointer}: {fault.detail}"
                )
        return saved

    async def versions(self, connection: AsyncConnection) -> Versions:
        """Return the published programmes as this transaction sees them."""
        return await self._published.versions(connection)
