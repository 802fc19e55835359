"""What every service is put together of: its database, its clock, and the batches that calls form before its one writer."""

import datetime as dt
from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType
from typing import Generic, Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.batching import Batcher
from shared.clock import utc_now
from shared.database import fetch, transact
from shared.http import Check
from shared.migrations import is_current

Request = TypeVar("Request")
Reply = TypeVar("Reply")
Asked_contra = TypeVar("Asked_contra", contravariant=True)
Answered_co = TypeVar("Answered_co", covariant=True)


class Writer(Protocol[Asked_contra, Answered_co]):
    """The only one who writes a service's books; one answer per request, in their order, in the caller's transaction."""

    async def book(
        self, connection: AsyncConnection, requests: Sequence[Asked_contra], *, now: dt.datetime
    ) -> Sequence[Answered_co]: ...


class Service(Generic[Request, Reply]):
    """What routes, consumers and commands of the command line share in one process."""

    def __init__(
        self,
        engine: AsyncEngine,
        writer: Writer[Request, Reply],
        *,
        clock: Callable[[], dt.datetime] = utc_now,
        committed: Callable[[], None] = lambda: None,
    ) -> None:
        self.engine = engine
        self.clock = clock
        self.committed = committed
        self._writer = writer
        self._batcher: Batcher[Request, Reply] = Batcher(self.book)

    async def submit(self, request: Request) -> Reply:
        """Book a request together with those that arrive at the same time; answers after the commit."""
        return await self._batcher.submit(request)

    async def book(self, requests: Sequence[Request]) -> Sequence[Reply]:
        """Book requests in one transaction of their own."""
        work = partial(self._writer.book, requests=requests, now=self.clock())
        replies = await transact(self.engine, work)
        self.committed()
        return replies

    async def close(self) -> None:
        """Finish what was submitted and leave the database."""
        await self._batcher.close()
        await self.engine.dispose()


def database_checks(engine: AsyncEngine, package: ModuleType) -> dict[str, Check]:
    """Return the checks that a service's database answers and has the newest schema."""

    async def database() -> None:
        async with engine.connect() as connection:
            await fetch(connection, "SELECT 1")

    async def migrations() -> None:
        async with engine.connect() as connection:
            if not await is_current(connection, package):
                message = "the database has another schema: run `loyalty migrate`"
                raise RuntimeError(message)

    return {"database": database, "migrations": migrations}
