"""Reports on what recommendations cost: what was given for each customer whom they won."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.referrals.programme import Programme
from services.referrals.reports.counted import BY_CLAIM, COHORT, COUNTS_NOW, cohort
from shared.database import fetch
from shared.reports.narrowing import cost, limit
from shared.reports.questions import Question
from shared.reports.report import COMPLETE, CURRENCY, PERIOD, Chart, Column, Findings, Report
from shared.reports.shares import mean

GIVEN = """(
  SELECT referral_id, sum((benefit ->> 'points')::bigint) FILTER (WHERE status = 'given') AS points,
      count(*) FILTER (WHERE status = 'given' AND benefit ->> 'kind' = 'coupon') AS coupons,
      sum((benefit ->> 'points')::bigint) FILTER (WHERE status = 'held') AS held
    FROM reward WHERE status IN ('given', 'held') GROUP BY referral_id) AS given"""
"""What each referral gave, to either side and for the ladder, and what waits for the end of its hold."""

# a referral keeps the terms of its claim, and so has one currency
EARNED = """(
  SELECT referral_id, max(currency) AS currency, sum(amount) FILTER (WHERE status = 'due') AS commissions
    FROM commission GROUP BY referral_id) AS earned"""
"""What each referral earned its partner, whether it was paid yet or not."""

SUMS = f"""
    coalesce(earned.currency, v.document ->> 'currency', '{Programme().currency}') AS currency,
    count(*) FILTER (WHERE {COUNTS_NOW}) AS won, coalesce(sum(points), 0)::bigint AS points,
    coalesce(sum(coupons), 0)::bigint AS coupons, coalesce(sum(held), 0)::bigint AS held,
    coalesce(sum(commissions), 0) AS commissions
  FROM referral AS r JOIN programme AS v ON v.version = r.programme_version
  LEFT JOIN {GIVEN} USING (referral_id) LEFT JOIN {EARNED} USING (referral_id) WHERE {COHORT}"""

BY_PERIOD = f"""
SELECT * FROM (SELECT width_bucket(r.claimed_at, $1) AS period, {SUMS} GROUP BY 1, 2) AS each
 WHERE $3::text IS NULL OR currency = $3"""

BY_CODE = f"""
SELECT * FROM (SELECT r.code, {SUMS} GROUP BY 1, 2) AS each
 WHERE won + points + coupons + held + commissions > 0 AND ($3::text IS NULL OR currency = $3)
 ORDER BY points DESC, commissions DESC, coupons DESC, won DESC, code, currency LIMIT $4"""

NOTHING: Mapping[str, Any] = {"won": 0, "points": 0, "coupons": 0, "held": 0, "commissions": Decimal(0)}


async def read_cost(connection: AsyncConnection, question: Question) -> Findings:
    """Return what was given in each period, for each currency."""
    found = await fetch(connection, BY_PERIOD, *cohort(question), question.currency)
    sums = {(row["currency"], row["period"]): row for row in found}
    rows = []
    for currency in sorted({currency for currency, _ in sums}):
        for number, span in enumerate(question.spans, 1):
            figures = _figures(sums.get((currency, number), NOTHING), question)
            rows.append((span.label, currency, *figures, question.is_complete(span)))
    return Findings(rows)


async def read_cost_by_code(connection: AsyncConnection, question: Question) -> Findings:
    """Return for which codes most was given."""
    found = await fetch(connection, BY_CODE, *cohort(question), question.currency, limit(question))
    return Findings([(row["code"], row["currency"], *_figures(row, question)) for row in found])


def _figures(sums: Mapping[str, Any], question: Question) -> tuple[Any, ...]:
    won, points, commissions = sums["won"], sums["points"], sums["commissions"]
    spent = cost(points, question) if points else Decimal(0)
    whole = None if spent is None else spent + commissions
    each = None if whole is None else mean(whole, won)
    return (won, points, sums["coupons"], sums["held"], mean(points, won), commissions, whole, each)


FIGURES = (
    Column("won", "count", "customers whose referral qualified and still counts"),
    Column("points", "points", "points given for them, and not taken back"),
    Column("coupons", "count", "coupons given for them, and not taken back"),
    Column("points_held", "points", "points that wait for the end of a hold"),
    Column("points_a_customer", "points", "points / won"),
    Column("commissions", "money", "what partners have earned with them, paid or not; without what is held"),
    Column("cost", "money", "commissions, and points at `cost_per_point`: none where that is not said"),
    Column("cost_a_customer", "money", "cost / won"),
)

GIVES = (
    "What friends, referrers, the ladder and partners were given; coupons are counted, as nobody knows here what they cost the"
    " shop. A customer counts in the currency of their partner's commission, or of the programme they were claimed under."
    f" {BY_CLAIM}"
)

COST = Report(
    "referral-cost",
    "Cost of a customer won",
    "What was given for each customer whom a recommendation won.",
    f"{GIVES} `code` chooses one code.",
    (PERIOD, CURRENCY, *FIGURES, COMPLETE),
    Chart("lines", "period", ("points_a_customer",), panels="currency"),
    read_cost,
    takes=frozenset({"code", "currency", "cost_per_point"}),
)

COST_BY_CODE = Report(
    "referral-cost-by-code",
    "Cost of a customer won, by code",
    "For which codes most was given, and what for each customer won with them.",
    f"The range counts as a whole; so many codes as `limit` says. {GIVES}",
    (Column("code", "text", "what friends claimed with"), CURRENCY, *FIGURES),
    Chart("ranks", "code", ("points",), panels="currency"),
    read_cost_by_code,
    takes=frozenset({"currency", "limit", "cost_per_point"}),
)
