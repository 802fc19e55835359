"""The time that all processes of a service agree on: that of their database."""

import asyncio
import datetime as dt
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database import DatabaseAwayError, database_errors, fetch

SET_SECONDS = 60.0
"""So often a clock is set again."""


def utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class DatabaseClock:
    """Shows the database's time: what ends at an instant ends at the same one for every process, on whichever machine."""

    def __init__(self, engine: AsyncEngine, *, own: Callable[[], dt.datetime] = utc_now) -> None:
        self._engine = engine
        self._own = own
        self._ahead = dt.timedelta(0)

    def __call__(self) -> dt.datetime:
        return self._own() + self._ahead

    async def set(self) -> None:
        """Compare this machine's clock with the database's. Raises `DatabaseAwayError`."""
        async with database_errors(), self._engine.connect() as connection:
            await fetch(connection, "SELECT 1")  # whatever a first statement costs is no time of the clock's
            asked = self._own()
            (row,) = await fetch(connection, "SELECT clock_timestamp() AS now")
            answered = self._own()
        self._ahead = row["now"] - asked - (answered - asked) / 2

    async def keep(self) -> None:
        """Set it again and again; while the database is away it goes on as it was."""
        while True:
            await asyncio.sleep(SET_SECONDS)
            with suppress(DatabaseAwayError):
                await self.set()
