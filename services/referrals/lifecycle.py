"""The only writer of referrals: load, decide, save, in the caller's transaction.

What exists is locked before it is changed: purchases, customers, offers, sorted inside; a referral and its rewards are
guarded by the locks of its friend and its referrer, a pair by those of both. What is new is inserted at the end, and its unique key is the judge.
"""

import datetime as dt
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.referrals.commands import Reply, Request
from services.referrals.decisions import decide
from services.referrals.loading import Loader
from services.referrals.programme import Programme, Version, Versions, faults
from services.referrals.saving import save
from shared import answers
from shared.database import fetch

LOCK_PROGRAMMES = "LOCK TABLE programme IN SHARE ROW EXCLUSIVE MODE"

INSERT_PROGRAMME = """
INSERT INTO programme (version, valid_from, document, published_at, published_by)
VALUES ($1, $2::text::timestamptz, $3::text::jsonb, $4, $5)"""


class Lifecycle:
    """Books requests in the caller's transaction."""

    def __init__(self) -> None:
        self._loader = Loader()

    async def book(self, connection: AsyncConnection, requests: Sequence[Request], *, now: dt.datetime) -> list[Reply]:
        """Load, decide, save. Answers one reply per request, in their order; the caller commits.

        Raises `CollisionError` (another transaction was first, so the same work again) and the database's errors.
        """
        books = await self._loader.load(connection, requests, now)
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
        assert not faults(programme)  # noqa: S101 - the second of the pair
        await fetch(connection, LOCK_PROGRAMMES)
        versions = await self.versions(connection)
        current = versions.at(valid_from)
        if current.programme == programme:
            return current, False
        version = Version(version=versions.latest + 1, valid_from=valid_from, programme=programme)
        document = programme.model_dump_json(by_alias=True)
        # as text, since the driver takes the first and the last instant of all for infinite
        begins = valid_from.astimezone(dt.UTC).isoformat()
        await fetch(connection, INSERT_PROGRAMME, version.version, begins, document, now, actor)
        return version, True

    async def versions(self, connection: AsyncConnection) -> Versions:
        """Return the published programmes as this transaction sees them."""
        return await self._loader.versions(connection)
