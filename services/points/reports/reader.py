"""Reads the reports on points, in the programme's local days and with the shop's names of the journal's accounts."""

import datetime as dt
from collections.abc import Callable, Mapping
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.points.rules.bookkeeping import NAMES
from shared.database import fetch
from shared.reports.reader import Reports

TIME_ZONE = """
SELECT document ->> 'time_zone' AS time_zone FROM programme WHERE valid_from <= $1
 ORDER BY valid_from DESC, version DESC LIMIT 1"""


def points_reports(
    beside: AsyncEngine, *, clock: Callable[[], dt.datetime], account_names: Mapping[str, str] | None = None
) -> Reports:
    """Return what reads them, on connections of its own to the database of `beside`."""
    return Reports(beside, clock=clock, zone=programme_zone, own={"account_names": {**NAMES, **(account_names or {})}})


async def programme_zone(connection: AsyncConnection, now: dt.datetime) -> ZoneInfo:
    """Return the time zone of the programme that is valid."""
    (row,) = await fetch(connection, TIME_ZONE, now)
    return ZoneInfo(row["time_zone"] or "UTC")
