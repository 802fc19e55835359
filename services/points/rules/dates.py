"""Local days: where they end, months between them, when points can be spent and when they end."""

import calendar
import datetime as dt
from functools import lru_cache
from zoneinfo import ZoneInfo

from services.points.programme import Expiry, Programme

DAY = dt.timedelta(days=1)


def add_months(day: dt.date, months: int) -> dt.date:
    """Return the same day so many months on, or the last of that month where it has no such day (rule 10)."""
    years, month = divmod(day.month - 1 + months, 12)
    year, month = day.year + years, month + 1
    return dt.date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


@lru_cache(maxsize=4096)
def start_of(day: dt.date, zone: ZoneInfo) -> dt.datetime:
    """Return the instant, in UTC, at which a local day begins."""
    return dt.datetime.combine(day, dt.time(), zone).astimezone(dt.UTC)


def end_of(day: dt.date, zone: ZoneInfo) -> dt.datetime:
    """Return the instant at which a local day is over: the first that is not in it."""
    return start_of(day + DAY, zone)


def expires_on(earned_on: dt.date, expiry: Expiry) -> dt.date:
    """Return the last day on which points of that day can be spent (rule 10)."""
    day = add_months(earned_on, expiry.months)
    if expiry.rounded_to == "month":
        return day.replace(day=calendar.monthrange(day.year, day.month)[1])
    return day.replace(month=12, day=31) if expiry.rounded_to == "year" else day


def available_at(earned_on: dt.date, programme: Programme) -> dt.datetime:
    """Return when points of that day can be spent: the waiting days are over at the end of the last of them (rule 7)."""
    return start_of(earned_on + dt.timedelta(days=programme.pending_days + 1), programme.zone)


def announced_at(last_day: dt.date, programme: Programme) -> dt.datetime:
    """Return when the end of points is told: at the beginning of a local day before their last."""
    return start_of(last_day - dt.timedelta(days=programme.expiry.announce_days), programme.zone)
