"""When the next digest is due: many small pieces of news wait for one message."""

import datetime as dt
from zoneinfo import ZoneInfo

from services.notifications.programme import Digest

DAY = dt.timedelta(days=1)


def next_at(terms: Digest, happened_at: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    """Return when what happened is told: at the first digest after it, by the customer's clock."""
    time = dt.time.fromisoformat(terms.at)
    day = happened_at.astimezone(zone).date()
    while True:
        at = dt.datetime.combine(day, time, zone).astimezone(dt.UTC)
        if _has_digest(terms, day) and happened_at < at:
            return at
        day += DAY


def _has_digest(terms: Digest, day: dt.date) -> bool:
    return terms.every == "day" or (day.weekday() == 0 if terms.every == "week" else day.day == 1)
