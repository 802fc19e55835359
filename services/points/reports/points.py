"""Reports on points: what was issued and went again, what the shop still owes, what was never spent."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.points.reports import measures
from services.points.reports.questions import Question, label, start_of
from services.points.reports.report import COMPLETE, PERIOD, Chart, Column, Findings, Report
from shared.database import fetch

MOVEMENTS = """
SELECT width_bucket(occurred_at, $1::timestamptz[]) AS period, kind, sum(points)::bigint AS points
  FROM entry WHERE occurred_at < $2 GROUP BY period, kind"""

# what is due is so although its job is late: points whose time has come are available, those past their end are gone
OUTSTANDING = """
SELECT ends_on, sum(remaining) FILTER (WHERE NOT waits)::bigint AS available,
    sum(remaining) FILTER (WHERE waits)::bigint AS pending
  FROM (
    SELECT expires_on AS ends_on, remaining, pending AND available_at > $1 AS waits FROM lot
     WHERE remaining > 0 AND NOT lapses AND (expires_at IS NULL OR expires_at > $1)
    UNION ALL
    SELECT a.inactive_on, l.remaining, l.pending AND l.available_at > $1 FROM lot AS l JOIN account AS a USING (customer_id)
     WHERE l.remaining > 0 AND l.lapses AND (a.inactive_on IS NULL OR a.inactive_on >= $2)) AS held
 GROUP BY ends_on ORDER BY ends_on NULLS LAST"""

OWED = "SELECT count(*) AS accounts, coalesce(-sum(available), 0)::bigint AS points FROM account WHERE available < 0"

# a lot that a merge moved goes on as another, which remembers the one it was; what made no lot need not be looked up
FATES = """
SELECT width_bucket(e.occurred_at, $1::timestamptz[]) AS period,
    (sum(l.points) FILTER (WHERE l.origin_customer_id IS NULL))::bigint AS issued, sum(l.expired)::bigint AS expired,
    sum(l.remaining)::bigint AS remaining
  FROM lot AS l JOIN entry AS e ON e.customer_id = coalesce(l.origin_customer_id, l.customer_id)
   AND e.sequence = coalesce(l.origin_sequence, l.sequence)
 WHERE e.points > 0 AND e.kind <> 'activation' AND e.occurred_at >= $1[1] AND e.occurred_at < $2 GROUP BY period"""

KINDS = {
    "issued": "award",
    "activated": "activation",
    "expired": "expiry",
    "clawed_back": "clawback",
    "adjusted": "adjustment",
    "written_off": "write_off",
}
"""The columns of the kinds of entries; other kinds stand together."""

NO_CHANGE = "activation"
"""It moves points from pending to available, and changes no sum."""


async def read_points(connection: AsyncConnection, question: Question) -> Findings:
    """Return what entries of each kind moved, and the sum of all up to the end of each period."""
    moved: dict[int, dict[str, int]] = {}
    for period, kind, points in await fetch(connection, MOVEMENTS, question.bounds(), question.stop):
        moved.setdefault(period, {})[kind] = points
    outstanding, rows = _sum(moved.get(0, {})), []
    for number, span in enumerate(question.spans, 1):
        kinds = moved.get(number, {})
        outstanding += _sum(kinds)
        rows.append((span.label, *_by_column(kinds), outstanding, question.is_complete(span)))
    return Findings(rows)


def _sum(kinds: Mapping[str, int]) -> int:
    return sum(points for kind, points in kinds.items() if kind != NO_CHANGE)


def _by_column(kinds: Mapping[str, int]) -> Sequence[int]:
    others = sum(points for kind, points in kinds.items() if kind not in KINDS.values())
    return [*(kinds.get(kind, 0) for kind in KINDS.values()), others]


async def read_liability(connection: AsyncConnection, question: Question) -> Findings:
    """Return the points that customers hold, by when they end, and what some of them owe."""
    today = question.now.astimezone(question.zone).date()
    found: dict[str, list[int]] = {}
    for ends_on, available, pending in await fetch(connection, OUTSTANDING, question.now, today):
        name = "never" if ends_on is None else label(start_of(ends_on, question.period), question.period)
        sums = found.setdefault(name, [0, 0])
        sums[0] += available or 0
        sums[1] += pending or 0
    (owed,) = await fetch(connection, OWED)
    available, pending = (sum(sums[place] for sums in found.values()) for place in (0, 1))
    cost = None if question.cost_per_point is None else (available + pending) * question.cost_per_point
    rows = [(name, *sums, sum(sums)) for name, sums in found.items()]
    return Findings(rows, (available, pending, owed["points"], owed["accounts"], cost))


async def read_breakage(connection: AsyncConnection, question: Question) -> Findings:
    """Return what became of the points that were credited in each period."""
    found: dict[int, Any] = {
        row["period"]: row for row in await fetch(connection, FATES, question.bounds(), question.stop)
    }
    rows = []
    for number, span in enumerate(question.spans, 1):
        issued, expired, remaining = found[number][1:] if number in found else (0, 0, 0)
        shares = (measures.percent(points, issued) for points in (issued - expired - remaining, expired, remaining))
        rows.append((span.label, issued, issued - expired - remaining, expired, remaining, *shares))
    return Findings(rows)


POINTS = Report(
    "points",
    "Points issued and gone",
    "How many points were issued, activated, expired and taken back in each period, and how many are outstanding after it.",
    "Sums of the ledger's entries by when they occurred; of all shops and currencies. An activation only moves points from"
    " pending to available.",
    (
        PERIOD,
        Column("issued", "points", "awarded for purchases"),
        Column("activated", "points", "became available"),
        Column("expired", "points", "came to their end unspent; below zero"),
        Column("clawed_back", "points", "taken back with refunds; below zero"),
        Column("adjusted", "points", "given, less taken, by hand"),
        Column("written_off", "points", "debts that were let go"),
        Column("other", "points", "all other entries"),
        Column(
            "outstanding",
            "points",
            "the sum of all entries up to the end of the period: available, pending, less debts",
        ),
        COMPLETE,
    ),
    Chart("lines", "period", ("issued", "outstanding")),
    read_points,
    takes=frozenset(),
)

LIABILITY = Report(
    "liability",
    "Points outstanding",
    "How many points customers hold now, by when they end: what the shop owes them.",
    "What lots hold now, whatever the range: points past their end are gone, and those whose time has come are available,"
    " though their job is late. Debts, of customers who had spent what was clawed back, are not set off. Liability ="
    " (available + pending) * cost of a point.",
    (
        Column("ends", "text", "the period in which they end, or never"),
        Column("available", "points", "could be spent"),
        Column("pending", "points", "wait for their time"),
        Column("points", "points", "available + pending"),
    ),
    Chart("bars", "ends", ("available", "pending")),
    read_liability,
    takes=frozenset({"cost_per_point"}),
    summary=(
        Column("available", "points", "could be spent"),
        Column("pending", "points", "wait for their time"),
        Column("owed", "points", "by customers"),
        Column("owing", "count", "customers who owe points"),
        Column("liability", "money", "(available + pending) * cost of a point, where that is said"),
    ),
    is_of_now=True,
)

BREAKAGE = Report(
    "breakage",
    "What became of points",
    "What share of the points credited in a period was used, has expired, or is still held.",
    "Every credit that made a lot, by when it occurred, with what became of it up to now. Used points were spent, clawed back"
    " or went into a debt. Breakage is the expired share; it is final where nothing is held any more.",
    (
        PERIOD,
        Column("issued", "points", "credited in the period"),
        Column("used", "points", "of them: spent, clawed back, or went into a debt"),
        Column("expired", "points", "of them: came to their end unspent"),
        Column("held", "points", "of them: still there"),
        Column("used_share", "percent", "used / issued * 100"),
        Column("breakage", "percent", "expired / issued * 100"),
        Column("held_share", "percent", "held / issued * 100"),
    ),
    Chart("bars", "period", ("used_share", "breakage", "held_share")),
    read_breakage,
    takes=frozenset(),
)
