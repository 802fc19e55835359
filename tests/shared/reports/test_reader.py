"""How reports are read: a few at a time, not for long, and without leave to write."""

import datetime as dt
from collections.abc import AsyncIterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database import fetch
from shared.reports.reader import ParameterError, Reports, ReportTooSlowError, TooManyReportsError
from shared.reports.report import PERIOD, Chart, Column, Findings, Report

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)


async def berlin(_connection: Any, _now: dt.datetime) -> ZoneInfo:
    return ZoneInfo("Europe/Berlin")


@pytest.fixture
async def reports(engine: AsyncEngine) -> AsyncIterator[Reports]:
    made = Reports(engine, clock=lambda: NOW, zone=berlin, own={"greeting": "hello", "wanted": "few"})
    yield made
    await made.close()


def tried(read: Any) -> Report:
    takes = frozenset({"shop_id", "wanted"})
    columns = (PERIOD, Column("friends", "count", "who came"))
    return Report("tried", "Tried", "Tried.", "Counted.", columns, Chart("bars", "period", ("friends",)), read, takes)


async def nothing(*_: Any) -> Findings:
    return Findings([])


async def test_a_report_takes_only_what_it_says(reports: Reports) -> None:
    with pytest.raises(ParameterError, match="the report tried takes no currency"):
        await reports.read(tried(nothing), narrowing={"currency": "EUR"})


async def test_a_question_has_what_the_service_and_the_asker_say_of_their_own(reports: Reports) -> None:
    asked = (await reports.read(tried(nothing), narrowing={"shop_id": "leeds", "wanted": "many"})).question
    assert asked.shop_id == "leeds"
    assert asked.own == {"greeting": "hello", "wanted": "many"}


async def test_days_are_those_of_the_zone_that_the_service_tells(reports: Reports) -> None:
    asked = (await reports.read(tried(nothing), first=dt.date(2026, 6, 1), end=dt.date(2026, 7, 1))).question
    assert asked.start == dt.datetime(2026, 5, 31, 22, tzinfo=dt.UTC)


async def test_a_few_reports_are_read_at_a_time(reports: Reports) -> None:
    async def again(*_: Any) -> Any:
        return await reports.read(again_report)

    again_report = tried(again)
    with pytest.raises(TooManyReportsError):
        await reports.read(again_report)
    assert (await reports.read(tried(nothing))).findings.rows == []


async def test_a_report_that_takes_too_long_is_ended(reports: Reports) -> None:
    async def slow(connection: Any, _question: Any) -> Any:
        await fetch(connection, "SET LOCAL statement_timeout = '20ms'")
        await fetch(connection, "SELECT pg_sleep(20)")

    with pytest.raises(ReportTooSlowError):
        await reports.read(tried(slow))


async def test_a_report_can_write_nothing(reports: Reports) -> None:
    async def writing(connection: Any, _question: Any) -> Any:
        await connection.execute(text("CREATE TABLE notes (note text)"))

    with pytest.raises(Exception, match="read-only transaction"):
        await reports.read(tried(writing))
