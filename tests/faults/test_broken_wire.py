"""Whatever a statement is at when its server goes, it is said in one way, and the pool has living connections afterwards."""

import asyncio
import random

from shared.database import DatabaseAwayError, create_engine, fetch, transact
from tests.shared.messaging.proxy import Proxy
from tests.shared.messaging.waiting import until


async def test_a_server_that_goes_at_any_moment_is_away_and_is_found_again(wire: Proxy) -> None:
    rng = random.Random(20261124)
    engine = create_engine(wire.url, name="wired", pool_size=4)
    away = 0

    async def ask_until(ended: asyncio.Event) -> None:
        nonlocal away
        while not ended.is_set():
            try:
                await transact(
                    engine, lambda connection: fetch(connection, "SELECT n FROM generate_series(1, $1::int) n", 50)
                )
            except DatabaseAwayError:
                away += 1
                await asyncio.sleep(0.001)

    ended = asyncio.Event()
    asking = [asyncio.create_task(ask_until(ended)) for _ in range(4)]
    for _ in range(60):
        await asyncio.sleep(rng.uniform(0.001, 0.03))
        await wire.cut()
        await asyncio.sleep(rng.uniform(0, 0.005))
        await wire.join()
    ended.set()
    await asyncio.gather(*asking)
    assert away > 0

    async def answer() -> list[tuple[int]]:
        rows = await transact(engine, lambda connection: fetch(connection, "SELECT 1"))
        return [tuple(row) for row in rows]

    await until(answer, [(1,)])
    await engine.dispose()
