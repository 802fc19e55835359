"""Who would get an occasion on which day and whether they could be told: decided as the job decides it, and nothing written."""

import datetime as dt
from collections.abc import AsyncIterator, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications import planning
from services.notifications.occasions.reaching import Reachable, channels_of, reachable
from services.notifications.planning import HORIZON, Planned, Round, rounds_of
from services.notifications.programme import Anniversary, AnyOccasion, Programme
from services.notifications.segments import Segment

BATCH = 1_000
"""So many at a time, so that others are answered in between."""

DAY = dt.timedelta(days=1)


class Span(NamedTuple):
    """Local days from the first to the last."""

    first: dt.date
    last: dt.date


class Search(NamedTuple):
    """An occasion, for the customers of a segment or for all, on some days."""

    terms: AnyOccasion
    segment: Segment | None
    span: Span


class Proposal(NamedTuple):
    """What a customer would get: said on `day`, unless `reason` keeps it from being said."""

    customer_id: str
    season: int
    about: dt.date
    day: dt.date
    at: dt.datetime
    reason: str | None
    turnover: Decimal
    purchases: int


class Place(NamedTuple):
    """Where a list of proposals goes on: after a customer, in the season and on the day that they were found for."""

    season: int
    about: dt.date
    customer_id: str


async def proposals(
    connection: AsyncConnection,
    search: Search,
    programme: Programme,
    *,
    now: dt.datetime,
    after: Place | None = None,
) -> AsyncIterator[list[Proposal]]:
    """Yield batches of proposals, the days of an anniversary and the seasons of a campaign in their order."""
    channels = await channels_of(connection, programme)
    for asked in _rounds(search, now):
        if after is not None and _is_before(asked, after):
            continue
        passed: str | None = after.customer_id if after is not None and _is_at(asked, after) else ""
        while passed is not None:
            rows = await planning.candidates(connection, asked, now=now, after=passed, limit=BATCH)
            passed = rows[-1]["customer_id"] if len(rows) == BATCH else None
            found = [*planning.decide(asked, rows, programme, _asked_at(asked, now))]
            known = await reachable(connection, [each.customer_id for each in found], channels)
            yield [*_proposals(asked, found, known, search.span, programme, now)]


def _rounds(search: Search, now: dt.datetime) -> Iterator[Round]:
    start = max(now, _midnight(search.span.first))
    ahead = max(_midnight(search.span.last) + DAY - start, dt.timedelta())
    return rounds_of(search.terms, start, ahead, search.segment)


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)


def _is_before(asked: Round, place: Place) -> bool:
    return asked.season < place.season if asked.day is None else asked.day < place.about


def _is_at(asked: Round, place: Place) -> bool:
    return asked.season == place.season if asked.day is None else asked.day == place.about


def _asked_at(asked: Round, now: dt.datetime) -> dt.datetime:
    """Return when the job will ask the same: an anniversary of next year is not yet the next one."""
    if asked.day is None or not isinstance(asked.terms, Anniversary):
        return now
    return max(now, _midnight(asked.day) - asked.terms.days_ahead * DAY - HORIZON)


def _proposals(
    asked: Round, found: Sequence[Planned], known: Reachable, span: Span, programme: Programme, now: dt.datetime
) -> Iterator[Proposal]:
    """Yield what is said on one of the days; what is overdue is said today."""
    for name, due, _ in found:
        at, customer = max(now, due.at), known.customers[name]
        day = at.astimezone(programme.zone_of(customer.time_zone)).date()
        if span.first <= day <= span.last:
            reason = known.why_not(name, at, due.until, programme)
            yield Proposal(name, asked.season, due.day, day, at, reason, customer.turnover, customer.purchases)
