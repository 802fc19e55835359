"""Reports on the friends who came: what they buy and whether they stay, and who brought the best of them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.referrals.reports.counted import COUNTED, COUNTS_NOW
from shared.database import fetch
from shared.reports.narrowing import limit
from shared.reports.purchases import COUNTING, COUNTS, RETURNS, narrowed
from shared.reports.questions import Question
from shared.reports.report import COMPLETE, CURRENCY, PERIOD, Chart, Column, Findings, Report, Unit
from shared.reports.shares import mean, percent, retention

IS_REFERRED = f"""customer_id IN (
    SELECT coalesce(alias.merged_into, r.friend_id) FROM referral AS r LEFT JOIN customer AS alias
        ON alias.customer_id = r.friend_id AND alias.merged_into IS NOT NULL
     WHERE {COUNTS_NOW}) AS is_referred"""

VISITS = f"""
WITH visit AS (
  SELECT customer_id, currency, period, count(*) AS purchases, sum(kept) AS turnover FROM (
    SELECT customer_id, currency, kept, width_bucket(occurred_at, $4::timestamptz[]) AS period
      FROM {COUNTED} WHERE occurred_at >= $4[1] OFFSET 0) AS bought
   GROUP BY customer_id, currency, period)
SELECT currency, period, is_referred, sum(purchases)::bigint AS purchases, sum(turnover) AS turnover,
    count(*) FILTER (WHERE purchases > 1) AS repeating
  FROM (SELECT *, {IS_REFERRED} FROM visit OFFSET 0) AS each GROUP BY currency, period, is_referred"""
"""What was bought in each period of the range, and by how many more than once."""

STAYS = f"""
WITH shopper AS (
  SELECT customer_id, currency, bit_or(1::bigint << width_bucket(occurred_at, $4::timestamptz[])) AS active
    FROM {COUNTED} GROUP BY customer_id, currency),
  pattern AS MATERIALIZED (
  SELECT currency, is_referred, active, count(*) AS customers
    FROM (SELECT currency, active, {IS_REFERRED} FROM shopper OFFSET 0) AS each GROUP BY currency, is_referred, active)
SELECT currency, n - 1 AS period, is_referred, {RETURNS}
  FROM pattern CROSS JOIN generate_series(2, cardinality($4) - 1) AS n GROUP BY currency, n, is_referred"""
"""Who bought in which periods, among them the one before the range, which is the first."""

BEST = f"""
WITH friend AS MATERIALIZED (
  SELECT coalesce(f.merged_into, r.friend_id) AS customer_id, r.code, coalesce(w.merged_into, r.referrer_id) AS referrer_id,
      r.partner_id, r.status
    FROM referral AS r LEFT JOIN customer AS f ON f.customer_id = r.friend_id AND f.merged_into IS NOT NULL
    LEFT JOIN customer AS w ON w.customer_id = r.referrer_id AND w.merged_into IS NOT NULL
   WHERE {COUNTS_NOW} AND r.claimed_at >= $4 AND r.claimed_at < $3),
  named AS MATERIALIZED (
  SELECT customer_id, customer_id AS name FROM friend
   UNION ALL SELECT friend.customer_id, past.customer_id FROM customer AS past JOIN friend ON friend.customer_id = past.merged_into),
  spent AS (
  SELECT named.customer_id, p.currency, count(*) AS purchases, sum(p.total - p.refunded) AS turnover
    FROM named JOIN purchase AS p ON p.customer_id = name WHERE {COUNTING} GROUP BY named.customer_id, p.currency),
  brought AS MATERIALIZED (
  SELECT currency, code, referrer_id, partner_id, count(*) AS friends, count(*) FILTER (WHERE status = 'rewarded') AS rewarded,
      sum(purchases)::bigint AS purchases, sum(turnover) AS turnover
    FROM spent JOIN friend USING (customer_id) GROUP BY currency, code, referrer_id, partner_id)
SELECT best.* FROM (SELECT DISTINCT currency FROM brought) AS each CROSS JOIN LATERAL (
  SELECT * FROM brought WHERE currency = each.currency ORDER BY rewarded DESC, turnover DESC, code LIMIT $5) AS best
 ORDER BY currency, rewarded DESC, turnover DESC, code"""
"""Purchases are looked up by every name of a friend: where friends are few, most purchases need not be read."""


# What friends buy beside the others


NOTHING: Mapping[str, Any] = {
    "purchases": 0, "turnover": Decimal(0), "repeating": 0, "before": 0, "active": 0, "new": 0, "kept": 0,
}  # fmt: skip


async def read_referred(connection: AsyncConnection, question: Question) -> Findings:
    """Return what referred customers bought and how they stayed, beside the others."""
    visits = await fetch(connection, VISITS, *narrowed(question), question.bounds())
    stays = await fetch(connection, STAYS, *narrowed(question), question.bounds_with_the_one_before())
    found: dict[tuple[str, int, bool], dict[str, Any]] = defaultdict(lambda: {**NOTHING})
    for row in [*visits, *stays]:
        found[row["currency"], row["period"], row["is_referred"]].update(row)
    rows = []
    for currency in sorted({currency for currency, _, _ in found}):
        for number, span in enumerate(question.spans, 1):
            sides = (_measures(found[currency, number, is_referred]) for is_referred in (True, False))
            rows.append((span.label, currency, *_by_turns(*sides), question.is_complete(span)))
    return Findings(rows)


def _measures(found: Mapping[str, Any]) -> tuple[Any, ...]:
    before, active, turnover = found["before"], found["active"], found["turnover"]
    return (
        active,
        turnover,
        mean(turnover, found["purchases"]),
        percent(found["repeating"], active),
        retention(before, active, found["new"]),
        percent(found["kept"], before),
    )


def _by_turns(referred: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """Set each measure beside the same of the others."""
    return [value for pair in zip(referred, others, strict=True) for value in pair]


def _both(name: str, unit: Unit, meaning: str) -> tuple[Column, Column]:
    return Column(f"referred_{name}", unit, meaning), Column(f"other_{name}", unit, "the same, of the others")


REFERRED = Report(
    "referred",
    "Referred customers and the others",
    "What customers who were referred buy, and whether they stay, beside all the others.",
    "Referred is who came by a referral that qualified and still counts, also before it did. Retention = (E - N) / S * 100"
    " counts customers who come back after a pause as kept, and so can exceed 100; the strict share counts only those who bought"
    f" in both periods. All is counted for each currency as if there were no other. {COUNTS}",
    (
        PERIOD,
        CURRENCY,
        *_both("customers", "count", "those who bought in the period"),
        *_both("turnover", "money", "what they bought, less what was taken back"),
        *_both("average", "money", "turnover / purchases"),
        *_both("repeat_rate", "percent", "those who bought at least twice in the period / customers * 100"),
        *_both("retention", "percent", "(E - N) / S * 100"),
        *_both("strict_retention", "percent", "those who bought in the period before as well / S * 100"),
        COMPLETE,
    ),
    Chart("lines", "period", ("referred_retention", "other_retention"), panels="currency"),
    read_referred,
)


# Who brought the best of them


async def read_top_referrers(connection: AsyncConnection, question: Question) -> Findings:
    """Return whose friends were rewarded most often, and what they bought."""
    found = await fetch(connection, BEST, *narrowed(question), question.start, limit(question))
    return Findings([(*row, mean(row["turnover"], row["friends"])) for row in found])


TOP_REFERRERS = Report(
    "top-referrers",
    "Who brings the best friends",
    "Codes by the friends who were rewarded for them, and what these friends bought.",
    "Referrals that were claimed in the range, qualified and still count, and all that their friends have bought up to its end;"
    f" so many codes as `limit` says, in each currency. {COUNTS}",
    (
        CURRENCY,
        Column("code", "text", "what friends claimed with"),
        Column("referrer_id", "text", "whose it is: the shop's pseudonym of a customer"),
        Column("partner_id", "text", "or a partner"),
        Column("friends", "count", "friends who came by it"),
        Column("rewarded", "count", "those whose hold is over"),
        Column("purchases", "count", "purchases of the friends"),
        Column("turnover", "money", "what they bought, less what was taken back"),
        Column("turnover_a_friend", "money", "turnover / friends"),
    ),
    Chart("ranks", "code", ("rewarded",), panels="currency"),
    read_top_referrers,
    takes=frozenset({"shop_id", "currency", "limit"}),
)
