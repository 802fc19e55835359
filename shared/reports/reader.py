"""Reads reports from the database, a few at a time, on connections of their own, so that nobody else waits for them."""

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.database import create_engine, database_errors, fetch
from shared.reports.questions import Period, Question, question
from shared.reports.report import Answer, Report

MOST_AT_ONCE = 2
SECONDS = 120

BY_ITSELF = f"""
SELECT set_config('statement_timeout', '{SECONDS}s', true), set_config('work_mem', '128MB', true),
  set_config('max_parallel_workers_per_gather', '0', true)"""
"""One report takes one core: the others are for awards."""

TIME_ZONE = """
SELECT document ->> 'time_zone' AS time_zone FROM programme WHERE valid_from <= $1
 ORDER BY valid_from DESC, version DESC LIMIT 1"""

Zone = Callable[[AsyncConnection, dt.datetime], Awaitable[ZoneInfo]]
"""Tells whose local days count at an instant."""

EVERYWHERE = frozenset({"shop_id", "currency"})
"""What narrows a question of any service; the rest is its service's own."""


class TooManyReportsError(Exception):
    """As many reports are being read as may be; nothing was read."""


class ReportTooSlowError(Exception):
    """The database took longer than a report may take."""


class ParameterError(Exception):
    """A report does not take a parameter that was given."""

    def __init__(self, parameter: str, report: str) -> None:
        super().__init__(f"the report {report} takes no {parameter}")
        self.parameter = parameter


class Reports:
    """What asks for reports in one process; its connections are opened by the first.

    `own` is what a service tells all its reports, beside what narrows one.
    """

    def __init__(
        self,
        beside: AsyncEngine,
        *,
        clock: Callable[[], dt.datetime],
        zone: Zone,
        own: Mapping[str, Any] | None = None,
    ) -> None:
        url = beside.url.render_as_string(hide_password=False)
        self._engine = create_engine(url, name="loyalty-reports", pool_size=MOST_AT_ONCE, reporting=True)
        self._clock = clock
        self._zone = zone
        self._own = own or {}
        self._reading = 0

    async def read(
        self,
        report: Report,
        *,
        first: dt.date | None = None,
        end: dt.date | None = None,
        period: Period | None = None,
        narrowing: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Answer a report from one state of the books.

        Raises `QuestionError`, `ParameterError`, `TooManyReportsError`, `ReportTooSlowError`, `DatabaseAwayError`.
        """
        for name in (narrowing or {}).keys() - report.takes:
            raise ParameterError(name, report.name)
        if self._reading >= MOST_AT_ONCE:
            raise TooManyReportsError
        self._reading += 1
        try:
            async with database_errors(), self._engine.connect() as connection:
                await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                await fetch(connection, BY_ITSELF)
                zone = await self._zone(connection, self._clock())
                asked = question(first, end, period=period or report.period, zone=zone, now=self._clock())
                asked = self._narrowed(asked, narrowing or {})
                return Answer(report, asked, await report.read(connection, asked))
        except asyncpg.QueryCanceledError:
            raise ReportTooSlowError from None
        finally:
            self._reading -= 1

    def _narrowed(self, asked: Question, narrowing: Mapping[str, Any]) -> Question:
        everywhere = {name: value for name, value in narrowing.items() if name in EVERYWHERE}
        own = {name: value for name, value in narrowing.items() if name not in EVERYWHERE}
        return replace(asked, own={**self._own, **own}, **everywhere)

    async def close(self) -> None:
        """Leave the database."""
        await self._engine.dispose()


async def programme_zone(connection: AsyncConnection, now: dt.datetime) -> ZoneInfo:
    """Return the time zone of the programme that is valid, of a service that has one."""
    (row,) = await fetch(connection, TIME_ZONE, now)
    return ZoneInfo(row["time_zone"] or "UTC")
