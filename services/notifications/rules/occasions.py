"""On which day an occasion is due for a customer, and when on it (rules 28 and 29)."""

import calendar
import datetime as dt
import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.notifications.programme import LEAP_YEAR, Anniversary, Campaign, Occasion

DAY = dt.timedelta(days=1)
MIDNIGHT = dt.time()
DRAWN_BYTES = 7
OF = 1 << 8 * DRAWN_BYTES
"""A customer's place in a campaign is a whole number below it."""


class Kept(NamedTuple):
    """A date of a customer that comes back each year, and the local day on which it was entered or last changed."""

    date: dt.date
    entered_on: dt.date


class Due(NamedTuple):
    """When an occasion is to be said: `season` is the year it counts for, `day` the local day it is about.

    From `at` on, which may be past, and before `until`, when it means nothing any more.
    """

    season: int
    day: dt.date
    at: dt.datetime
    until: dt.datetime


class Last(NamedTuple):
    """What a customer had of an occasion last: of which season, and about which day."""

    season: int
    day: dt.date


def anniversary(terms: Anniversary, kept: Kept, last: Last | None, now: dt.datetime, zone: ZoneInfo) -> Due | None:
    """Return when a customer's own day is to be said next, which may be in the past, as far as that is worth catching up.

    None where no year that is near has one.
    """
    today = now.astimezone(zone).date()
    for season in range(today.year - 1, today.year + 4):
        day = anniversary_in(season, kept.date, terms.leap_day)
        said_on = day - terms.days_ahead * DAY
        over_on = said_on + (terms.catch_up_days + 1) * DAY
        if today < over_on and _counts(terms, kept, last, day):
            return Due(season, day, _instant(said_on, terms.hours.begin, zone), _instant(over_on, MIDNIGHT, zone))
    return None


def anniversary_in(year: int, date: dt.date, leap_day: str) -> dt.date:
    """Return the day on which a date is kept in a year."""
    if (date.month, date.day) != (2, 29) or calendar.isleap(year):
        return date.replace(year=year)
    return dt.date(year, 2, 28) if leap_day == "february-28" else dt.date(year, 3, 1)


def _counts(terms: Anniversary, kept: Kept, last: Last | None, day: dt.date) -> bool:
    if day <= kept.date or day - kept.entered_on < terms.notice_days * DAY:
        return False
    return last is None or (day.year > last.season and day - last.day >= terms.apart_days * DAY)


def campaign(terms: Campaign, customer_id: str, last: Last | None, now: dt.datetime, zone: ZoneInfo) -> Due | None:
    """Return when a customer's place in a campaign's window is, the next that is not over; none where no other comes."""
    year = now.astimezone(zone).year
    for season in [terms.year] if terms.year else range(year - 1, year + 2):
        window = Window(terms, season)
        if not window.is_over(now, zone) and (last is None or last.season < season):
            return window.due(customer_id, zone)
    return None


def begins_on(terms: Campaign, season: int) -> dt.date:
    """Return the first day of a season."""
    return dt.date.fromisoformat(f"{season}-{terms.begins}")


class Window:
    """A season of a campaign, as one long stretch of its daily hours on which every customer has a place."""

    def __init__(self, terms: Campaign, season: int) -> None:
        since, until = _minutes(terms.hours.begin), _minutes(terms.hours.end)
        begins = begins_on(terms, season)
        self.season = season
        self._name = terms.name
        self._days = [begins + number * DAY for number in range(terms.days)]
        self._times = [dt.time(*divmod(minute, 60)) for minute in range(since, until)]
        self._over_on = begins + (terms.days + terms.catch_up_days) * DAY

    def is_over(self, now: dt.datetime, zone: ZoneInfo) -> bool:
        """Tell whether it means nothing any more by this clock."""
        return now.astimezone(zone).date() >= self._over_on

    def due(self, customer_id: str, zone: ZoneInfo) -> Due:
        drawn = place_of(customer_id, self._name, self.season)
        number, minute = divmod(drawn * len(self._days) * len(self._times) // OF, len(self._times))
        day = self._days[number]
        at = _instant(day, self._times[minute], zone)
        return Due(self.season, day, at, _instant(self._over_on, MIDNIGHT, zone))


def place_of(customer_id: str, occasion: str, season: int) -> int:
    """Return a customer's place in a season's window, the same in every run and in none like that of another season."""
    digest = hashlib.sha256(f"{occasion}\x1f{season}\x1f{customer_id}".encode()).digest()
    return int.from_bytes(digest[:DRAWN_BYTES], "big")


def _minutes(time: dt.time) -> int:
    return time.hour * 60 + time.minute


# a million customers share some thousands of them
@lru_cache(maxsize=1 << 15)
def _instant(day: dt.date, time: dt.time, zone: ZoneInfo) -> dt.datetime:
    return dt.datetime.combine(day, time, zone).astimezone(dt.UTC)


# What is near

WEST, EAST = dt.timedelta(hours=12), dt.timedelta(hours=14)
"""The clocks of all time zones lie between these, before and after UTC."""


def near_days(terms: Anniversary, now: dt.datetime, ahead: dt.timedelta) -> Iterator[dt.date]:
    """Yield the days that are due for anybody anywhere until so far ahead, and those that are still worth saying."""
    first, last = _first_day(terms, now), (now + EAST + ahead).date()
    for number in range((last - first).days + 1):
        yield first + (number + terms.days_ahead) * DAY


def _first_day(terms: Occasion, now: dt.datetime) -> dt.date:
    """Return the first day on which it can be said for nobody to call it over."""
    return (now - WEST).date() - terms.catch_up_days * DAY


def kept_on(terms: Anniversary, day: dt.date) -> list[dt.date]:
    """Return the dates, of a leap year, that are kept on a day."""
    leap_day = dt.date(LEAP_YEAR, 2, 29)
    moved = [leap_day] if anniversary_in(day.year, leap_day, terms.leap_day) == day else []
    return [*dict.fromkeys([day.replace(year=LEAP_YEAR), *moved])]


def near_seasons(terms: Campaign, now: dt.datetime, ahead: dt.timedelta) -> Iterator[int]:
    """Yield the seasons whose window opens so far ahead, for anybody anywhere, and is not over for all."""
    first, last = _first_day(terms, now), (now + EAST + ahead).date()
    for season in [terms.year] if terms.year else range(first.year - 1, last.year + 1):
        begins = begins_on(terms, season)
        if begins <= last and first < begins + terms.days * DAY:
            yield season
