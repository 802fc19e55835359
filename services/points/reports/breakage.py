"""The breakage to come, from the lots' own history, with the error that the same method made on the last months."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.points.reports import runoff
from services.points.reports.runoff import Age, Cohort
from shared.database import fetch
from shared.reports.narrowing import cost
from shared.reports.questions import Question, distance, label, midnight, shifted, start_of
from shared.reports.report import Chart, Column, Findings, Report
from shared.reports.shares import percent

BEGINNING = "SELECT min(occurred_at) AS at FROM entry WHERE kind IN ('award', 'adjustment', 'grant') AND points > 0"

ISSUED = """
SELECT width_bucket(occurred_at, $1::timestamptz[]) AS cohort, sum(points)::bigint AS points
  FROM entry WHERE kind IN ('award', 'adjustment', 'grant') AND points > 0 AND occurred_at < $2 GROUP BY cohort"""

# Points are followed through merges, from the lot that they were to the one that they became; all other lots are where their
# entry is. Points given back after their end have a lot of their own, which is no issue: they count as used, as those
# do that were given to others. What repays an older debt goes at once.
GONE = """
WITH moved AS MATERIALIZED (
  SELECT l.customer_id, l.sequence, l.origin_customer_id, l.origin_sequence, e.kind
    FROM lot AS l JOIN entry AS e USING (customer_id, sequence) WHERE l.origin_customer_id IS NOT NULL)
SELECT cohort, greatest(month - cohort, 0) AS age, fate, sum(points)::bigint AS points FROM (
  SELECT width_bucket(i.occurred_at, $1::timestamptz[]) AS cohort, width_bucket(d.occurred_at, $1::timestamptz[]) AS month,
      CASE d.kind WHEN 'expiry' THEN 'expired' WHEN 'clawback' THEN 'clawed_back' WHEN 'revocation' THEN 'clawed_back' ELSE 'used' END AS fate, a.points
    FROM allocation AS a LEFT JOIN moved AS m ON m.customer_id = a.customer_id AND m.sequence = a.lot_sequence
    JOIN entry AS i ON i.customer_id = coalesce(m.origin_customer_id, a.customer_id)
     AND i.sequence = coalesce(m.origin_sequence, a.lot_sequence)
    JOIN entry AS d ON d.customer_id = a.customer_id AND d.sequence = a.debit_sequence
   WHERE i.kind IN ('award', 'adjustment', 'grant') AND i.points > 0 AND i.occurred_at < $2 AND d.occurred_at < $2
     AND (m.kind IS NULL OR m.kind = 'transfer_in') AND NOT (d.kind = 'transfer_out' AND d.reference LIKE 'to %')) AS gone
 GROUP BY cohort, age, fate"""

# the planner takes what coalesce gives for rare, and would look up each of millions of entries
HASHED = "SELECT set_config('enable_nestloop', 'off', true)"

NOT_ENOUGH = "not enough history"


async def read_breakage_estimate(connection: AsyncConnection, question: Question) -> Findings:
    """Return what will expire of the points of each month, and how far the same method was off on the last months."""
    (begun,) = await fetch(connection, BEGINNING)
    this_month = start_of(question.now.astimezone(question.zone).date(), "month")
    months = _months(begun["at"], this_month, question)
    cohorts = await _cohorts(connection, months, midnight(this_month, question.zone), question) if months else []
    known = runoff.shares(cohorts)
    rows = [_row(*each, known) for each in zip(months, cohorts, strict=True) if each[1].issued]
    return Findings(rows, (*_whole(cohorts, known, question), *_error(runoff.trial(cohorts), months)))


def _months(begun: dt.datetime | None, this_month: dt.date, question: Question) -> list[dt.date]:
    """Return the first days of all whole months since the first points were issued."""
    if begun is None:
        return []
    first = start_of(begun.astimezone(question.zone).date(), "month")
    return [shifted(first, "month", number) for number in range(distance(first, this_month, "month"))]


async def _cohorts(
    connection: AsyncConnection, months: Sequence[dt.date], stop: dt.datetime, question: Question
) -> list[Cohort]:
    bounds = [midnight(month, question.zone) for month in months]
    issued = dict[int, int](await fetch(connection, ISSUED, bounds, stop))
    ages: list[list[dict[str, int]]] = [[{} for _ in months[place:]] for place in range(len(months))]
    await fetch(connection, HASHED)
    for cohort, age, fate, points in await fetch(connection, GONE, bounds, stop):
        ages[cohort - 1][age][fate] = points
    return [Cohort(issued.get(number, 0), [Age(**age) for age in lived]) for number, lived in enumerate(ages, 1)]


def _row(month: dt.date, cohort: Cohort, known: Sequence[runoff.Share | None]) -> Sequence[Any]:
    fates = cohort.used, cohort.clawed_back, cohort.expired, cohort.open
    to_come = runoff.to_come(cohort, known)
    basis = "final" if not cohort.open else NOT_ENOUGH if to_come is None else "estimate"
    ultimate = None if to_come is None else percent(cohort.expired + to_come, cohort.issued)
    return label(month, "month"), cohort.issued, *fates, to_come, ultimate, basis


def _whole(cohorts: Sequence[Cohort], known: Sequence[runoff.Share | None], question: Question) -> Sequence[Any]:
    """Return what is open, what of it will expire, and what the rest costs."""
    open_, found = sum(cohort.open for cohort in cohorts), runoff.whole(cohorts, known)
    undecided = round(found.undecided)
    if not open_ or not runoff.is_decided(found, of=open_):
        return NOT_ENOUGH, open_, undecided, None, None, None
    expected = round(found.expires)
    return "estimate", open_, undecided, expected, percent(expected, open_), cost(open_ - expected, question)


def _error(trial: runoff.Trial | None, months: Sequence[dt.date]) -> Sequence[Any]:
    if trial is None:
        return NOT_ENOUGH, None, None, None, None
    held_out = f"{label(months[-runoff.HELD_OUT_MONTHS], 'month')} to {label(months[-1], 'month')}"
    return held_out, trial.predicted, trial.actual, trial.error, percent(trial.error, trial.actual)


BREAKAGE_ESTIMATE = Report(
    "breakage-estimate",
    "Breakage to come",
    "How many of the points that customers hold will expire unspent, by the months in which they were issued.",
    "A chain ladder on the lots' own history: the points issued in a month are a cohort, followed by the month since their issue"
    " (their age). Of what was open when an age began, the shares that were used, clawed back and expired in it are taken over"
    f" all cohorts that lived through it, at least {runoff.FEWEST_COHORTS}; what is open now goes through the ages to come with these"
    " shares. Whole months up to the last, whatever the range, as they are booked; held points are open; points given back go back"
    " to their cohort, those given back after their end count as used. Where more than 5 % (of a cohort's issue, or of all that is"
    " open) would come to ages that too few cohorts have lived through, there is no number. Held out: the same, fitted on all but the last"
    f" {runoff.HELD_OUT_MONTHS} months, against what expired in them.",
    (
        Column("cohort", "text", "the local month in which the points were issued"),
        Column("issued", "points", "by purchases and by hand"),
        Column("used", "points", "of them: spent and not given back, or went into a debt or by hand"),
        Column("clawed_back", "points", "of them: taken back with refunds"),
        Column("expired", "points", "of them: came to their end unspent"),
        Column("open", "points", "of them: still there, also for open holds"),
        Column("to_expire", "points", "of the open ones, as is expected"),
        Column("ultimate_breakage", "percent", "(expired + to expire) / issued * 100"),
        Column("basis", "text", f"final where nothing is open; estimate; or {NOT_ENOUGH}"),
    ),
    Chart("bars", "cohort", ("expired", "to_expire")),
    read_breakage_estimate,
    takes=frozenset({"cost_per_point"}),
    summary=(
        Column("basis", "text", f"estimate, or {NOT_ENOUGH}"),
        Column("open", "points", "still there at the end of the last whole month"),
        Column("undecided", "points", "of them: come to ages that are not known, and are not expected to expire"),
        Column("to_expire", "points", "of them, as is expected"),
        Column("breakage", "percent", "to expire / open * 100"),
        Column("liability", "money", "(open - to expire) * cost of a point, where that is said"),
        Column("held_out", "text", f"the months that the method was tried on, or {NOT_ENOUGH}"),
        Column("predicted", "points", "to expire in them, by a fit without them"),
        Column("actual", "points", "expired in them"),
        Column("absolute_error", "points", "predicted - actual"),
        Column("relative_error", "percent", "(predicted - actual) / actual * 100"),
    ),
    is_of_now=True,
)
