"""The report on what becomes of codes that are shared: claimed, qualified, rewarded, or not."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.referrals.reports.counted import BY_CLAIM, COHORT, COUNTS_NOW, code, cohort
from shared.database import fetch
from shared.reports.questions import Question
from shared.reports.report import COMPLETE, PERIOD, Chart, Column, Findings, Report
from shared.reports.shares import percent

SHARES = """
SELECT width_bucket("on", $1::date[]) AS period, sum(shares)::bigint AS shares FROM share
 WHERE "on" >= $1[1] AND "on" < $1[cardinality($1)] AND ($2::text IS NULL OR code = $2) GROUP BY period"""

CLAIMS = f"""
SELECT width_bucket(r.claimed_at, $1) AS period, count(*) AS claims,
    count(*) FILTER (WHERE r.status = 'rejected') AS rejected, count(*) FILTER (WHERE r.status = 'review') AS review,
    count(*) FILTER (WHERE r.status NOT IN ('rejected', 'review')) AS accepted,
    count(*) FILTER (WHERE {COUNTS_NOW}) AS qualified, count(*) FILTER (WHERE r.status = 'rewarded') AS rewarded,
    count(*) FILTER (WHERE r.referral_id IN (
      SELECT referral_id FROM reward WHERE status = 'reversed' AND rung IS NULL)) AS reversed
  FROM referral AS r WHERE {COHORT} GROUP BY period"""

STEPS = 7
"""What is counted of claims."""


async def read_funnel(connection: AsyncConnection, question: Question) -> Findings:
    """Return how many went how far, and the shares of each step in the one before."""
    days = [*(span.first for span in question.spans), question.end]
    shares = dict[int, int](await fetch(connection, SHARES, days, code(question)))
    claims = {period: counts for period, *counts in await fetch(connection, CLAIMS, *cohort(question))}
    rows, steps = [], []
    for number, span in enumerate(question.spans, 1):
        steps.append([shares.get(number, 0), *claims.get(number, [0] * STEPS)])
        rows.append((span.label, *_rated(steps[-1]), question.is_complete(span)))
    return Findings(rows, _rated([sum(column) for column in zip(*steps, strict=True)]))


def _rated(steps: Sequence[int]) -> tuple[Any, ...]:
    shared, claims, _, _, accepted, qualified, rewarded, _ = steps
    way = (shared, claims, accepted, qualified, rewarded)
    return (*steps, *(percent(went_on, came) for came, went_on in pairwise(way)))


FIGURES = (
    Column("shared", "count", "times that codes were shared, by the day"),
    Column("claims", "count", "claims that friends made, whatever became of them"),
    Column("rejected", "count", "those that were refused, or rejected later"),
    Column("review", "count", "those that wait for staff"),
    Column("claimed", "count", "those that were accepted"),
    Column("qualified", "count", "of them, those whose friend made a purchase that counts"),
    Column("rewarded", "count", "of them, those whose hold is over"),
    Column("reversed", "count", "claims of which a reward was given and taken back"),
    Column("claim_rate", "percent", "claims / shared * 100; above 100 where codes are passed on by word of mouth"),
    Column("acceptance_rate", "percent", "claimed / claims * 100"),
    Column("qualifying_rate", "percent", "qualified / claimed * 100"),
    Column("reward_rate", "percent", "rewarded / qualified * 100"),
)

FUNNEL = Report(
    "funnel",
    "From sharing to reward",
    "How many shared codes are claimed, how many claims bring a customer, and how many are rewarded.",
    f"{BY_CLAIM} Each step counts those who went further as well. Shares count by their day; `code` chooses one code.",
    (PERIOD, *FIGURES, COMPLETE),
    Chart("lines", "period", ("claimed", "qualified", "rewarded")),
    read_funnel,
    takes=frozenset({"code"}),
    summary=FIGURES,
)
