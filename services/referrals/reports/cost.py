"""Reports on what recommendations cost: what was given for each customer whom they won."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.referrals.reports.counted import BY_CLAIM, COHORT, COUNTS_NOW, cohort
from shared.database import fetch
from shared.reports.narrowing import cost, limit
from shared.reports.questions import Question
from shared.reports.report import COMPLETE, PERIOD, Chart, Column, Findings, Report
from shared.reports.shares import mean

# what else is given for a referral joins here, by its id
GIVEN = """(
  SELECT referral_id, sum((benefit ->> 'points')::bigint) FILTER (WHERE status = 'given') AS points,
      count(*) FILTER (WHERE status = 'given' AND benefit ->> 'kind' = 'coupon') AS coupons,
      sum((benefit ->> 'points')::bigint) FILTER (WHERE status = 'held') AS held
    FROM reward WHERE status IN ('given', 'held') GROUP BY referral_id) AS given"""
"""What each referral gave, to either side and for the ladder, and what waits for the end of its hold."""

SUMS = f"""
    count(*) FILTER (WHERE {COUNTS_NOW}) AS won, coalesce(sum(points), 0)::bigint AS points,
    coalesce(sum(coupons), 0)::bigint AS coupons, coalesce(sum(held), 0)::bigint AS held
  FROM referral AS r LEFT JOIN {GIVEN} USING (referral_id) WHERE {COHORT}"""

BY_PERIOD = f"SELECT width_bucket(r.claimed_at, $1) AS period, {SUMS} GROUP BY period"

BY_CODE = f"""
SELECT * FROM (SELECT r.code, {SUMS} GROUP BY r.code) AS each
 WHERE won + points + coupons + held > 0 ORDER BY points DESC, coupons DESC, won DESC, code LIMIT $3"""

NOTHING = {"won": 0, "points": 0, "coupons": 0, "held": 0}


async def read_cost(connection: AsyncConnection, question: Question) -> Findings:
    """Return what was given in each period."""
    found = {row["period"]: row for row in await fetch(connection, BY_PERIOD, *cohort(question))}
    rows = []
    for number, span in enumerate(question.spans, 1):
        sums = found.get(number, NOTHING)
        rows.append((span.label, *_figures(sums, question), question.is_complete(span)))
    whole = {name: sum(sums[name] for sums in found.values()) for name in NOTHING}
    return Findings(rows, _figures(whole, question))


async def read_cost_by_code(connection: AsyncConnection, question: Question) -> Findings:
    """Return for which codes most was given."""
    found = await fetch(connection, BY_CODE, *cohort(question), limit(question))
    return Findings([(row["code"], *_figures(row, question)) for row in found])


def _figures(sums: Mapping[str, Any], question: Question) -> tuple[Any, ...]:
    won, points = sums["won"], sums["points"]
    spent = cost(points, question)
    each = None if spent is None else mean(spent, won)
    return (won, points, sums["coupons"], sums["held"], mean(points, won), spent, each)


FIGURES = (
    Column("won", "count", "customers whose referral qualified and still counts"),
    Column("points", "points", "points given for them, and not taken back"),
    Column("coupons", "count", "coupons given for them, and not taken back"),
    Column("points_held", "points", "points that wait for the end of a hold"),
    Column("points_a_customer", "points", "points / won"),
    Column("cost", "money", "points at `cost_per_point`, where it is said"),
    Column("cost_a_customer", "money", "cost / won"),
)

GIVES = (
    "What friends, referrers and the ladder were given; coupons are counted, as nobody knows here what they cost the shop."
    f" {BY_CLAIM}"
)

COST = Report(
    "referral-cost",
    "Cost of a customer won",
    "What was given for each customer whom a recommendation won.",
    f"{GIVES} `code` chooses one code.",
    (PERIOD, *FIGURES, COMPLETE),
    Chart("lines", "period", ("points_a_customer",)),
    read_cost,
    takes=frozenset({"code", "cost_per_point"}),
    summary=FIGURES,
)

COST_BY_CODE = Report(
    "referral-cost-by-code",
    "Cost of a customer won, by code",
    "For which codes most was given, and what for each customer won with them.",
    f"The range counts as a whole; so many codes as `limit` says. {GIVES}",
    (Column("code", "text", "what friends claimed with"), *FIGURES),
    Chart("ranks", "code", ("points",)),
    read_cost_by_code,
    takes=frozenset({"limit", "cost_per_point"}),
)
