"""The jobs of the points service: what time brings is booked on every account, and what was kept long enough is let go."""

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.points.commands import Request, SettleAccount
from services.points.memory import MEMORY
from services.points.service import PointsService
from shared.database import UnusableError, fetch, transact
from shared.erasures import forgetting
from shared.housekeeping import ANSWERS, KEPT, LETTERS, Old, Rows, count, let_go
from shared.jobs import Job, Tell, UndoneError

BATCH = 1_000
OVERLAPPING = 3
"""Batches at once: PostgreSQL writes one while Python decides the next."""

CONNECTIONS = OVERLAPPING + 3
"""What an engine for these jobs needs: a connection for each lock beside those for the batches."""

PARTS = 10
"""Into so many a batch is taken apart that PostgreSQL refuses."""

NAMED = 20
"""So many of the accounts that can't be settled are named."""

ALIASES = dict.fromkeys(("activate", "expire", "announce", "review-tiers", "time-out"), "settle")
"""What people call it that accounts are settled."""

DUE = """
SELECT count(*) AS accounts FROM account WHERE due_at <= $1 OR (settled_under = ANY($2::int[]) AND status NOT IN ('merged', 'erased'))"""

# whoever has locked an account is settling it anyway
CLAIM_DATED = """
SELECT due_at, customer_id FROM account WHERE due_at <= $1 AND (due_at, customer_id) > ($2, $3)
 ORDER BY due_at, customer_id LIMIT $4 FOR UPDATE SKIP LOCKED"""

CLAIM_OUTDATED = """
SELECT settled_under, customer_id FROM account
 WHERE settled_under = ANY($2::int[]) AND status <> 'merged' AND status <> 'erased' AND (due_at <= $1) IS NOT TRUE
   AND (settled_under, customer_id) > ($3, $4)
 ORDER BY settled_under, customer_id LIMIT $5 FOR UPDATE SKIP LOCKED"""

# by an index of exactly these rows
_CLAIMS = "FROM purchase WHERE status = 'unclaimed' AND document IS NOT NULL AND occurred_at < $1"
CLAIMS = Rows(
    _CLAIMS,
    f"""
UPDATE purchase SET document = NULL
 WHERE (shop_id, invoice_number) IN (SELECT shop_id, invoice_number {_CLAIMS} LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING 1""",
)


def jobs(points: PointsService, engine: AsyncEngine) -> list[Job]:
    """Return the service's jobs; `engine` has `CONNECTIONS` of its own, so that they take none from the API."""
    return [
        Job(
            "settle",
            "accounts: points become available, end or are told of, tiers are reviewed",
            dt.timedelta(minutes=1),
            partial(settle, points, engine),
            partial(_count_due, points),
        ),
        forgetting(engine, MEMORY),
        Job(
            "housekeeping",
            "answers, settled dead letters and purchases nobody claimed: what was kept long enough is let go",
            dt.timedelta(hours=1),
            partial(keep_house, points, engine),
            partial(_count_old, points),
        ),
    ]


# What is due


async def settle(points: PointsService, engine: AsyncEngine, tell: Tell) -> int:
    """Book what is due on every account, those first that have waited longest. Answers how many accounts that were.

    Raises `UndoneError` where PostgreSQL refuses what would have to be booked on some of them, once the others are done.
    """
    now = points.clock()
    async with engine.connect() as connection:
        outdated = await _outdated(points, connection, now)
        due = await _count(connection, DUE, now, outdated)
    queues = [
        _Queue(CLAIM_DATED, (now,), (dt.datetime.min.replace(tzinfo=dt.UTC), "")),
        _Queue(CLAIM_OUTDATED, (now, outdated), (0, "")),
    ]
    run = _Settling(points, engine, now, queues, lambda done: tell(done, max(due, done)))
    await run.all()
    if run.refused:
        named = ", ".join(run.refused[:NAMED]) + (", …" if len(run.refused) > NAMED else "")
        raise UndoneError(run.done, f"{len(run.refused)} accounts can't be settled: {named}")
    return run.done


@dataclass(slots=True)
class _Queue:
    """Accounts that are due for one reason, in the order of an index; `passed` is the last that was claimed."""

    claim: str
    arguments: tuple[object, ...]
    passed: tuple[object, str]

    async def next(self, connection: AsyncConnection) -> list[str]:
        rows = await fetch(connection, self.claim, *self.arguments, *self.passed, BATCH)
        if rows:
            self.passed = tuple(rows[-1])
        return [row["customer_id"] for row in rows]


class _Settling:
    """One run over the accounts that are due now, by several workers; it passes each account once."""

    def __init__(
        self,
        points: PointsService,
        engine: AsyncEngine,
        now: dt.datetime,
        queues: Sequence[_Queue],
        tell: Callable[[int], None],
    ) -> None:
        self.done = 0
        self.refused: list[str] = []
        self._points = points
        self._engine = engine
        self._now = now
        self._queues = queues
        self._tell = tell
        self._claiming = asyncio.Lock()

    async def all(self) -> None:
        workers = [asyncio.create_task(self._work()) for _ in range(OVERLAPPING)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self) -> None:
        """Settle batch after batch until none is left."""
        while await self._settle_next():
            self._tell(self.done)

    async def _settle_next(self) -> Sequence[str]:
        customers: list[str] = []

        async def work(connection: AsyncConnection) -> None:
            # where another transaction was first, the same batch is tried again
            if not customers:
                customers.extend(await self._claim(connection))
            await self._book(customers, connection)

        try:
            await transact(self._engine, work)
            self._count(customers)
        except UnusableError:
            await self._take_apart(customers)
        return customers

    async def _claim(self, connection: AsyncConnection) -> list[str]:
        async with self._claiming:
            for queue in self._queues:
                if customers := await queue.next(connection):
                    return customers
        return []

    async def _book(self, customers: Sequence[str], connection: AsyncConnection) -> None:
        if customers:
            request = Request([SettleAccount(each) for each in customers])
            await self._points.ledger.book(connection, [request], now=self._now)

    async def _take_apart(self, customers: Sequence[str]) -> None:
        """Find the accounts to blame, and settle the others."""
        size = -(-len(customers) // PARTS)
        for first in range(0, len(customers), size):
            part = customers[first : first + size]
            try:
                await transact(self._engine, partial(self._book, part))
                self._count(part)
            except UnusableError:
                if len(part) == 1:
                    self.refused.extend(part)
                else:
                    await self._take_apart(part)

    def _count(self, customers: Sequence[str]) -> None:
        self.done += len(customers)
        self._points.committed()


async def _count_due(points: PointsService, connection: AsyncConnection) -> int:
    now = points.clock()
    return await _count(connection, DUE, now, await _outdated(points, connection, now))


async def _outdated(points: PointsService, connection: AsyncConnection, now: dt.datetime) -> list[int]:
    """Return the versions under which accounts were settled that are to be looked at again."""
    return sorted((await points.ledger.versions(connection)).outdated(now))


async def _count(connection: AsyncConnection, statement: str, *arguments: object) -> int:
    number: int = (await fetch(connection, statement, *arguments))[0][0]
    return number


# What was kept long enough


async def keep_house(points: PointsService, engine: AsyncEngine, tell: Tell) -> int:
    """Let go what nobody will ask for any more, a batch at a time. Answers how many rows that were.

    Answers that moved points stay for ever, and so do open dead letters. A purchase that nobody claimed in time stands
    in the books, without what it would have earned by.
    """
    async with engine.connect() as connection:
        old = await _old(points, connection)
    return await let_go(engine, old, tell)


async def _count_old(points: PointsService, connection: AsyncConnection) -> int:
    return await count(connection, await _old(points, connection))


async def _old(points: PointsService, connection: AsyncConnection) -> list[Old]:
    """A purchase is old by the longest window there ever was."""
    now = points.clock()
    window = dt.timedelta(days=(await points.ledger.versions(connection)).longest_claim_days)
    return [Old(ANSWERS, now - KEPT), Old(CLAIMS, now - window), Old(LETTERS, now - KEPT)]
