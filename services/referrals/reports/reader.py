"""Reads the reports on recommendations, in the programme's local days."""

import datetime as dt
from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncEngine

from shared.reports.reader import Reports, programme_zone


def referrals_reports(beside: AsyncEngine, *, clock: Callable[[], dt.datetime]) -> Reports:
    """Return what reads them, on connections of its own to the database of `beside`."""
    return Reports(beside, clock=clock, zone=programme_zone)
