"""Reports on who buys and who comes back: retention, churn, active customers, cohorts, repeat purchases.

The periods in which a customer bought are the bits of one integer, so that a single pass over the purchases, with one row
for each customer, is all that any of them takes.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.points.reports.counted import COUNTED
from shared.database import fetch
from shared.reports.purchases import COUNTS, RETURNS, narrowed
from shared.reports.questions import Question
from shared.reports.report import COMPLETE, PERIOD, Chart, Column, Findings, Report
from shared.reports.shares import churn, mean, percent, retention

PATTERNS = f"""
WITH shopper AS (
  SELECT bit_or(1::bigint << width_bucket(occurred_at, $4::timestamptz[])) AS active FROM {COUNTED} GROUP BY customer_id),
  pattern AS MATERIALIZED (SELECT active, count(*) AS customers FROM shopper GROUP BY active)"""
"""How many customers bought in which periods; bit 0 is all time before the first bound."""

BY_PERIOD = f"""{PATTERNS}
SELECT {RETURNS}
  FROM generate_series(2, cardinality($4) - 1) AS n LEFT JOIN pattern ON true GROUP BY n ORDER BY n"""

MEMBERS = """
SELECT width_bucket(enrolled_at, $1::timestamptz[]) AS period, count(*) FROM account
 WHERE merged_into IS NULL AND (status <> 'erased' OR event_sequence > 0) GROUP BY period"""

COHORTS = f"""{PATTERNS}
SELECT first, n - first AS since, sum(customers)::bigint AS customers,
    coalesce(sum(customers) FILTER (WHERE active >> n & 1 = 1), 0)::bigint AS active
  FROM generate_series(1, cardinality($4) - 1) AS first
  JOIN pattern ON active & (2::bigint << first) - 1 = 1::bigint << first
  JOIN generate_series(1, cardinality($4) - 1) AS n ON n >= first
 GROUP BY first, n ORDER BY first, n"""

FREQUENCIES = f"""
SELECT purchases, count(*) AS customers, is_new FROM (
  SELECT count(*) FILTER (WHERE occurred_at >= $4) AS purchases, min(occurred_at) >= $4 AS is_new
    FROM {COUNTED} GROUP BY customer_id) AS shopper
 WHERE purchases > 0 GROUP BY purchases, is_new"""

INTERVALS = f"""
SELECT floor(seconds / 86400)::int AS days, count(*) AS intervals, sum(seconds) AS seconds FROM (
  SELECT occurred_at, date_part('epoch', occurred_at - lag(occurred_at) OVER (
      PARTITION BY customer_id ORDER BY occurred_at)) AS seconds
    FROM {COUNTED}) AS interval
 WHERE occurred_at >= $4 AND seconds IS NOT NULL GROUP BY days ORDER BY days"""


# Retention, churn, active customers


async def _returns(connection: AsyncConnection, question: Question) -> Sequence[Any]:
    return await fetch(connection, BY_PERIOD, *narrowed(question), question.bounds_with_the_one_before())


async def read_retention(connection: AsyncConnection, question: Question) -> Findings:
    """Return the share of customers that was kept from one period to the next, by both ways to count it."""
    rows = []
    for span, (before, active, new, kept) in zip(question.spans, await _returns(connection, question), strict=True):
        shares = retention(before, active, new), percent(kept, before)
        rows.append((span.label, before, active, new, kept, *shares, question.is_complete(span)))
    return Findings(rows)


async def read_churn(connection: AsyncConnection, question: Question) -> Findings:
    """Return the share of customers that was lost from one period to the next, by both ways to count it."""
    rows = []
    for span, (before, active, new, kept) in zip(question.spans, await _returns(connection, question), strict=True):
        shares = churn(before, active, new), percent(before - kept, before)
        rows.append((span.label, before, active - new, before - kept, *shares, question.is_complete(span)))
    return Findings(rows)


async def read_active_customers(connection: AsyncConnection, question: Question) -> Findings:
    """Return who bought in each period: for the first time, again, or after a pause; beside all who are enrolled."""
    found = await _returns(connection, question)
    enrolled = dict[int, int](await fetch(connection, MEMBERS, question.bounds()))
    rows = []
    for number, (span, (_, active, new, kept)) in enumerate(zip(question.spans, found, strict=True), 1):
        members = sum(count for period, count in enrolled.items() if period <= number)
        share = percent(active, members)
        rows.append((span.label, active, new, kept, active - new - kept, members, share, question.is_complete(span)))
    return Findings(rows)


BEFORE = Column("before", "count", "S: customers who bought in the period before")

RETENTION = Report(
    "retention",
    "Customer retention",
    "How many of a period's customers buy again in the next.",
    f"Retention = (E - N) / S * 100 counts customers who come back after a pause as kept, and so can exceed 100; the strict"
    f" share counts only those who bought in both periods. {COUNTS}",
    (
        PERIOD,
        BEFORE,
        Column("active", "count", "E: customers who bought in the period"),
        Column("new", "count", "N: customers whose first purchase ever lies in the period"),
        Column("kept", "count", "customers who bought in both periods"),
        Column("retention", "percent", "(E - N) / S * 100"),
        Column("strict_retention", "percent", "kept / S * 100"),
        COMPLETE,
    ),
    Chart("lines", "period", ("retention", "strict_retention")),
    read_retention,
)

CHURN = Report(
    "churn",
    "Customer churn",
    "How many of a period's customers do not buy in the next.",
    f"Churn = 100 - (E - N) / S * 100 sets customers who come back after a pause off against those lost, and so can fall below"
    f" 0; the strict share is that of all who did not buy in the period after. {COUNTS}",
    (
        PERIOD,
        BEFORE,
        Column("returning", "count", "E - N: customers who bought in the period, and not for the first time"),
        Column("lost", "count", "customers who bought in the period before, and not in this one"),
        Column("churn", "percent", "100 - (E - N) / S * 100"),
        Column("strict_churn", "percent", "lost / S * 100"),
        COMPLETE,
    ),
    Chart("lines", "period", ("churn", "strict_churn")),
    read_churn,
)

ACTIVE_CUSTOMERS = Report(
    "active-customers",
    "Active customers",
    "How many customers buy in each period: new, kept and come back; and what share of all members that is.",
    f"A customer is active in a period with a purchase that counts. {COUNTS}",
    (
        PERIOD,
        Column("active", "count", "customers who bought in the period"),
        Column("new", "count", "for the first time ever"),
        Column("kept", "count", "who bought in the period before as well"),
        Column("came_back", "count", "who had bought, but not in the period before"),
        Column("members", "count", "accounts enrolled by the end of the period, in all shops"),
        Column("active_share", "percent", "active customers in all members"),
        COMPLETE,
    ),
    Chart("bars", "period", ("new", "kept", "came_back")),
    read_active_customers,
)


# Cohorts


async def read_cohorts(connection: AsyncConnection, question: Question) -> Findings:
    """Return, for customers whose first purchase lies in the same period, how many buy in each period after."""
    rows = []
    for first, since, customers, active in await fetch(connection, COHORTS, *narrowed(question), question.bounds()):
        span = question.spans[first + since - 1]
        share = percent(active, customers)
        cohort = question.spans[first - 1].label
        rows.append((cohort, since, customers, active, share, question.is_complete(span)))
    return Findings(rows)


COHORTS_REPORT = Report(
    "cohorts",
    "Cohorts by first purchase",
    "Of the customers who first bought in the same period, how many buy again 1, 2, 3, … periods later.",
    f"A cohort is everybody whose first purchase ever lies in that period; its row ends with the range. {COUNTS}",
    (
        Column("cohort", "text", "the period of the first purchase"),
        Column("since", "count", "periods since then; 0 is that of the first purchase"),
        Column("customers", "count", "customers in the cohort"),
        Column("active", "count", "of them, those who bought in that period"),
        Column("share", "percent", "active / customers * 100"),
        COMPLETE,
    ),
    Chart("heat", "since", ("share",), across="cohort"),
    read_cohorts,
)


# Repeat purchases

CLASSES = ((1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 10), (11, 20), (21, None))
DAYS = ((0, 0), (1, 7), (8, 14), (15, 30), (31, 60), (61, 90), (91, 180), (181, 365), (366, None))


async def read_repeat_rate(connection: AsyncConnection, question: Question) -> Findings:
    """Return how often customers buy in the range, and how many do so more than once."""
    found = await fetch(connection, FREQUENCIES, *narrowed(question), question.start)
    customers = sum(count for _, count, _ in found)
    repeating = sum(count for purchases, count, _ in found if purchases > 1)
    purchases = sum(each * count for each, count, _ in found)
    firsts = sum(count for _, count, is_new in found if is_new)
    rows = [(name, count, percent(count, customers)) for name, count in _classified(found, CLASSES)]
    rate, share = percent(repeating, customers), percent(purchases - firsts, purchases)
    each = mean(purchases, customers)
    return Findings(rows, (customers, repeating, rate, purchases, purchases - firsts, share, each))


async def read_intervals(connection: AsyncConnection, question: Question) -> Findings:
    """Return the time between a customer's purchase and the one before, for purchases in the range."""
    found = await fetch(connection, INTERVALS, *narrowed(question), question.start)
    intervals = sum(count for _, count, _ in found)
    rows, so_far = [], 0
    for name, count in _classified(found, DAYS):
        so_far += count
        rows.append((name, count, percent(count, intervals), percent(so_far, intervals)))
    days = round(sum(seconds for _, _, seconds in found) / intervals / 86_400, 1) if intervals else None
    return Findings(rows, (intervals, _median([(each, count) for each, count, _ in found]), days))


def _classified(found: Sequence[Any], classes: Sequence[tuple[int, int | None]]) -> list[tuple[str, int]]:
    """Return the sum of the counts, second of a row, of each class of what is first of it, by the class's name."""
    named = []
    for least, most in classes:
        name = f"{least} or more" if most is None else f"{least}" if least == most else f"{least} to {most}"
        named.append((name, sum(row[1] for row in found if least <= row[0] and (most is None or row[0] <= most))))
    return named


def _median(counted: Sequence[tuple[int, int]]) -> int | None:
    """Return the value in the middle of values that are in order and counted; the lower of two."""
    middle = (sum(count for _, count in counted) + 1) // 2
    for value, count in counted:
        middle -= count
        if middle <= 0:
            return value
    return None


REPEAT_RATE = Report(
    "repeat-rate",
    "Repeat purchases",
    "How many customers buy more than once, and how often customers buy.",
    f"The range counts as a whole. A repeat customer bought at least twice in it; a repeat purchase is any but a customer's"
    f" first ever. {COUNTS}",
    (
        Column("purchases", "text", "purchases of a customer in the range"),
        Column("customers", "count", "customers with so many"),
        Column("share", "percent", "of all who bought"),
    ),
    Chart("ranks", "purchases", ("customers",)),
    read_repeat_rate,
    summary=(
        Column("customers", "count", "customers who bought in the range"),
        Column("repeat_customers", "count", "those who bought at least twice"),
        Column("repeat_rate", "percent", "repeat customers / customers * 100"),
        Column("purchases", "count", "purchases in the range"),
        Column("repeat_purchases", "count", "those that were not a customer's first ever"),
        Column("repeat_purchase_share", "percent", "repeat purchases / purchases * 100"),
        Column("purchases_a_customer", "count", "purchases / customers"),
    ),
)

INTERVALS_REPORT = Report(
    "purchase-intervals",
    "Time between purchases",
    "How many days pass until a customer buys again.",
    f"Each purchase in the range that is not a customer's first ever, and the whole days since the one before, which may lie"
    f" before the range. {COUNTS}",
    (
        Column("days", "text", "whole days between two purchases of a customer"),
        Column("intervals", "count", "so often"),
        Column("share", "percent", "of all intervals"),
        Column("share_so_far", "percent", "of all intervals, with the shorter ones"),
    ),
    Chart("ranks", "days", ("intervals",)),
    read_intervals,
    summary=(
        Column("intervals", "count", "intervals in the range"),
        Column("median_days", "days", "half of the intervals are no longer"),
        Column("mean_days", "days", "on average"),
    ),
)
