"""Group commit: calls that arrive while one batch is being written form the next batch together."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from shared.database import DatabaseAwayError

Item = TypeVar("Item")
Result = TypeVar("Result")


class OverloadedError(Exception):
    """More calls wait than could be answered in time; nothing was done."""


class Batcher(Generic[Item, Result]):
    """Hands batches of items to `write`, one batch at a time, and each result to its caller.

    `write` answers one result per item, in their order. A database that is away is told to every caller of the batch;
    after any other error the items are written one by one, so that only the caller of the one to blame hears of it.
    """

    def __init__(
        self, write: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]], *, most: int = 500, waiting: int = 5_000
    ) -> None:
        self._write = write
        self._most = most
        self._limit = waiting
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._writing: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Result:
        """Return the result of `item` once its batch is committed. Raises `OverloadedError` and what `write` raises."""
        if len(self._waiting) >= self._limit:
            raise OverloadedError
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._writing is None:
            self._writing = asyncio.create_task(self._drain())
        return await future

    async def close(self) -> None:
        """Wait until everything that was submitted is written."""
        if self._writing is not None:
            await self._writing

    async def _drain(self) -> None:
        try:
            while self._waiting:
                size = min(self._most, len(self._waiting))
                await self._settle([self._waiting.popleft() for _ in range(size)])
        finally:
            self._writing = None

    async def _settle(self, batch: list[tuple[Item, "asyncio.Future[Result]"]]) -> None:
        try:
            results = await self._write([item for item, _ in batch])
        except DatabaseAwayError as error:
            _fail(batch, error)
        except Exception as error:  # noqa: BLE001 - whoever waits for the answer gets the error
            if len(batch) == 1:
                _fail(batch, error)
                return
            for one in batch:
                await self._settle([one])
        else:
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)


def _fail(batch: list[tuple[Item, "asyncio.Future[Result]"]], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
