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
 ORDER BY c.customer_id LIMIT $4"""

_KEPT = """unnest($5::int[], $6::int[]) AS k(month, day)
  JOIN {table} {alias} ON extract(month FROM {alias}.{date}) = k.month AND extract(day FROM {alias}.{date}) = k.day"""

OF_CAMPAIGN = _ROWS.format(date="NULL::date", entered_on="NULL::date", source="customer c")
OF_BIRTHDAY = _ROWS.format(
    date="c.birthday",
    entered_on="c.birthday_entered_on",
    source=_KEPT.format(table="customer", alias="c", date="birthday"),
)
OF_JOINING = _ROWS.format(
    date="c.joined_on",
    entered_on="c.joined_on",
    source=_KEPT.format(table="customer", alias="c", date="joined_on"),
)
OF_OWN_DATE = _ROWS.format(
    date="o.date",
    entered_on="o.entered_on",
    source=f"""{_KEPT.format(table="own_date", alias="o", date="date")} AND o.name = $7
  JOIN customer c ON c.customer_id = o.customer_id""",
)

OWN = "own:"
NOTHING = "{}"

PLANNED = Columns(tables.notification, "notification_id customer_id happened_at due_at until day content")
INSERT = f"""
WITH added AS (
    {PLANNED.insert(subject="$8::text", reference="$9::text", status="'planned'", purpose="'offers'")}
    ON CONFLICT DO NOTHING RETURNING 1)
SELECT count(*) AS rows FROM added"""


COUNT = """
SELECT status, count(*) AS customers FROM notification
 WHERE subject = $1 AND reference = $2 AND day IS NOT NULL GROUP BY status ORDER BY status"""


class Round(NamedTuple):
    """An occasion and who is asked: of a campaign all customers, of an anniversary those who keep it on that day."""

    terms: AnyOccasion
    season: int
    day: dt.date | None = None

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


def rounds(programme: Programme, now: dt.datetime) -> Iterator[Round]:
    """Yield all that may be near for anybody."""
    for terms in programme.occasions:
        if terms.enabled:
            yield from rounds_of(terms, now, HORIZON)


def rounds_of(terms: AnyOccasion, now: dt.datetime, ahead: dt.timedelta) -> Iterator[Round]:
    """Yield the seasons of a campaign, or the days of an anniversary, from now until so far ahead."""
    if isinstance(terms, Anniversary):
        yield from (Round(terms, day.year, day) for day in near_days(terms, now, ahead))
    else:
        yield from (Round(terms, season) for season in near_seasons(terms, now, ahead))


async def candidates(
    connection: AsyncConnection, asked: Round, *, after: str, limit: int, lock: bool = False
) -> Sequence[asyncpg.Record]:
    """Return customers after one, in the order of their ids, who have not had this season of an occasion yet."""
    statement, more = _of(asked)
    statement += " FOR SHARE OF c" if lock else ""
    return await fetch(connection, statement, asked.subject, asked.reference, after, limit, *more)


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
    rows = await candidates(connection, asked, after=after, limit=BATCH, lock=True)
    found = [_row(asked, each, now) for each in decide(asked, rows, programme, now)]
    planned = 0
    if found:
        arguments = PLANNED.joined(found)
        planned = (await fetch(connection, INSERT, *arguments, asked.subject, asked.reference))[0]["rows"]
    return planned, rows[-1]["customer_id"] if len(rows) == BATCH else None


def _row(asked: Round, planned: Planned, now: dt.datetime) -> tuple[Any, ...]:
    name, due = planned.customer_id, planned.due
    # it happens when it is due, or one that was planned long ahead would be too old by then
    happens_at = max(now, due.at)
    key = notification_hex(name, asked.subject, asked.reference)
    return key, name, happens_at, due.at, due.until, due.day, planned.content
