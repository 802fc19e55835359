"""What recommendations come to: figures for a shop's owner, read from the books as a whole."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database import fetch

TOTALS = """
WITH friend AS (SELECT * FROM referral WHERE status NOT IN ('review', 'rejected'))
SELECT (SELECT count(DISTINCT referrer_id) FROM friend) AS referrers,
  (SELECT count(*) FROM friend) AS friends,
  (SELECT count(*) FROM friend WHERE status <> 'claimed') AS buyers,
  (SELECT coalesce(sum(p.amount - p.taken_back), 0) FROM purchase p JOIN friend f ON f.friend_id = p.customer_id) AS turnover,
  (SELECT coalesce(sum((benefit ->> 'points')::bigint), 0)::bigint FROM reward WHERE status = 'given') AS points"""

REJECTED = """
SELECT reason, count(*) AS claims FROM referral WHERE status = 'rejected' GROUP BY reason ORDER BY claims DESC, reason"""

BEST = """
SELECT r.referrer_id AS customer_id, count(*) AS friends, count(*) FILTER (WHERE r.status <> 'claimed') AS buyers,
    (SELECT coalesce(sum((w.benefit ->> 'points')::bigint), 0)::bigint
       FROM reward w WHERE w.customer_id = r.referrer_id AND w.status = 'given' AND w.side = 'referrer') AS points
  FROM referral r WHERE r.status NOT IN ('review', 'rejected') AND r.referrer_id IS NOT NULL
 GROUP BY r.referrer_id ORDER BY buyers DESC, friends DESC, customer_id LIMIT $1"""


PAIRS = "SELECT status, count(*) AS pairs FROM pair GROUP BY status ORDER BY status"
PAIR_POINTS = """
SELECT coalesce(sum((p.benefit ->> 'points')::bigint), 0)::bigint FROM pair_reward r JOIN pair p USING (pair_id)
 WHERE r.status = 'given'"""


@dataclass(frozen=True, slots=True)
class Recommended:
    """Friends who came with a code, and what they brought; as the statements above name it, `rejected` by reason."""

    totals: dict[str, Any]
    rejected: dict[str, int]
    best: list[dict[str, Any]]
    pairs: dict[str, int]
    """Of customers and friends, by what became of them."""
    pair_points: int


async def recommended(connection: AsyncConnection, *, top: int = 5) -> Recommended:
    """Sum up all recommendations."""
    (totals,) = await fetch(connection, TOTALS)
    rejected = await fetch(connection, REJECTED)
    best = await fetch(connection, BEST, top)
    pairs = dict(await fetch(connection, PAIRS))
    (points,) = await fetch(connection, PAIR_POINTS)
    return Recommended(
        dict(totals), {row["reason"]: row["claims"] for row in rejected}, [dict(row) for row in best], pairs, points[0]
    )
