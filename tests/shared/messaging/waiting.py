"""Running something beside a test, and waiting for what it does."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

Value = TypeVar("Value")


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Run beside the test, and cancel at its end; when it fails, so does the test, at once."""
    test = asyncio.current_task()
    assert test is not None
    task = asyncio.create_task(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception() is None or test.cancel())
    try:
        yield task
    except asyncio.CancelledError:
        if task.done() and not task.cancelled() and test.uncancel() == 0:
            task.result()
        raise
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(ask: Callable[[], Awaitable[Value]], wanted: Value, *, seconds: float = 20) -> None:
    """Ask again until the answer is the wanted one."""
    give_up = time.monotonic() + seconds
    while (answer := await ask()) != wanted:
        assert time.monotonic() < give_up, f"{answer!r} instead of {wanted!r}"
        await asyncio.sleep(0.02)
