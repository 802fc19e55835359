"""Reports on points: what was issued and went again, what the shop still owes, what was never spent."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.points.records import MOVES
from shared.database import fetch
from shared.reports.narrowing import cost
from shared.reports.questions import Question, label, start_of
from shared.reports.report import COMPLETE, PERIOD, Chart, Column, Findings, Report
from shared.reports.shares import percent

MOVEMENTS = """
SELECT width_bucket(occurred_at, $1::timestamptz[]) AS period, kind, sum(points)::bigint AS points
  FROM entry WHERE occurred_at < $2 GROUP BY period, kind"""

# what is due is so although its job is late: points whose time has come are available, those past their end are gone, and
# a hold that has timed out holds nothing; one that has not keeps its points beyond their end
OUTSTANDING = """
SELECT ends_on, lapses, coalesce(sum(points) FILTER (WHERE side = 'available'), 0)::bigint AS available,
    coalesce(sum(points) FILTER (WHERE side = 'pending'), 0)::bigint AS pending,
    coalesce(sum(points) FILTER (WHERE side = 'held'), 0)::bigint AS held
  FROM (
    SELECT expires_on AS ends_on, false AS lapses, remaining AS points,
        CASE WHEN pending AND available_at > $1 THEN 'pending' ELSE 'available' END AS side
      FROM lot WHERE remaining > 0 AND NOT lapses AND (expires_at IS NULL OR expires_at > $1)
    UNION ALL
    SELECT a.inactive_on, true, l.remaining, CASE WHEN l.pending AND l.available_at > $1 THEN 'pending' ELSE 'available' END
      FROM lot AS l JOIN account AS a USING (customer_id)
     WHERE l.remaining > 0 AND l.lapses AND (a.inactive_on IS NULL OR a.inactive_on >= $2)
    UNION ALL
    SELECT CASE WHEN l.lapses THEN a.inactive_on ELSE l.expires_on END, l.lapses, h.held,
        CASE WHEN r.hold_until > $1 THEN 'held' ELSE 'available' END
      FROM redemption AS r JOIN redemption_lot AS h USING (customer_id, redemption_id)
      JOIN lot AS l ON l.customer_id = h.customer_id AND l.sequence = h.lot_sequence
      JOIN account AS a ON a.customer_id = h.customer_id
     WHERE r.held > 0 AND h.held > 0 AND (r.hold_until > $1 OR CASE WHEN l.lapses
         THEN coalesce(a.inactive_on >= $2, true) ELSE coalesce(l.expires_at > $1, true) END)) AS open
 GROUP BY ends_on, lapses ORDER BY ends_on NULLS LAST, lapses"""

OWED = "SELECT count(*) AS accounts, coalesce(-sum(available), 0)::bigint AS points FROM account WHERE available < 0"

# A lot that a merge moved goes on as another, which remembers the one it was. Points given to others and points given back
# are issued once: the month in which they go on shows them as less used. What made no lot need not be looked up.
FATES = """
SELECT width_bucket(e.occurred_at, $1::timestamptz[]) AS period,
    coalesce(sum(l.points) FILTER (WHERE l.origin_customer_id IS NULL AND e.kind NOT IN ('restoration', 'transfer_in')), 0)::bigint AS issued,
    sum(l.expired)::bigint AS expired, sum(l.remaining + coalesce(h.held, 0))::bigint AS held
  FROM lot AS l JOIN entry AS e ON e.customer_id = coalesce(l.origin_customer_id, l.customer_id)
   AND e.sequence = coalesce(l.origin_sequence, l.sequence)
  LEFT JOIN (
    SELECT customer_id, lot_sequence AS sequence, sum(held) AS held FROM redemption_lot WHERE held > 0 GROUP BY 1, 2) AS h
    ON h.customer_id = l.customer_id AND h.sequence = l.sequence
 WHERE e.points > 0 AND e.kind NOT IN ('activation', 'release') AND e.occurred_at >= $1[1] AND e.occurred_at < $2 GROUP BY period"""

KINDS = {
    "issued": "award",
    "activated": "activation",
    "held": "hold",
    "released": "release",
    "redeemed": "redemption",
    "restored": "restoration",
    "expired": "expiry",
    "clawed_back": "clawback",
    "adjusted": "adjustment",
    "written_off": "write_off",
    "granted": "grant",
    "revoked": "revocation",
}
"""The columns of the kinds of entries; other kinds stand together."""


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
    return sum(points for kind, points in kinds.items() if kind not in MOVES)


def _by_column(kinds: Mapping[str, int]) -> Sequence[int]:
    others = sum(points for kind, points in kinds.items() if kind not in KINDS.values())
    return [*(kinds.get(kind, 0) for kind in KINDS.values()), others]


async def read_liability(connection: AsyncConnection, question: Question) -> Findings:
    """Return the points that customers hold, by when they end, and what some of them owe."""
    found: dict[str, list[int]] = {}
    for ends_on, _, *sides in await _outstanding(connection, question):
        name = "never" if ends_on is None else label(start_of(ends_on, question.period), question.period)
        found[name] = _added(found.get(name, NOTHING), sides)
    (owed,) = await fetch(connection, OWED)
    whole = _whole(found.values())
    rows = [(name, *sides, sum(sides)) for name, sides in found.items()]
    return Findings(rows, (*whole, owed["points"], owed["accounts"], cost(sum(whole), question)))


async def read_liability_by_expiry(connection: AsyncConnection, question: Question) -> Findings:
    """Return the points that customers hold, by the month and by what will end them, and what they cost."""
    found: dict[tuple[str, str], list[int]] = {}
    for ends_on, lapses, *sides in await _outstanding(connection, question):
        month = "never" if ends_on is None else label(ends_on, "month")
        ended_by = "inactivity" if lapses else "nothing" if ends_on is None else "expiry"
        found[month, ended_by] = _added(found.get((month, ended_by), NOTHING), sides)
    rows = [(*name, *sides, sum(sides), cost(sum(sides), question)) for name, sides in found.items()]
    whole = _whole(found.values())
    return Findings(rows, (*whole, sum(whole), cost(sum(whole), question)))


async def _outstanding(connection: AsyncConnection, question: Question) -> Sequence[Any]:
    today = question.now.astimezone(question.zone).date()
    return await fetch(connection, OUTSTANDING, question.now, today)


NOTHING = [0, 0, 0]
"""Available, pending and held."""


def _added(sums: Sequence[int], sides: Sequence[int]) -> list[int]:
    return [so_far + more for so_far, more in zip(sums, sides, strict=True)]


def _whole(found: Iterable[Sequence[int]]) -> list[int]:
    return [sum(side) for side in zip(NOTHING, *found, strict=True)]


async def read_breakage(connection: AsyncConnection, question: Question) -> Findings:
    """Return what became of the points that were credited in each period."""
    found: dict[int, Any] = {
        row["period"]: row for row in await fetch(connection, FATES, question.bounds(), question.stop)
    }
    rows = []
    for number, span in enumerate(question.spans, 1):
        issued, expired, held = found[number][1:] if number in found else (0, 0, 0)
        fates = issued - expired - held, expired, held
        rows.append((span.label, issued, *fates, *(percent(points, issued) for points in fates)))
    return Findings(rows)


POINTS = Report(
    "points",
    "Points issued and gone",
    "How many points were issued, activated, expired and taken back in each period, and how many are outstanding after it.",
    "Sums of the ledger's entries by when they occurred; of all shops and currencies. Activations, holds and releases only"
    " move points from side to side: what a hold took and a release did not bring back was redeemed, or is held still.",
    (
        PERIOD,
        Column("issued", "points", "awarded for purchases"),
        Column("activated", "points", "became available"),
        Column("held", "points", "went into holds; below zero"),
        Column("released", "points", "came back from holds that were let go or timed out"),
        Column("redeemed", "points", "spent, at once or out of holds; below zero"),
        Column("restored", "points", "spent ones that were given back"),
        Column("expired", "points", "came to their end unspent; below zero"),
        Column("clawed_back", "points", "taken back with refunds; below zero"),
        Column("adjusted", "points", "given, less taken, by hand"),
        Column("written_off", "points", "debts that were let go"),
        Column("granted", "points", "owed by other services: for referrals, birthdays"),
        Column("revoked", "points", "granted ones that were taken back; below zero"),
        Column("other", "points", "all other entries: merges, whose pairs add up to 0"),
        Column(
            "outstanding",
            "points",
            "the sum of all entries up to the end of the period: available, pending and held, less debts",
        ),
        COMPLETE,
    ),
    Chart("lines", "period", ("issued", "outstanding")),
    read_points,
    takes=frozenset(),
)

SIDES = (
    Column("available", "points", "could be spent"),
    Column("pending", "points", "wait for their time"),
    Column("held", "points", "are held for redemptions"),
    Column("points", "points", "available + pending + held"),
)
COST = Column("cost", "money", "points * cost of a point, where that is said")

LIABILITY = Report(
    "liability",
    "Points outstanding",
    "How many points customers hold now, by when they end: what the shop owes them.",
    "What lots hold now, whatever the range: points past their end are gone, and those whose time has come are available,"
    " though their job is late. Held points count until they are spent, also past their end, and with their hold's time-out as"
    " available. Debts, of customers who had spent what was clawed back, are not set off. Liability = (available + pending"
    " + held) * cost of a point.",
    (
        Column("ends", "text", "the period in which they end, or never"),
        *SIDES,
    ),
    Chart("bars", "ends", ("available", "pending", "held")),
    read_liability,
    takes=frozenset({"cost_per_point"}),
    summary=(
        *SIDES[:3],
        Column("owed", "points", "by customers"),
        Column("owing", "count", "customers who owe points"),
        Column("liability", "money", "(available + pending + held) * cost of a point, where that is said"),
    ),
    is_of_now=True,
)

LIABILITY_BY_EXPIRY = Report(
    "liability-by-expiry",
    "Points outstanding by month of expiry",
    "How many points customers hold now by the month in which they end and by what ends them, with what they cost.",
    "The same points as in the report liability. Points that end by inactivity stand in the month in which they would end if"
    " their customers did nothing more; held points in that in which their lot ends, which may be over. Cost = points * cost of"
    " a point.",
    (
        Column("ends", "text", "the local month in which they end, or never"),
        Column("ended_by", "text", "expiry, inactivity or nothing"),
        *SIDES,
        COST,
    ),
    Chart("bars", "ends", ("available", "pending", "held")),
    read_liability_by_expiry,
    takes=frozenset({"cost_per_point"}),
    summary=(*SIDES, COST),
    is_of_now=True,
)

BREAKAGE = Report(
    "breakage",
    "What became of points",
    "What share of the points credited in a period was used, has expired, or is still held.",
    "Every credit that made a lot, by when it occurred, with what became of it up to now. Used points were spent, clawed back"
    " or went into a debt, less what was given back. Points given back after their end are not credited twice: they lower what"
    " is used in the period in which they came back, and are held or expired in it. Breakage is the expired share; it is final"
    " where nothing is held any more.",
    (
        PERIOD,
        Column("issued", "points", "credited in the period"),
        Column("used", "points", "of them: spent and not given back, clawed back, or went into a debt"),
        Column("expired", "points", "of them: came to their end unspent"),
        Column("held", "points", "of them: still there, also for open holds"),
        Column("used_share", "percent", "used / issued * 100"),
        Column("breakage", "percent", "expired / issued * 100"),
        Column("held_share", "percent", "held / issued * 100"),
    ),
    Chart("bars", "period", ("used_share", "breakage", "held_share")),
    read_breakage,
    takes=frozenset(),
)
