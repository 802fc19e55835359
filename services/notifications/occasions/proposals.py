"""Who would get an occasion on which day and whether they could be told: decided as the job decides it, and nothing written."""

import datetime as dt
from collections.abc import AsyncIterator, Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications import planning
from services.notifications.planning import HORIZON, Planned, Round, rounds_of
from services.notifications.programme import Anniversary, AnyOccasion, Programme
from services.notifications.rules.consent import Consent, Standing
from services.notifications.rules.permission import Message, Reach, Verdict, judge
from shared.database import fetch

BATCH = 1_000
"""So many at a time, so that others are answered in between."""

DAY = dt.timedelta(days=1)
MAIL = "email"

LOAD_REACH = """
SELECT c.customer_id, c.time_zone, c.email, c.turnover, c.purchases, o.state, a.bounced_at, a.complained_at
  FROM customer c
  LEFT JOIN consent o ON o.customer_id = c.customer_id AND o.channel = $2 AND o.purpose = 'offers'
  LEFT JOIN address a ON a.channel = $2 AND a.address = c.email
 WHERE c.customer_id = ANY($1::text[])"""


class Span(NamedTuple):
    """Local days from the first to the last."""

    first: dt.date
    last: dt.date


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
    terms: AnyOccasion,
    span: Span,
    programme: Programme,
    *,
    now: dt.datetime,
    after: Place | None = None,
) -> AsyncIterator[list[Proposal]]:
    """Yield batches of proposals, the days of an anniversary and the seasons of a campaign in their order."""
    for asked in _rounds(terms, span, now):
        if after is not None and _is_before(asked, after):
            continue
        passed: str | None = after.customer_id if after is not None and _is_at(asked, after) else ""
        while passed is not None:
            rows = await planning.candidates(connection, asked, after=passed, limit=BATCH)
            passed = rows[-1]["customer_id"] if len(rows) == BATCH else None
            found = [*planning.decide(asked, rows, programme, _asked_at(asked, now))]
            yield [*await _judged(connection, asked, found, span, programme, now)]


def _rounds(terms: AnyOccasion, span: Span, now: dt.datetime) -> Iterator[Round]:
    start = max(now, _midnight(span.first))
    return rounds_of(terms, start, max(_midnight(span.last) + DAY - start, dt.timedelta()))


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


async def _judged(
    connection: AsyncConnection,
    asked: Round,
    found: Sequence[Planned],
    span: Span,
    programme: Programme,
    now: dt.datetime,
) -> Iterator[Proposal]:
    names = [each.customer_id for each in found]
    known = {row["customer_id"]: row for row in await fetch(connection, LOAD_REACH, names, MAIL)} if found else {}
    made = (_proposal(asked, each, known[each.customer_id], programme, now) for each in found)
    return (each for each in made if span.first <= each.day <= span.last)


def _proposal(asked: Round, planned: Planned, row: Any, programme: Programme, now: dt.datetime) -> Proposal:
    due, zone = planned.due, programme.zone_of(row["time_zone"])
    at = max(now, due.at)
    standing = None
    if row["email"] is not None:
        standing = Standing(bounced_at=row["bounced_at"], complained_at=row["complained_at"])
    consent = None if row["state"] is None else Consent(row["state"])
    verdict = judge(Message("offers", at, due.until), Reach(zone, standing, consent), at, programme)
    day = at.astimezone(zone).date()
    return Proposal(
        planned.customer_id, asked.season, due.day, day, at, _reason(verdict), row["turnover"], row["purchases"]
    )


def _reason(verdict: Verdict) -> str | None:
    return verdict.reason if verdict.outcome == "suppressed" else None
