"""Jobs of the points service: everything that is due is booked once, however many run, late, twice or cut off."""

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.points import jobs
from services.points.programme import Programme
from services.points.service import PointsService
from services.points.verification import verify
from shared.database import create_engine, fetch
from tests.points.conftest import NOW, Book, publish, purchase

DAY = dt.timedelta(days=1)
LONG_AGO = NOW - 1000 * DAY
BERLIN_MONTH = {"time_zone": "Europe/Berlin", "expiry": {"model": "after_earning", "months": 1}}

Settle = Callable[..., Awaitable[int]]


def quiet(_done: int, _of: int) -> None:
    pass


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> dt.datetime:
        return self.now


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[PointsService]:
    made = PointsService(create_engine(database_url, name="tests", pool_size=jobs.CONNECTIONS), clock=Hands())
    yield made
    await made.close()


@pytest.fixture
def settle(service: PointsService) -> Settle:
    """Run the job at an instant."""

    async def run(now: dt.datetime) -> int:
        service.clock = lambda: now
        return await jobs.settle(service, service.engine, quiet)

    return run


async def rows(engine: AsyncEngine, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await fetch(connection, statement, *arguments)]


async def the_books_are_right(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        assert await verify(connection) == []


async def entries(engine: AsyncEngine, customer: str = "c-1") -> list[tuple[str, int]]:
    statement = "SELECT kind, points FROM entry WHERE customer_id = $1 ORDER BY sequence"
    return [(kind, points) for kind, points in await rows(engine, statement, customer)]


async def test_points_that_are_due_expire_with_the_job(book: Book, settle: Settle, engine: AsyncEngine) -> None:
    await publish(engine, Programme.model_validate(BERLIN_MONTH), valid_from=LONG_AGO)
    await book(purchase())
    assert await settle(NOW + 40 * DAY) == 1
    assert await entries(engine) == [("award", 100), ("expiry", -100)]
    await the_books_are_right(engine)
