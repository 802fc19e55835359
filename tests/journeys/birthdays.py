"""People who have their birthdays in several parts of the world, and when each of them should hear of it."""

import datetime as dt
from collections.abc import Iterator
from typing import NamedTuple
from zoneinfo import ZoneInfo

DAY = dt.timedelta(days=1)
NINE = dt.time(9)
ZONES = ("Pacific/Auckland", "Europe/Berlin", "America/Los_Angeles")
DAYS = ("12-31", "01-01", "02-28", "02-29", "03-01", "03-14", "03-28", "04-04", "09-26", "10-31", "11-07")
"""The last of a year and the first, those around a leap day, and the Sundays on which clocks change in one zone each."""

HOURS = (7, 8, 16, 17, 20, 21)
"""When it is nine somewhere, by UTC: in summer and in winter, in Berlin, in Los Angeles and in Auckland."""


class Person(NamedTuple):
    name: str
    zone: str
    born: dt.date

    def kept_on(self, year: int) -> dt.date:
        """Return their day of a year; who was born on a leap day has the day before in a common one."""
        try:
            return self.born.replace(year=year)
        except ValueError:
            return dt.date(year, 2, 28)

    def nine_on(self, day: dt.date) -> dt.datetime:
        """Return the instant at which it is nine where they are."""
        return dt.datetime.combine(day, NINE, ZoneInfo(self.zone)).astimezone(dt.UTC)


def everybody() -> list[Person]:
    """Return somebody for each day in each part of the world."""
    return [
        Person(f"{zone.rpartition('/')[2].lower()}-{day}", zone, dt.date.fromisoformat(f"1992-{day}"))
        for zone in ZONES
        for day in DAYS
    ]


def days_around(first: dt.date, last: dt.date) -> Iterator[dt.date]:
    """Yield the days from before those on which somebody has their birthday to after them, and no others."""
    people = everybody()
    day = first
    while day <= last:
        if any(abs(person.kept_on(day.year + years) - day) <= DAY for person in people for years in (-1, 0, 1)):
            yield day
        day += DAY


def instants(first: dt.date, last: dt.date) -> Iterator[dt.datetime]:
    for day in days_around(first, last):
        yield from (dt.datetime.combine(day, dt.time(hour), dt.UTC) for hour in HOURS)


def hear_at(people: list[Person], first: dt.date, last: dt.date) -> list[tuple[str, dt.datetime]]:
    """Return who should hear when: each on their day of each year, at nine by their own clock."""
    years = range(first.year, last.year + 1)
    days = [(person, person.kept_on(year)) for person in people for year in years]
    return sorted((person.name, person.nine_on(day)) for person, day in days if first < day < last)
