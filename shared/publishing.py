"""Services with a programme: the version that holds now, those that were published, and how another one is."""

import datetime as dt
from collections.abc import Callable
from typing import Any, Generic, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared import audit
from shared.clock import utc_now
from shared.database import database_errors, fetch, transact
from shared.documents import Content, Version, Versions
from shared.service import Answered_co, Asked_contra, Reply, Request, Service, Writer

MOST_VERSIONS = 2**31 - 1

LISTED = """
SELECT version, valid_from, published_at, published_by FROM programme WHERE version < $1 ORDER BY version DESC LIMIT $2"""

ONE = "SELECT version, valid_from, published_at, published_by FROM programme WHERE version = $1"


class Publisher(Writer[Asked_contra, Answered_co], Protocol[Asked_contra, Answered_co, Content]):
    """The writer of a service's books, and of the programmes that they are kept by."""

    async def versions(self, connection: AsyncConnection) -> Versions[Content]: ...

    async def publish(
        self, connection: AsyncConnection, programme: Content, *, valid_from: dt.datetime, now: dt.datetime, actor: str
    ) -> tuple[Version[Content], bool]: ...


class Publishing(Service[Request, Reply], Generic[Request, Reply, Content]):
    """A service whose books are kept by a programme."""

    def __init__(
        self,
        engine: AsyncEngine,
        writer: Publisher[Request, Reply, Content],
        *,
        clock: Callable[[], dt.datetime] = utc_now,
        committed: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(engine, writer, clock=clock, committed=committed)
        self._publisher = writer

    async def programme_now(self) -> Version[Content]:
        """Return the programme that holds now."""
        async with database_errors(), self.engine.connect() as connection:
            return (await self._publisher.versions(connection)).at(self.clock())

    async def programmes(self, *, before: int = MOST_VERSIONS, limit: int = 1000) -> list[dict[str, Any]]:
        """Return published programmes without their documents, the newest first."""
        async with self.engine.connect() as connection:
            return [dict(row) for row in await fetch(connection, LISTED, before, limit)]

    async def programme(self, version: int) -> dict[str, Any] | None:
        """Return a published programme, and who published it when."""
        async with self.engine.connect() as connection:
            rows = await fetch(connection, ONE, version)
            versions = await self._publisher.versions(connection)
        return {**rows[0], "programme": versions.number(version).programme} if rows else None

    async def publish(
        self,
        programme: Content,
        *,
        valid_from: dt.datetime,
        now: dt.datetime,
        actor: str,
        request_id: str | None = None,
    ) -> tuple[Version[Content], bool]:
        """Publish a programme without faults. Answers its version, and whether that is new."""

        async def work(connection: AsyncConnection) -> tuple[Version[Content], bool]:
            version, is_new = await self._publisher.publish(
                connection, programme, valid_from=valid_from, now=now, actor=actor
            )
            if is_new:
                await audit.record(connection, actor, "programme.publish", f"version {version.version}", request_id)
            return version, is_new

        return await transact(self.engine, work)
