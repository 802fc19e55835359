"""Reports on tiers: who is where, and who rose and fell."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database import fetch
from shared.reports.questions import Question
from shared.reports.report import COMPLETE, PERIOD, Chart, Column, Findings, Report
from shared.reports.shares import percent

LEVELS = """
SELECT level ->> 'name' AS name
  FROM (SELECT document FROM programme WHERE valid_from <= $1 ORDER BY valid_from DESC, version DESC LIMIT 1) AS latest,
    jsonb_path_query(document, '$.tiers.levels[*]') WITH ORDINALITY AS t(level, place)
 ORDER BY place"""

STANDING = """
SELECT tier, count(*) AS customers, sum(greatest(available, 0) + pending + held)::bigint AS points FROM account
 WHERE merged_into IS NULL AND status NOT IN ('closed', 'erased') GROUP BY tier"""

CHANGES = """
SELECT width_bucket(c.on, $1::date[]) AS period, "left", reached, count(*) AS changes, count(DISTINCT customer_id) AS customers
  FROM tier_change AS c WHERE c.on >= $1[1] AND c.on < $2 GROUP BY period, "left", reached
 ORDER BY period, "left", reached"""


async def read_tiers(connection: AsyncConnection, question: Question) -> Findings:
    """Return how many customers have each tier of the programme, from the lowest up."""
    levels = [name for (name,) in await fetch(connection, LEVELS, question.now)]
    found = dict.fromkeys(levels, (0, 0))
    for tier, customers, points in await fetch(connection, STANDING):
        # a tier that the programme has no more counts as the first, as it does for the ledger
        name = tier if tier in found else levels[0] if levels else None
        if name is not None:
            before = found[name]
            found[name] = before[0] + customers, before[1] + points
    everybody = sum(customers for customers, _ in found.values())
    return Findings(
        [(name, customers, percent(customers, everybody), points) for name, (customers, points) in found.items()]
    )


async def read_tier_movements(connection: AsyncConnection, question: Question) -> Findings:
    """Return how many customers went from one tier to another in each period."""
    levels = [name for (name,) in await fetch(connection, LEVELS, question.now)]
    bounds = [*(span.first for span in question.spans), question.end]
    rows = []
    for period, left, reached, changes, customers in await fetch(connection, CHANGES, bounds, question.end):
        span = question.spans[period - 1]
        rose = _place(levels, reached) > _place(levels, left)
        counts = (changes, customers, changes if rose else 0, 0 if rose else changes)
        rows.append((span.label, left, reached, *counts, question.is_complete(span)))
    return Findings(rows)


def _place(levels: Sequence[str], name: str) -> int:
    return levels.index(name) if name in levels else 0


TIERS = Report(
    "tiers",
    "Customers by tier",
    "How many customers have each tier now, and the points they hold.",
    "The accounts as they stand now, whatever the range, without closed ones; a review that is due but not done is not"
    " anticipated. A customer without a tier has the first.",
    (
        Column("tier", "text", "from the lowest up"),
        Column("customers", "count", "who have it"),
        Column("share", "percent", "of all customers"),
        Column("points", "points", "available, pending and held"),
    ),
    Chart("ranks", "tier", ("customers",)),
    read_tiers,
    takes=frozenset(),
    is_of_now=True,
)

TIER_MOVEMENTS = Report(
    "tier-movements",
    "Movements between tiers",
    "How many customers rose and fell, from which tier to which, in each period.",
    "Every change of a tier by the local day on which it was made: earned, reviewed, or given by hand. Up and down are by the"
    " order of today's programme.",
    (
        PERIOD,
        Column("left", "text", "the tier before"),
        Column("reached", "text", "the tier after"),
        Column("changes", "count", "changes of this kind"),
        Column("customers", "count", "customers who made them"),
        Column("up", "count", "the changes, where they led up"),
        Column("down", "count", "the changes, where they led down"),
        COMPLETE,
    ),
    Chart("bars", "period", ("up", "down")),
    read_tier_movements,
    takes=frozenset(),
)
