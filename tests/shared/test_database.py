"""The way to PostgreSQL keeps its word: what is said to be committed is, whatever was cancelled before."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.database import create_engine, fetch, transact

TABLE = "CREATE TABLE kept (number int PRIMARY KEY)"
KEEP = "INSERT INTO kept (number) VALUES ($1)"


@pytest.fixture
async def single(database_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine with one connection, so that everybody gets what the one before has left."""
    made = create_engine(database_url, name="single", pool_size=1)
    yield made
    await made.dispose()


async def test_what_is_committed_after_a_cancelled_transaction_is_there(
    single: AsyncEngine, engine: AsyncEngine
) -> None:
    rng = random.Random(7)

    async def nothing(connection: AsyncConnection) -> None:
        await fetch(connection, "SELECT 1")

    async def keep(number: int, connection: AsyncConnection) -> None:
        await fetch(connection, KEEP, number)

    await transact(engine, lambda connection: fetch(connection, TABLE))
    await transact(single, nothing)
    for number in range(300):
        cancelled = asyncio.create_task(transact(single, nothing))
        for _ in range(rng.randrange(1, 12)):
            await asyncio.sleep(0)
        cancelled.cancel()
        with suppress(asyncio.CancelledError):
            await cancelled
        await transact(single, partial(keep, number))
        rows = await transact(engine, lambda connection: fetch(connection, "SELECT count(*) AS kept FROM kept"))
        assert rows[0]["kept"] == number + 1
