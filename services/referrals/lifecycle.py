"""The only writer of referrals: load, decide, save, in the caller's transaction.

What exists is locked before it is changed: purchases, customers, offers, sorted inside; a referral and its rewards are
guarded by the locks of its friend and its referrer, a pair by those of both. What is new is inserted at the end, and its unique key is the judge.
"""

import datetime as dt
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.referrals.commands import Reply, Request
from services.referrals.decisions import decide
from services.referrals.loading import load
from services.referrals.programme import Programme, Version, Versions, faults
from services.referrals.saving import save
from shared import answers
from shared.published import Published


class Lifecycle:
    """Books requests in the caller's transaction."""

    def __init__(self) -> None:
        self._published = Published(Programme, faults)

    async def book(self, connection: AsyncConnection, requests: Sequence[Request], *, now: dt.datetime) -> list[Reply]:
        """Load, decide, save. Answers one reply per request, in their order; the caller commits.

        Raises `CollisionError` (another transaction was first, so the same work again) and the database's errors.
        """
        books = await load(connection, requests, self._published, now)
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

        The programme has no faults: who asks has looked for them.
        """
        return await self._published.publish(connection, programme, valid_from=valid_from, now=now, actor=actor)

    async def versions(self, connection: AsyncConnection) -> Versions:
        """Return the published programmes as this transaction sees them."""
        return await self._published.versions(connection)
