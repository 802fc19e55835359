"""What a shop's purchases come to: figures for its owner, read from the books as a whole."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.points.programme import Tiers
from shared.database import fetch

TOTALS = """
SELECT count(*) AS invoices, count(DISTINCT customer_id) AS customers, coalesce(sum(total), 0) AS turnover,
    coalesce(sum(points), 0)::bigint AS points, min(occurred_at) AS first, max(occurred_at) AS last, max(currency) AS currency
  FROM purchase WHERE shop_id = $1 AND status = 'booked'"""

TOP = """
SELECT customer_id, count(*) AS invoices, sum(total) AS turnover, sum(points)::bigint AS points
  FROM purchase WHERE shop_id = $1 AND status = 'booked'
 GROUP BY customer_id ORDER BY turnover DESC, customer_id LIMIT $2"""

TIERS = "SELECT tier, count(*) AS customers FROM account WHERE status <> 'merged' GROUP BY tier"

CAMPAIGNS = """
SELECT campaign, count(*) AS customers, sum(awards)::bigint AS awards, sum(points)::bigint AS points
  FROM campaign_use GROUP BY campaign ORDER BY campaign"""

# Rule 32: (E - N) / S, and strictly: of those active before, who were active again
RETENTION = """
WITH active AS (
    SELECT DISTINCT customer_id, date_trunc('quarter', occurred_at, 'UTC') AS quarter
      FROM purchase WHERE shop_id = $1 AND status = 'booked'),
  known AS (
    SELECT customer_id, quarter, quarter = min(quarter) OVER (PARTITION BY customer_id) AS new,
      lag(quarter) OVER (PARTITION BY customer_id ORDER BY quarter) = quarter - interval '3 months' AS stayed
      FROM active),
  quarters AS (
    SELECT quarter, count(*) AS active, count(*) FILTER (WHERE new) AS new, count(*) FILTER (WHERE stayed) AS stayed
      FROM known GROUP BY quarter)
SELECT now.quarter, before.active AS before, now.active, now.new, now.stayed
  FROM quarters now JOIN quarters before ON before.quarter = now.quarter - interval '3 months' ORDER BY now.quarter"""


@dataclass(frozen=True, slots=True)
class Quarter:
    """Customers of a quarter: how many bought `before`, are `active`, are `new`, and `stayed` from before."""

    name: str
    before: int
    active: int
    new: int
    stayed: int

    @property
    def retention(self) -> Decimal:
        """Percent, returners counted as kept (rule 32)."""
        return Decimal(self.active - self.new) / self.before * 100

    @property
    def strict(self) -> Decimal:
        """Percent of those who bought before that bought again."""
        return Decimal(self.stayed) / self.before * 100


@dataclass(frozen=True, slots=True)
class Summary:
    """A shop's purchases; `totals` and `top` as the statements above name them."""

    totals: dict[str, Any]
    top: list[dict[str, Any]]
    quarters: list[Quarter]


async def tier_counts(connection: AsyncConnection, levels: Tiers | None) -> dict[str, int]:
    """Return how many customers have each tier, the highest first; those of whom none is noted have the first."""
    if levels is None:
        return {}
    counts = {tier.name: 0 for tier in reversed(levels.levels)}
    for row in await fetch(connection, TIERS):
        counts[levels.levels[levels.level(row["tier"])].name] += row["customers"]
    return counts


async def campaign_gifts(connection: AsyncConnection) -> list[dict[str, Any]]:
    """Return what each campaign gave: to how many customers, how often, how many points."""
    return [dict(row) for row in await fetch(connection, CAMPAIGNS)]


async def summary(connection: AsyncConnection, shop_id: str, *, top: int = 5) -> Summary:
    """Sum up what is booked of a shop."""
    (totals,) = await fetch(connection, TOTALS, shop_id)
    best = await fetch(connection, TOP, shop_id, top)
    quarters = await fetch(connection, RETENTION, shop_id)
    return Summary(dict(totals), [dict(row) for row in best], [_quarter(*row) for row in quarters])


def _quarter(start: Any, before: int, active: int, new: int, stayed: int) -> Quarter:
    return Quarter(f"{start.year} Q{(start.month + 2) // 3}", before, active, new, stayed)
