"""Reads the reports on points, in the programme's local days and with the shop's names of the journal's accounts."""

import datetime as dt
from collections.abc import Callable, Mapping

from sqlalchemy.ext.asyncio import AsyncEngine

from services.points.rules.bookkeeping import NAMES
from shared.reports.reader import Reports, programme_zone


def points_reports(
    beside: AsyncEngine, *, clock: Callable[[], dt.datetime], account_names: Mapping[str, str] | None = None
) -> Reports:
    """Return what reads them, on connections of its own to the database of `beside`."""
    return Reports(beside, clock=clock, zone=programme_zone, own={"account_names": {**NAMES, **(account_names or {})}})
