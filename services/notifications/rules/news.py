"""What of all that happens is worth a message, and when it is said."""

import datetime as dt
from zoneinfo import ZoneInfo

from services.notifications.rules.permission import MEANINGFUL

DAY = dt.timedelta(days=1)


def is_old(happened_at: dt.datetime, now: dt.datetime) -> bool:
    """Tell whether nobody is told of it any more: imports and replays are silent."""
    return happened_at < now - MEANINGFUL


def end_of(day: dt.date, zone: ZoneInfo) -> dt.datetime:
    """Return the first instant after a local day."""
    return dt.datetime.combine(day + DAY, dt.time(), zone).astimezone(dt.UTC)


def last_day(until: dt.datetime, zone: ZoneInfo) -> dt.date:
    """Return the last local day of which there is any before an instant."""
    return (until - dt.timedelta(microseconds=1)).astimezone(zone).date()


def half_way(since: dt.datetime, until: dt.datetime) -> dt.datetime:
    """Return when somebody is reminded of what has waited since one instant and is over at another."""
    return since + (until - since) / 2


def is_worth_announcing(issued_at: dt.datetime, valid_until: dt.datetime, days_ahead: int) -> bool:
    """Tell whether a coupon was there long enough to be forgotten: at least a day before it is to be told of."""
    return valid_until - issued_at >= (days_ahead + 1) * DAY
