"""Occasions are planned: who has one near, found a batch of customers at a time, and noted once for a season.

The unique id of a notification is the judge of what was planned before; the customers of a batch are locked against a change of
their dates while it is decided.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications import tables
from services.notifications.loading import load_segments
from services.notifications.programme import Anniversary, AnyOccasion, Programme
from services.notifications.records import notification_hex
from services.notifications.rules.occasions import (
    Due,
    Kept,
    Last,
    Window,
    anniversary,
    kept_on,
    near_days,
    near_seasons,
)
from services.notifications.segments import Condition, Segment, segment_condition
from shared.columns import Columns
from shared.database import fetch

BATCH = 4_000

HORIZON = dt.timedelta(days=2)
"""So far ahead of its day something is planned: what changes until then changes nothing that was said."""

_ROWS = """
SELECT c.customer_id, c.time_zone, {date} AS date, {entered_on} AS entered_on, last.reference AS season, last.day
  FROM {source}
  LEFT JOIN LATERAL (
    SELECT n.reference, n.day FROM notification n WHERE n.customer_id = c.customer_id AND n.subject = $1
     ORDER BY n.reference DESC LIMIT 1) last ON true
 WHERE c.customer_id > $3 AND c.erased_at IS NULL AND c.merged_into IS NULL AND (last.reference < $2) IS NOT FALSE
"""

# found first, or all customers would be gone through in the order that is asked for
_NEAR = """
WITH near AS MATERIALIZED (
  SELECT o.customer_id, {columns} FROM unnest($5::int[], $6::int[]) AS k(month, day)
    JOIN {table} o ON extract(month FROM o.{date}) = k.month AND extract(day FROM o.{date}) = k.day{more})"""

# on the row that is locked the date has to be the same still
_SAME = "near JOIN customer c ON c.customer_id = near.customer_id AND c.{date} = near.{date}"


def _of_customers(date: str, entered_on: str) -> str:
    near = _NEAR.format(columns=f"o.{date}", table="customer", date=date, more="")
    return near + _ROWS.format(date=f"c.{date}", entered_on=f"c.{entered_on}", source=_SAME.format(date=date))


OF_CAMPAIGN = _ROWS.format(date="NULL::date", entered_on="NULL::date", source="customer c")
OF_BIRTHDAY = _of_customers("birthday", "birthday_entered_on")
OF_JOINING = _of_customers("joined_on", "joined_on")
OF_OWN_DATE = _NEAR.format(
    columns="o.date, o.entered_on", table="own_date", date="date", more=" AND o.name = $7"
) + _ROWS.format(date="near.date", entered_on="near.entered_on", source="near JOIN customer c USING (customer_id)")

OWN = "own:"
NOTHING = "{}"

PLANNED = Columns(tables.notification, "notification_id customer_id due_at until day content")
SAME = {
    "subject": "$7::text",
    "reference": "$8::text",
    "status": "'planned'",
    "purpose": "'offers'",
    # it happens when it is due, or one that was planned long ahead would be too old by then
    "happened_at": "greatest($9::timestamptz, due_at)",
}
INSERT = f"""
WITH added AS (
    {PLANNED.insert(1, **SAME)}
    ON CONFLICT DO NOTHING RETURNING 1)
SELECT count(*) AS rows FROM added"""


COUNT = """
SELECT status, count(*) AS customers FROM notification
 WHERE subject = $1 AND reference = $2 AND day IS NOT NULL GROUP BY status ORDER BY status"""


class Round(NamedTuple):
    """An occasion and who is asked: of a campaign all customers, of an anniversary those who keep it on that day.

    Of either only those of the segment.
    """

    terms: AnyOccasion
    season: int
    day: dt.date | None = None
    segment: Segment | None = None

    @property
    def subject(self) -> str:
        return f"occasion:{self.terms.name}"

    @property
    def reference(self) -> str:
        return str(self.season)


class Planned(NamedTuple):
    """A customer and when an occasion is due for them; `content` is what its template is told."""

    customer_id: str
    due: Due
    content: str


async def rounds(connection: AsyncConnection, programme: Programme, now: dt.datetime) -> list[Round]:
    """Return all that may be near for anybody; a segment that is there no more has nobody."""
    terms = [each for each in programme.occasions if each.enabled]
    saved = await load_segments(connection, (each.segment for each in terms))
    there = [each for each in terms if each.segment is None or each.segment in saved]
    return [found for each in there for found in rounds_of(each, now, HORIZON, saved.get(each.segment))]


def rounds_of(
    terms: AnyOccasion, now: dt.datetime, ahead: dt.timedelta, segment: Segment | None = None
) -> Iterator[Round]:
    """Yield the seasons of a campaign, or the days of an anniversary, from now until so far ahead."""
    if isinstance(terms, Anniversary):
        yield from (Round(terms, day.year, day, segment) for day in near_days(terms, now, ahead))
    else:
        yield from (Round(terms, season, None, segment) for season in near_seasons(terms, now, ahead))


async def candidates(
    connection: AsyncConnection, asked: Round, *, now: dt.datetime, after: str, limit: int, lock: bool = False
) -> Sequence[asyncpg.Record]:
    """Return customers after one, in the order of their ids, who have not had this season of an occasion yet."""
    statement, more = _of(asked)
    arguments = [asked.subject, asked.reference, after, limit, *more]
    condition = Condition("true", [])
    if asked.segment is not None:
        condition = segment_condition(asked.segment, now=now, first=len(arguments) + 1)
    statement = f"{statement} AND {condition.sql} ORDER BY c.customer_id LIMIT $4{' FOR SHARE OF c' * lock}"
    return await fetch(connection, statement, *arguments, *condition.arguments)


def _of(asked: Round) -> tuple[str, tuple[Any, ...]]:
    terms = asked.terms
    if not isinstance(terms, Anniversary) or asked.day is None:
        return OF_CAMPAIGN, ()
    dates = kept_on(terms, asked.day)
    days = [date.month for date in dates], [date.day for date in dates]
    if terms.of == "birthday":
        return OF_BIRTHDAY, days
    return (OF_JOINING, days) if terms.of == "joining" else (OF_OWN_DATE, (*days, terms.of.removeprefix(OWN)))


def decide(asked: Round, rows: Sequence[asyncpg.Record], programme: Programme, now: dt.datetime) -> Iterator[Planned]:
    """Yield those for whom the occasion is due in this season, by their own clock and all they had of it before."""
    if isinstance(asked.terms, Anniversary):
        return _decide_anniversary(asked.terms, asked.season, rows, programme, now)
    return _decide_campaign(Window(asked.terms, asked.season), rows, programme, now)


def _decide_anniversary(
    terms: Anniversary, season: int, rows: Sequence[asyncpg.Record], programme: Programme, now: dt.datetime
) -> Iterator[Planned]:
    for customer_id, time_zone, date, entered_on, last_season, last_day in rows:
        last = None if last_season is None else Last(int(last_season), last_day)
        due = anniversary(terms, Kept(date, entered_on), last, now, programme.zone_of(time_zone))
        if due is not None and due.season == season:
            yield Planned(customer_id, due, f'{{"years": {season - date.year}}}' if terms.of == "joining" else NOTHING)


def _decide_campaign(
    window: Window, rows: Sequence[asyncpg.Record], programme: Programme, now: dt.datetime
) -> Iterator[Planned]:
    zones = {each: programme.zone_of(each) for each in {row[1] for row in rows}}
    there = {name: zone for name, zone in zones.items() if not window.is_over(now, zone)}
    for customer_id, time_zone, *_ in rows:
        zone = there.get(time_zone)
        if zone is not None:
            yield Planned(customer_id, window.due(customer_id, zone), NOTHING)


async def counted(connection: AsyncConnection, terms: AnyOccasion, season: int) -> dict[str, int]:
    """Return how many customers have a season of an occasion, by what became of it."""
    asked = Round(terms, season)
    rows = await fetch(connection, COUNT, asked.subject, asked.reference)
    return {row["status"]: row["customers"] for row in rows}


async def plan(
    connection: AsyncConnection, asked: Round, programme: Programme, *, after: str, now: dt.datetime
) -> tuple[int, str | None]:
    """Plan an occasion for the next batch of customers. Answers for how many, and who was the last; none when all were asked."""
    rows = await candidates(connection, asked, now=now, after=after, limit=BATCH, lock=True)
    found = [_row(asked, each) for each in decide(asked, rows, programme, now)]
    planned = 0
    if found:
        arguments = PLANNED.joined(found)
        planned = (await fetch(connection, INSERT, *arguments, asked.subject, asked.reference, now))[0]["rows"]
    return planned, rows[-1]["customer_id"] if len(rows) == BATCH else None


def _row(asked: Round, planned: Planned) -> tuple[Any, ...]:
    name, due = planned.customer_id, planned.due
    key = notification_hex(name, asked.subject, asked.reference)
    return key, name, due.at, due.until, due.day, planned.content
