"""Jobs come round on time: once however many keep them, again after a pause, a crash or a clock that is put back."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared import jobs
from shared.database import DatabaseAwayError, create_engine, fetch
from shared.jobs import Job, Tell, UndoneError

HOUR = dt.timedelta(hours=1)


class Work:
    """Counts its runs, and how many there were at once; it ends when it may."""

    def __init__(self, *errors: Exception) -> None:
        self.runs = 0
        self.at_once = 0
        self.most = 0
        self.errors = list(errors)
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def __call__(self, tell: Tell) -> int:
        self.runs += 1
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        self.begun.set()
        await self.may_end.wait()
        self.at_once -= 1
        if self.errors:
            raise self.errors.pop(0)
        tell(3, 3)
        return 3


async def nothing(_connection: AsyncConnection) -> int:
    return 0


def job(work: Callable[[Tell], Awaitable[int]], *, every: dt.timedelta = HOUR) -> Job:
    return Job("sweep", "sweeps", every, work, nothing)


@asynccontextmanager
async def kept(engine: AsyncEngine, *jobs_: Job) -> AsyncIterator[list["asyncio.Task[None]"]]:
    tasks = [asyncio.create_task(jobs.keep(engine, each, service="test")) for each in jobs_]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def last(engine: AsyncEngine) -> dict[str, Any]:
    async with engine.connect() as connection:
        return (await jobs.runs(connection)).get("sweep", {})


async def ended(engine: AsyncEngine) -> dict[str, Any]:
    """Wait for the end of a run, and return it."""

    async def has_ended() -> bool:
        return (await last(engine)).get("finished_at") is not None

    await eventually(has_ended)
    return await last(engine)


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


async def noted(engine: AsyncEngine, statement: str) -> None:
    async with engine.begin() as connection:
        await fetch(connection, statement)


async def test_a_job_that_never_ran_runs_at_once_and_not_again_before_its_time(engine: AsyncEngine) -> None:
    work = Work()
    async with kept(engine, job(work)):
        first = await ended(engine)
    assert (first["items"], first["error"]) == (3, None)
    async with kept(engine, job(work)) as (task,):
        await asyncio.wait([task], timeout=0.5)
    assert work.runs == 1


async def test_a_job_comes_round_again(engine: AsyncEngine) -> None:
    work = Work()

    async def has_run_again() -> bool:
        return work.runs >= 3

    async with kept(engine, job(work, every=dt.timedelta(milliseconds=50))):
        await eventually(has_run_again)


async def test_of_many_that_keep_a_job_one_runs_it(engine: AsyncEngine, database_url: str) -> None:
    work = Work()
    work.may_end.clear()
    others = [create_engine(database_url, name="another", pool_size=2) for _ in range(3)]
    tasks = [asyncio.create_task(jobs.keep(each, job(work), service="test")) for each in (engine, *others)]
    await work.begun.wait()
    await asyncio.wait(tasks, timeout=1.5)
    work.may_end.set()
    await ended(engine)
    await asyncio.wait(tasks, timeout=1.5)
    assert (work.runs, work.most) == (1, 1)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for each in others:
        await each.dispose()


async def test_a_pause_of_a_month_is_made_up_for_by_one_run(engine: AsyncEngine) -> None:
    work = Work()
    await jobs.run(engine, job(work), service="test", tell=lambda _done, _of: None)
    await noted(
        engine, "UPDATE job_run SET started_at = now() - interval '30 days', finished_at = now() - interval '30 days'"
    )
    async with kept(engine, job(work)) as (task,):
        await asyncio.wait([task], timeout=1)
    assert work.runs == 2


async def test_a_run_that_was_cut_off_is_taken_up_at_once(engine: AsyncEngine) -> None:
    work = Work()
    await noted(engine, "INSERT INTO job_run (job, started_at) VALUES ('sweep', now())")
    async with kept(engine, job(work)):
        assert (await ended(engine))["items"] == 3


async def test_a_clock_that_is_put_back_makes_no_job_wait_for_it(engine: AsyncEngine) -> None:
    work = Work()
    await noted(
        engine, "INSERT INTO job_run (job, started_at, finished_at) VALUES ('sweep', now() + interval '1 day', now())"
    )
    async with kept(engine, job(work)) as (task,):
        await asyncio.wait([task], timeout=1)
    assert work.runs == 1


async def test_the_lock_of_a_process_that_is_killed_is_free(engine: AsyncEngine, database_url: str) -> None:
    work = Work()
    work.may_end.clear()
    other = create_engine(database_url, name="doomed", pool_size=2)
    running = asyncio.create_task(jobs.run(other, job(work), service="test", tell=lambda _done, _of: None))
    await work.begun.wait()
    await noted(engine, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'doomed'")
    work.may_end.set()
    with pytest.raises(DatabaseAwayError):
        await running
    assert (await jobs.run(engine, job(work), service="test", tell=lambda _done, _of: None)).items == 3
    await other.dispose()


async def test_a_job_asked_for_while_it_runs_elsewhere_waits_for_its_turn(engine: AsyncEngine) -> None:
    work = Work()
    work.may_end.clear()
    first, second = (
        asyncio.create_task(jobs.run(engine, job(work), service="test", tell=lambda _done, _of: None)) for _ in range(2)
    )
    await work.begun.wait()
    await asyncio.wait([second], timeout=0.5)
    work.may_end.set()
    await asyncio.gather(first, second)
    assert (work.runs, work.most) == (2, 1)


async def test_a_database_that_is_away_is_waited_for(engine: AsyncEngine) -> None:
    work = Work(DatabaseAwayError("away"), DatabaseAwayError("away"))
    async with kept(engine, job(work)):
        assert (await ended(engine))["items"] == 3
    assert work.runs == 3


async def test_an_error_nobody_knows_ends_it(engine: AsyncEngine) -> None:
    with pytest.raises(ZeroDivisionError):
        await jobs.keep(engine, job(Work(ZeroDivisionError())), service="test")


async def test_what_was_left_undone_stands_in_the_row_and_the_job_goes_on(engine: AsyncEngine) -> None:
    work = Work(UndoneError(2, "c-7 can't be swept"))

    async def has_done_all() -> bool:
        return bool((await last(engine))["items"] == 3)

    async with kept(engine, job(work, every=dt.timedelta(milliseconds=300))):
        first = await ended(engine)
        assert (first["items"], first["error"]) == (2, "c-7 can't be swept")
        await eventually(has_done_all)


async def test_the_last_success_can_be_watched(engine: AsyncEngine) -> None:
    await jobs.run(engine, job(Work()), service="watched", tell=lambda _done, _of: None)
    labels = {"service": "watched", "job": "sweep"}
    assert REGISTRY.get_sample_value("loyalty_job_items_total", labels) == 3
    assert (REGISTRY.get_sample_value("loyalty_job_last_success_timestamp_seconds", labels) or 0) > 0
