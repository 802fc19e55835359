"""Tiers: which one a count earns, how long it lasts, what a review makes of it (rule 22)."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from math import ceil

from services.points.programme import Tiers
from services.points.rules.dates import DAY, add_months

ALWAYS = dt.date.min


@dataclass(frozen=True, slots=True)
class Counts:
    """What a customer has earned in the window that a day is in, and in the one before; points, or money spent."""

    now: Decimal
    before: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Standing:
    """A customer's tier, and what is missing to the next; no next above the highest."""

    name: str
    since: dt.date
    next: str | None = None
    missing: int | None = None


def window(tiers: Tiers, today: dt.date) -> tuple[dt.date, dt.date]:
    """Return the first days of the window that `today` is in and of the one before it."""
    match tiers.window:
        case "calendar_year":
            return today.replace(month=1, day=1), dt.date(today.year - 1, 1, 1)
        case "rolling_year":
            return add_months(today, -12) + DAY, add_months(today, -24) + DAY
        case "lifetime":
            return ALWAYS, ALWAYS


def earned(tiers: Tiers, count: Decimal) -> int:
    """Return the place of the highest tier whose threshold the count has reached."""
    return max((place for place, tier in enumerate(tiers.levels) if count >= tier.threshold), default=0)


def standing(tiers: Tiers, place: int, since: dt.date, count: Decimal) -> Standing:
    """Return the tier and what is missing to the next, in whole points or rounded up to whole units of money."""
    name = tiers.levels[place].name
    if place + 1 >= len(tiers.levels):
        return Standing(name, since)
    following = tiers.levels[place + 1]
    return Standing(name, since, following.name, max(0, ceil(following.threshold - count)))


def review_on(tiers: Tiers, since: dt.date) -> dt.date | None:
    """Return the day at whose beginning a tier of `since` is reviewed; a count of a lifetime is never."""
    match tiers.window:
        case "calendar_year":
            return add_months(dt.date(since.year + 1, 1, 1), tiers.grace_months)
        case "rolling_year":
            return add_months(since, 12 + tiers.grace_months)
        case "lifetime":
            return None


def next_review_on(tiers: Tiers, reviewed_on: dt.date) -> dt.date | None:
    """Return when a tier that was reviewed is reviewed again."""
    return None if tiers.window == "lifetime" else add_months(reviewed_on, 12)


def counted(tiers: Tiers, days: Iterable[tuple[dt.date, Decimal]], day: dt.date) -> Counts:
    """Return what was earned, day by day, in the window that `day` is in and in the one before it."""
    since, before = window(tiers, day)
    now, earlier = Decimal(0), Decimal(0)
    for on, amount in days:
        if since <= on <= day:
            now += amount
        elif before <= on < since:
            earlier += amount
    return Counts(now, earlier)


def worth(tiers: Tiers, counts: Counts) -> int:
    """Return the tier that was earned in the window that a review closes, or since."""
    return max(earned(tiers, counts.now), earned(tiers, counts.before) if tiers.window == "calendar_year" else 0)


def reviewed(tiers: Tiers, place: int, counts: Counts) -> int:
    """Return the tier after a review: what was earned, not lower than the policy allows."""
    deserved = worth(tiers, counts)
    if deserved >= place:
        return deserved
    match tiers.downgrade:
        case "none":
            return place
        case "one_level":
            return place - 1
        case "to_earned":
            return deserved


def to_keep(tiers: Tiers, place: int, counts: Counts) -> int:
    """Return what is missing to keep the tier at its review; 0 where it is kept already."""
    best = max(counts.now, counts.before) if tiers.window == "calendar_year" else counts.now
    return max(0, ceil(tiers.levels[place].threshold - best))
