"""What a shop's purchases come to: figures for its owner, read from the books as a whole."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
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

BUYERS = """
SELECT customer_id, min(occurred_at) AS first FROM purchase WHERE shop_id = $1 AND status = 'booked'
 GROUP BY customer_id ORDER BY first, customer_id"""

SOLD = """
SELECT shop_id, invoice_number, customer_id, occurred_at, currency, total FROM purchase
 WHERE shop_id = $1 AND customer_id = ANY($2::text[]) AND status = 'booked' ORDER BY occurred_at, invoice_number"""

TIERS = "SELECT tier, count(*) AS customers FROM account WHERE status NOT IN ('merged', 'erased') GROUP BY tier"

CAMPAIGNS = """
SELECT campaign, count(*) AS customers, sum(awards)::bigint AS awards, sum(points)::bigint AS points
  FROM campaign_use GROUP BY campaign ORDER BY campaign"""


@dataclass(frozen=True, slots=True)
class Summary:
    """A shop's purchases; `totals` and `top` as the statements above name them."""

    totals: dict[str, Any]
    top: list[dict[str, Any]]


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
    return Summary(dict(totals), [dict(row) for row in best])


async def buyers(connection: AsyncConnection, shop_id: str) -> dict[str, dt.datetime]:
    """Return when each customer of a shop bought first, the oldest of them first."""
    return dict(await fetch(connection, BUYERS, shop_id))


async def sold(connection: AsyncConnection, shop_id: str, customers: Sequence[str]) -> list[dict[str, Any]]:
    """Return what some customers of a shop bought, in the order in which they did."""
    return [dict(row) for row in await fetch(connection, SOLD, shop_id, customers)]
