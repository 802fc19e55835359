"""The points service put together: its database, its ledger and the batches that calls form."""

import datetime as dt
from collections.abc import Callable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.points.commands import Command, Outcome, Reply, Request
from services.points.ledger import Ledger
from shared.batching import Batcher
from shared.database import database_errors, transact


def utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class PointsService:
    """What routes, consumers and commands of the command line share in one process."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        clock: Callable[[], dt.datetime] = utc_now,
        committed: Callable[[], None] = lambda: None,
    ) -> None:
        self.engine = engine
        self.ledger = Ledger()
        self.clock = clock
        self.committed = committed
        self._batcher: Batcher[Request, Reply] = Batcher(self.book)

    async def submit(self, request: Request) -> Reply:
        """Book a request together with those that arrive at the same time; answers after the commit."""
        return await self._batcher.submit(request)

    async def book(self, requests: Sequence[Request]) -> Sequence[Reply]:
        """Book requests in one transaction of their own."""
        now = self.clock()

        async def work(connection: AsyncConnection) -> list[Reply]:
            return await self.ledger.book(connection, requests, now=now)

        replies = await transact(self.engine, work)
        self.committed()
        return replies

    async def preview(self, *commands: Command) -> list[Outcome]:
        """Return what commands would do one after the other, and do nothing."""
        async with database_errors(), self.engine.connect() as connection:
            # never committed, so closing the connection takes back what was decided
            return await self.ledger.preview(connection, commands, now=self.clock())

    async def close(self) -> None:
        """Finish what was submitted and leave the database."""
        await self._batcher.close()
        await self.engine.dispose()
