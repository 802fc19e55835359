"""Processes whose machines disagree about the time agree with their database."""

import datetime as dt

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.clock import DatabaseClock, utc_now
from shared.database import DatabaseAwayError, create_engine

SECOND = dt.timedelta(seconds=1)


@pytest.mark.parametrize("hours", [-5, 0, 3])
async def test_a_clock_that_is_wrong_shows_the_time_of_the_database(engine: AsyncEngine, hours: int) -> None:
    clock = DatabaseClock(engine, own=lambda: utc_now() + dt.timedelta(hours=hours))
    await clock.set()
    assert abs(clock() - utc_now()) < SECOND


async def test_without_the_database_it_goes_on_as_it_was() -> None:
    away = create_engine("postgresql://nobody@127.0.0.1:1/nothing", name="test")
    clock = DatabaseClock(away)
    with pytest.raises(DatabaseAwayError):
        await clock.set()
    assert abs(clock() - utc_now()) < SECOND
    await away.dispose()
