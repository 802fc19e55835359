"""Running something beside a test, and waiting for what it does."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Run beside the test, and cancel at its end; what it raises before, the test raises."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(rows: Callable[[], Awaitable[list[Any]]], count: int, *, seconds: float = 20) -> list[Any]:
    """Ask again until there are `count` rows, and return them."""
    give_up = time.monotonic() + seconds
    while True:
        found = await rows()
        if len(found) == count or time.monotonic() > give_up:
            assert len(found) == count, f"{len(found)} rows instead of {count}"
            return found
        await asyncio.sleep(0.02)
