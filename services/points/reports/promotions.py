"""Reports on offers: what campaigns gave and to whom, and who would have come without them (rule 33)."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.points.reports.counted import COUNTED
from services.points.reports.narrowing import rule
from shared.database import fetch
from shared.reports.narrowing import limit
from shared.reports.purchases import COUNTS, narrowed
from shared.reports.questions import Question
from shared.reports.report import CURRENCY, Chart, Column, Findings, Report
from shared.reports.shares import mean, percent

EXTRAS = f"""
SELECT line.rule, currency, customer_id, kept, line.points,
    CASE WHEN award -> 'bonuses' @> jsonb_build_array(jsonb_build_object('name', line.rule)) THEN 'campaign'
      WHEN line.rule = 'tier ' || (award ->> 'tier') THEN 'tier' ELSE 'rule' END AS kind
  FROM {COUNTED}, jsonb_to_recordset(award -> 'breakdown') AS line(rule text, points bigint)
 WHERE jsonb_array_length(award -> 'breakdown') > 1 AND line.rule <> 'base' AND line.points <> 0 AND occurred_at >= $4"""
"""What purchases earned beside their base, line by line."""

CAMPAIGNS = f"""
SELECT rule, kind, currency, count(*) AS purchases, count(DISTINCT customer_id) AS customers, sum(points)::bigint AS points,
    sum(kept) AS turnover
  FROM ({EXTRAS}) AS extra GROUP BY rule, kind, currency ORDER BY kind, rule, currency"""

TAKERS = f"""
SELECT rule, currency, customer_id, purchases, points, turnover FROM (
  SELECT rule, currency, customer_id, count(*) AS purchases, sum(points)::bigint AS points, sum(kept) AS turnover,
      row_number() OVER (PARTITION BY rule, currency ORDER BY sum(points) DESC, customer_id) AS place
    FROM ({EXTRAS}) AS extra WHERE $5::text IS NULL OR rule = $5 GROUP BY rule, currency, customer_id) AS taker
 WHERE place <= $6 ORDER BY rule, currency, place"""

PROMOTED = """(promoted OR award ? 'bonuses' AND EXISTS (
  SELECT FROM jsonb_to_recordset(award -> 'breakdown') AS line(rule text, points bigint)
   WHERE line.points > 0 AND award -> 'bonuses' @> jsonb_build_array(jsonb_build_object('name', line.rule))))"""
"""Whether a purchase was made with a promotion: it said so, had a coupon, or a campaign gave a bonus."""

# the first purchase of two at the same instant is the one with a promotion
REPEATS = f"""
WITH shopper AS (
  SELECT customer_id, min(occurred_at) AS first_at, min(occurred_at) FILTER (WHERE with_offer) AS first_offered_at,
      count(*) FILTER (WHERE occurred_at >= $4) AS purchases,
      count(*) FILTER (WHERE occurred_at >= $4 AND NOT with_offer) AS unpromoted
    FROM (SELECT customer_id, occurred_at, {PROMOTED} AS with_offer FROM {COUNTED} OFFSET 0) AS bought GROUP BY customer_id),
  repeating AS (
  SELECT customer_id, first_at, purchases - (first_at >= $4)::int AS repeats,
      unpromoted - (first_at >= $4 AND first_offered_at IS DISTINCT FROM first_at)::int AS unpromoted
    FROM shopper WHERE purchases > (first_at >= $4)::int)"""

BY_COHORT = f"""{REPEATS}
SELECT width_bucket(first_at, $5::timestamptz[]) AS cohort, count(*) AS customers, sum(repeats)::bigint AS repeats,
    sum(unpromoted)::bigint AS unpromoted, count(*) FILTER (WHERE unpromoted = repeats) AS loyal,
    count(*) FILTER (WHERE unpromoted = 0) AS for_offers
  FROM repeating GROUP BY cohort ORDER BY cohort"""

BY_CUSTOMER = f"""{REPEATS}
SELECT customer_id, first_at, repeats, unpromoted
  FROM repeating ORDER BY repeats DESC, unpromoted, customer_id LIMIT $5"""


async def read_campaigns(connection: AsyncConnection, question: Question) -> Findings:
    """Return what each line beside the base gave, and on what turnover."""
    found = await fetch(connection, CAMPAIGNS, *narrowed(question), question.start)
    return Findings([(*row, mean(row["points"], row["customers"])) for row in found])


async def read_campaign_customers(connection: AsyncConnection, question: Question) -> Findings:
    """Return to whom a rule, or each, gave most."""
    arguments = (*narrowed(question), question.start, rule(question), limit(question))
    return Findings([tuple(row) for row in await fetch(connection, TAKERS, *arguments)])


async def read_offer_dependence(connection: AsyncConnection, question: Question) -> Findings:
    """Return, for each cohort, the share of repeat purchases that took no promotion."""
    found = await fetch(connection, BY_COHORT, *narrowed(question), question.start, question.bounds())
    rows = [(_cohort(question, row["cohort"]), *_shares(row)) for row in found]
    sums = {
        name: sum(row[name] for row in found) for name in ("customers", "repeats", "unpromoted", "loyal", "for_offers")
    }
    return Findings(rows, _shares(sums))


async def read_offer_dependence_of_customers(connection: AsyncConnection, question: Question) -> Findings:
    """Return, for each of the customers with most repeat purchases, the share that took no promotion."""
    found = await fetch(connection, BY_CUSTOMER, *narrowed(question), question.start, limit(question))
    return Findings(
        [
            (
                row["customer_id"],
                row["first_at"].astimezone(question.zone).date(),
                row["repeats"],
                row["unpromoted"],
                percent(row["unpromoted"], row["repeats"]),
            )
            for row in found
        ]
    )


def _cohort(question: Question, number: int) -> str:
    return question.spans[number - 1].label if number else f"before {question.spans[0].label}"


def _shares(row: Any) -> tuple[Any, ...]:
    customers, repeats, unpromoted = row["customers"], row["repeats"], row["unpromoted"]
    shares: Iterable[Any] = (percent(unpromoted, repeats), row["loyal"], row["for_offers"])
    return (customers, repeats, unpromoted, *shares)


GIVEN = "Points as they were awarded, before any clawback."
RULE = Column("rule", "text", "as the breakdown of an award names it")

CAMPAIGNS_REPORT = Report(
    "campaigns",
    "What campaigns gave",
    "What each campaign, rule and tier gave: points, to how many customers, on what turnover.",
    f"Every line beside the base in the breakdown of an award: campaigns, earning rules, tiers. {GIVEN} {COUNTS}",
    (
        RULE,
        Column("kind", "text", "campaign, rule or tier"),
        CURRENCY,
        Column("purchases", "count", "purchases to which the rule gave points"),
        Column("customers", "count", "customers to whom it gave points"),
        Column("points", "points", "points that it gave"),
        Column("turnover", "money", "of these purchases, net of refunds"),
        Column("points_a_customer", "points", "points / customers"),
    ),
    Chart("ranks", "rule", ("points",), panels="currency"),
    read_campaigns,
)

CAMPAIGN_CUSTOMERS = Report(
    "campaign-customers",
    "To whom campaigns gave",
    "The customers to whom a campaign, or each, gave most points.",
    f"So many customers as `limit` says, for each rule and currency; `rule` chooses one. {GIVEN} {COUNTS}",
    (
        RULE,
        CURRENCY,
        Column("customer_id", "text", "the shop's pseudonym"),
        Column("purchases", "count", "purchases to which the rule gave points"),
        Column("points", "points", "points that it gave"),
        Column("turnover", "money", "of these purchases, net of refunds"),
    ),
    Chart("ranks", "customer_id", ("points",), panels="rule"),
    read_campaign_customers,
    takes=frozenset({"shop_id", "currency", "rule", "limit"}),
)

PROMOTION = (
    "A repeat purchase is any but a customer's first ever. It was made with a promotion where the shop says so"
    " (`promoted`), where it names coupon codes, or where a campaign gave a bonus."
)
REPEATS_COLUMNS = (
    Column("repeat_purchases", "count", "purchases in the range that were not the customer's first"),
    Column("unpromoted", "count", "those of them made without any promotion"),
    Column("unpromoted_share", "percent", "unpromoted / repeat purchases * 100"),
)
SHARES = (
    Column("customers", "count", "customers with a repeat purchase in the range"),
    *REPEATS_COLUMNS,
    Column("loyal", "count", "customers who never took a promotion for them"),
    Column("for_offers", "count", "customers who always did"),
)

OFFER_DEPENDENCE = Report(
    "offer-dependence",
    "Loyal, or there for the offers",
    "What share of repeat purchases is made without any promotion, by cohort.",
    f"{PROMOTION} A cohort is everybody whose first purchase ever lies in that period. {COUNTS}",
    (Column("cohort", "text", "the period of the first purchase"), *SHARES),
    Chart("bars", "cohort", ("unpromoted_share",)),
    read_offer_dependence,
    summary=SHARES,
)

OFFER_DEPENDENCE_OF_CUSTOMERS = Report(
    "offer-dependence-of-customers",
    "Loyal, or there for the offers: customers",
    "What share of a customer's repeat purchases is made without any promotion.",
    f"{PROMOTION} The customers with most repeat purchases come first, so many as `limit` says. {COUNTS}",
    (
        Column("customer_id", "text", "the shop's pseudonym"),
        Column("first_on", "date", "the customer's first purchase ever"),
        *REPEATS_COLUMNS,
    ),
    Chart("ranks", "customer_id", ("unpromoted_share",)),
    read_offer_dependence_of_customers,
    takes=frozenset({"shop_id", "currency", "limit"}),
)
