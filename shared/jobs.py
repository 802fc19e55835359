"""Jobs that come round again and again: each runs once however many processes keep it, and at once after a pause.

Its time is told by the database's clock and the row of its last run; a lock that ends with its connection says who runs it,
so that a process that is killed leaves nothing behind but a run without an end, which the next one takes up.
"""

import asyncio
import datetime as dt
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
import structlog
from prometheus_client import Counter, Gauge
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.database import DatabaseAwayError, database_errors, fetch
from shared.messaging.waiting import pauses

log = structlog.get_logger(__name__)

SUCCEEDED = Gauge(
    "loyalty_job_last_success_timestamp_seconds", "When a job last did all that was due", ["service", "job"]
)
SECONDS = Gauge("loyalty_job_seconds", "How long the last run of a job took", ["service", "job"])
ITEMS = Counter("loyalty_job_items", "What jobs have done", ["service", "job"])

ADVISORY_LOCK = 7_215_003
"""The first half of every job's lock; the other comes from its name."""

STANDBY_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0

TRY_LOCK = "SELECT pg_try_advisory_lock($1::int, hashtext($2)) AS ours"
UNLOCK = "SELECT pg_advisory_unlock($1::int, hashtext($2))"

# a run without an end was cut off, and one in the future was noted by a clock that has been put back
WAIT = """
SELECT CASE WHEN finished_at IS NULL OR started_at > now() THEN 0
       ELSE extract(epoch FROM started_at + $2::interval - now())::float8 END AS seconds
  FROM job_run WHERE job = $1"""

BEGIN = """
INSERT INTO job_run (job, started_at) VALUES ($1, now())
ON CONFLICT (job) DO UPDATE SET started_at = now(), finished_at = NULL, items = 0, error = NULL"""

END = "UPDATE job_run SET finished_at = now(), items = $2, error = $3 WHERE job = $1"

RUNS = "SELECT job, started_at, finished_at, items, error FROM job_run"

Tell = Callable[[int, int], None]
"""Hears how many items are done, of how many."""


def job_run_table(metadata: sa.MetaData) -> sa.Table:
    """The last run of each job; one without an end is going on, or was cut off."""
    return sa.Table(
        "job_run",
        metadata,
        sa.Column("job", sa.Text, primary_key=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("items", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("error", sa.Text, comment="what was left undone, and why"),
    )


class UndoneError(Exception):
    """Some items can't be done, which the message names; `done` others are."""

    def __init__(self, done: int, message: str) -> None:
        super().__init__(message)
        self.done = done


@dataclass(frozen=True, slots=True)
class Job:
    """`work` does all that is due and answers how many items that were; `waiting` counts them beforehand.

    `work` raises `UndoneError` where something was left undone, and `DatabaseAwayError`; either way it is tried again.
    """

    name: str
    about: str
    every: dt.timedelta
    work: Callable[[Tell], Awaitable[int]]
    waiting: Callable[[AsyncConnection], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Run:
    """What became of a run; with an error some of what was due is left."""

    items: int
    seconds: float
    error: str | None = None


async def keep(engine: AsyncEngine, job: Job, *, service: str) -> None:
    """Run a job whenever its time has come, until cancelled; a database that is away is waited for."""
    waits = pauses(LONGEST_PAUSE_SECONDS)
    while True:
        try:
            async with database_errors():
                seconds = await _run_if_due(engine, job, service)
            waits = pauses(LONGEST_PAUSE_SECONDS)
        except DatabaseAwayError as error:
            log.warning("job_waits", job=job.name, error=repr(error))
            seconds = next(waits)
        await asyncio.sleep(seconds)


async def run(engine: AsyncEngine, job: Job, *, service: str, tell: Tell) -> Run:
    """Run a job now, or as soon as no other process does. Raises `DatabaseAwayError`."""
    async with database_errors():
        while True:
            async with _lock(engine, job) as connection:
                if connection is not None:
                    return await _run(connection, job, service, tell)
            await asyncio.sleep(STANDBY_SECONDS)


async def runs(connection: AsyncConnection) -> dict[str, dict[str, Any]]:
    """Return the last run of each job by its name."""
    return {row["job"]: dict(row) for row in await fetch(connection, RUNS)}


async def _run_if_due(engine: AsyncEngine, job: Job, service: str) -> float:
    """Run a job whose time has come, and return the seconds until it is worth asking again."""
    async with engine.connect() as connection:
        seconds = await _wait(connection, job)
    if seconds > 0:
        return seconds
    async with _lock(engine, job) as connection:
        if connection is None:
            return STANDBY_SECONDS
        # somebody else may have run it just now
        if await _wait(connection, job) <= 0:
            await _run(connection, job, service, lambda _done, _of: None)
        return await _wait(connection, job)


async def _wait(connection: AsyncConnection, job: Job) -> float:
    rows: Sequence[Any] = await fetch(connection, WAIT, job.name, job.every)
    return rows[0]["seconds"] if rows else 0.0


async def _run(connection: AsyncConnection, job: Job, service: str, tell: Tell) -> Run:
    await fetch(connection, BEGIN, job.name)
    began = time.monotonic()
    try:
        items, undone = await job.work(tell), None
    except UndoneError as error:
        items, undone = error.done, str(error)
    await fetch(connection, END, job.name, items, undone)
    ended = Run(items, time.monotonic() - began, undone)
    _report(job, service, ended)
    return ended


def _report(job: Job, service: str, ended: Run) -> None:
    SECONDS.labels(service, job.name).set(ended.seconds)
    ITEMS.labels(service, job.name).inc(ended.items)
    if ended.error is None:
        SUCCEEDED.labels(service, job.name).set_to_current_time()
    else:
        # what is undone may be named after a customer, so it stands in the row and not here
        log.error("job_left_something_undone", job=job.name, items=ended.items, see="loyalty jobs list")
    if ended.items:
        log.info("job_done", job=job.name, items=ended.items, seconds=round(ended.seconds, 1))


@asynccontextmanager
async def _lock(engine: AsyncEngine, job: Job) -> AsyncIterator[AsyncConnection | None]:
    """Hold a job's lock for as long as this connection lives; none where somebody else has it."""
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        if not (await fetch(connection, TRY_LOCK, ADVISORY_LOCK, job.name))[0]["ours"]:
            yield None
            return
        try:
            yield connection
        except BaseException:
            # back in the pool the session would go on holding it
            await connection.invalidate()
            raise
        await fetch(connection, UNLOCK, ADVISORY_LOCK, job.name)
