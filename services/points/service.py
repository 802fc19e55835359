"""The points service put together: its database, its ledger and the batches that calls form."""

import asyncio
import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.points import queries
from services.points.answers import account_view
from services.points.books import is_due
from services.points.commands import Command, Outcome, Reply, Request, SettleAccount
from services.points.ledger import Ledger
from services.points.programme import Programme, Version
from services.points.records import Account
from services.points.rules.trial import Comparison, compare
from shared.clock import utc_now
from shared.database import database_errors
from shared.publishing import Publishing

MOST_SAMPLES = 2_000
"""So many past purchases a draft of the programme is tried on."""


class PointsService(Publishing[Request, Reply, Programme]):
    """The ledger behind the batches, and what is read of it or tried on it beside them."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        clock: Callable[[], dt.datetime] = utc_now,
        committed: Callable[[], None] = lambda: None,
    ) -> None:
        self.ledger = Ledger()
        super().__init__(engine, self.ledger, clock=clock, committed=committed)
        self._trying_out = asyncio.Lock()

    async def preview(self, *commands: Command) -> list[Outcome]:
        """Return what commands would do one after the other, and do nothing."""
        async with database_errors(), self.engine.connect() as connection:
            # never committed, so closing the connection takes back what was decided
            return await self.ledger.preview(connection, commands, now=self.clock())

    async def try_out(self, draft: Programme, current: Version, *, largest: int, open_windows: bool) -> Comparison:
        """Return what a draft without faults would have changed for the newest purchases of the sample."""
        async with database_errors(), self.engine.connect() as connection:
            samples = await queries.samples(connection, limit=MOST_SAMPLES)
        work = partial(compare, samples, current.programme, draft, largest=largest, open_windows=open_windows)
        # in a thread, since it may take seconds, and one at a time: the tills need the processor too
        async with self._trying_out:
            return await asyncio.to_thread(work)

    async def account(self, customer_id: str) -> dict[str, Any] | None:
        """Return a customer's account as it is now, whether or not what is due on it has been booked."""
        async with self.engine.connect() as connection:
            return await self._account(connection, await queries.account(connection, customer_id))

    async def account_of_card(self, card_number: str) -> dict[str, Any] | None:
        """Return the account that a card belongs to."""
        async with self.engine.connect() as connection:
            return await self._account(connection, await queries.account_of_card(connection, card_number))

    async def _account(self, connection: AsyncConnection, account: Account | None) -> dict[str, Any] | None:
        if account is None:
            return None
        now = self.clock()
        versions = await self.ledger.versions(connection)
        if is_due(account, now, versions.outdated(now)):
            settled = await self.ledger.preview(connection, [SettleAccount(account.customer_id)], now=now)
            account = settled[0].account or account
        programme = versions.at(now).programme
        standing = await queries.standing(connection, account, programme, now)
        expiring = None if account.due_at is None else await queries.expiring_next(connection, account, programme, now)
        return account_view(account, standing, expiring)
