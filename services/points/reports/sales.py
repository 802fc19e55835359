"""Reports on money: turnover, the average order, what customers were worth and are expected to be. Currencies stand apart."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.points.reports import measures
from services.points.reports.counted import COUNTED
from shared.database import fetch
from shared.reports.narrowing import limit
from shared.reports.purchases import COUNTS, NARROWED, narrowed
from shared.reports.questions import MONTHS, MONTHS_A_YEAR, Question, Span
from shared.reports.report import COMPLETE, CURRENCY, PERIOD, Chart, Column, Findings, Report
from shared.reports.shares import mean, percent

YEARLY_DISCOUNT = Decimal("0.10")
"""What a year takes from the worth of an expected purchase."""

SALES = f"""
SELECT width_bucket(occurred_at, $4::timestamptz[]) AS period, currency, status = 'booked' AS is_members,
    count(*) FILTER (WHERE refunded < total) AS purchases, sum(total) AS gross, sum(refunded) AS refunded
  FROM purchase AS p WHERE status <> 'awaited' AND {NARROWED} AND occurred_at >= $4[1]
 GROUP BY period, currency, is_members"""

VALUES = f"""
WITH bought AS (
  -- set apart, since what is worked out here is needed twice
  SELECT customer_id, currency, kept, 1::bigint << width_bucket(occurred_at, $4::timestamptz[]) & $5::bigint AS period
    FROM {COUNTED} OFFSET 0),
  shopper AS (
  SELECT currency, count(*) AS purchases, sum(kept) AS turnover, bit_or(period) AS active,
      sum(kept) FILTER (WHERE period <> 0) AS lately
    FROM bought GROUP BY customer_id, currency)
SELECT currency, count(*) AS customers, sum(purchases)::bigint AS purchases, sum(turnover) AS turnover,
    coalesce(sum(lately), 0) AS lately, sum(bit_count(active::bit(64)))::bigint AS active,
    sum(bit_count((active & ($5::bigint >> 1))::bit(64)))::bigint AS before,
    sum(bit_count((active & (active >> 1))::bit(64)))::bigint AS kept
  FROM shopper GROUP BY currency ORDER BY currency"""

BEST = f"""
WITH shopper AS MATERIALIZED (
  SELECT currency, customer_id, count(*) AS purchases, sum(kept) AS turnover, min(occurred_at) AS first_at,
      max(occurred_at) AS last_at
    FROM {COUNTED} WHERE occurred_at >= $4 GROUP BY currency, customer_id)
SELECT best.* FROM (SELECT DISTINCT currency FROM shopper) AS each CROSS JOIN LATERAL (
  SELECT * FROM shopper WHERE currency = each.currency ORDER BY turnover DESC, customer_id LIMIT $5) AS best
 ORDER BY currency, turnover DESC, customer_id"""
"""The first of each currency alone are kept in order: to rank all customers takes longer than to add them up."""


class Sales:
    """Purchases and amounts of one period and currency: of members, and of all."""

    def __init__(self) -> None:
        self.purchases = {True: 0, False: 0}
        self.gross = self.refunded = Decimal(0)
        self.net = {True: Decimal(0), False: Decimal(0)}

    def add(self, row: Any) -> None:
        self.purchases[row["is_members"]] += row["purchases"]
        self.gross += row["gross"]
        self.refunded += row["refunded"]
        self.net[row["is_members"]] += row["gross"] - row["refunded"]

    @property
    def turnover(self) -> Decimal:
        return self.net[True] + self.net[False]


async def _sales(connection: AsyncConnection, question: Question) -> Iterator[tuple[str, Span, Sales]]:
    """Read the sales of each currency and period, also where there are none."""
    found: dict[tuple[str, int], Sales] = {}
    for row in await fetch(connection, SALES, *narrowed(question), question.bounds()):
        found.setdefault((row["currency"], row["period"]), Sales()).add(row)
    return _each(found, sorted({currency for currency, _ in found}), question)


def _each(
    found: dict[tuple[str, int], Sales], currencies: Iterable[str], question: Question
) -> Iterator[tuple[str, Span, Sales]]:
    for currency in currencies:
        for number, span in enumerate(question.spans, 1):
            yield currency, span, found.get((currency, number), Sales())


async def read_turnover(connection: AsyncConnection, question: Question) -> Findings:
    """Return what was bought, taken back and kept."""
    rows = []
    for currency, span, sales in await _sales(connection, question):
        members = sales.net[True]
        amounts = sales.gross, sales.refunded, sales.turnover, members, percent(members, sales.turnover)
        rows.append((span.label, currency, sum(sales.purchases.values()), *amounts, question.is_complete(span)))
    return Findings(rows)


async def read_average_order(connection: AsyncConnection, question: Question) -> Findings:
    """Return what a purchase is worth on average, a member's and anybody's."""
    rows = []
    for currency, span, sales in await _sales(connection, question):
        purchases = sum(sales.purchases.values())
        averages = (
            mean(sales.turnover, purchases),
            mean(sales.net[True], sales.purchases[True]),
            mean(sales.net[False], sales.purchases[False]),
        )
        rows.append((span.label, currency, purchases, sales.turnover, *averages, question.is_complete(span)))
    return Findings(rows)


EVERYBODY = "Purchases of nobody in particular count as well, and are told apart."
PURCHASES = Column("purchases", "count", "purchases of which something was kept")
TURNOVER = Column("turnover", "money", "what was bought, less what was taken back")

TURNOVER_REPORT = Report(
    "turnover",
    "Turnover",
    "What was bought, taken back and kept in each period, and the members' share of it.",
    f"Gross, refunds and net are shown; a refund counts in the period of its purchase. {EVERYBODY}",
    (
        PERIOD,
        CURRENCY,
        PURCHASES,
        Column("gross", "money", "what was bought"),
        Column("refunded", "money", "what of it was taken back, then or later"),
        TURNOVER,
        Column("members", "money", "turnover with members of the programme"),
        Column("members_share", "percent", "members / turnover * 100"),
        COMPLETE,
    ),
    Chart("bars", "period", ("turnover",), panels="currency"),
    read_turnover,
)

AVERAGE_ORDER = Report(
    "average-order-value",
    "Average order value",
    "What a purchase is worth on average, a member's and anybody else's.",
    f"Turnover net of refunds / purchases. A refund counts in the period of its purchase; a purchase taken back whole is none."
    f" {EVERYBODY}",
    (
        PERIOD,
        CURRENCY,
        PURCHASES,
        TURNOVER,
        Column("average", "money", "turnover / purchases"),
        Column("members_average", "money", "the same, of members"),
        Column("others_average", "money", "the same, of nobody in particular"),
        COMPLETE,
    ),
    Chart("lines", "period", ("average", "members_average", "others_average"), panels="currency"),
    read_average_order,
)


# What customers are worth


async def read_lifetime_value(connection: AsyncConnection, question: Question) -> Findings:
    """Return what customers have bought for so far, and what one who buys now is expected to buy for from now on."""
    whole = sum(1 << number for number, span in enumerate(question.spans, 1) if question.is_complete(span))
    discount = measures.discount_a_period(YEARLY_DISCOUNT, MONTHS_A_YEAR // MONTHS[question.period])
    rows = []
    for found in await fetch(connection, VALUES, *narrowed(question), question.bounds(), whole):
        value = found["lately"] / found["active"] if found["active"] else None
        kept = Decimal(found["kept"]) / found["before"] if found["before"] else None
        expected = None if value is None or kept is None else measures.expected_value(value, kept, discount)
        rows.append(
            (
                found["currency"],
                found["customers"],
                found["purchases"],
                found["turnover"],
                mean(found["turnover"], found["customers"]),
                mean(found["lately"], found["active"]),
                percent(found["kept"], found["before"]),
                expected,
            )
        )
    return Findings(rows)


async def read_best_customers(connection: AsyncConnection, question: Question) -> Findings:
    """Return who bought for most."""
    found = await fetch(connection, BEST, *narrowed(question), question.start, limit(question))
    days = ((row["first_at"].astimezone(question.zone), row["last_at"].astimezone(question.zone)) for row in found)
    return Findings(
        [
            (row["currency"], row["customer_id"], row["purchases"], row["turnover"], first.date(), last.date())
            for row, (first, last) in zip(found, days, strict=True)
        ]
    )


LIFETIME_VALUE = Report(
    "lifetime-value",
    "Customer lifetime value",
    "What a customer has bought for so far, and what one who buys now is expected to buy for from now on.",
    "Historical: turnover of all time up to the end of the range / customers. Expected: value * r / (1 + d - r), with the mean"
    " turnover of an active customer a period as the value, the share of customers who buy in the next period too as r, both"
    " from the whole periods of the range, and d = 10 % a year (Gupta and Lehmann, Customers as Assets, 2003), on turnover"
    f" instead of margin; take periods about as long as customers are wont to stay away. {COUNTS}",
    (
        CURRENCY,
        Column("customers", "count", "customers who ever bought up to the end of the range"),
        Column("purchases", "count", "their purchases"),
        Column("turnover", "money", "their purchases' turnover, net of refunds"),
        Column("historical_value", "money", "turnover / customers"),
        Column("value_a_period", "money", "turnover of an active customer in a whole period of the range"),
        Column("kept", "percent", "r: customers who bought in the next whole period too"),
        Column("expected_value", "money", "of a customer who bought in the last whole period, in all periods after it"),
    ),
    Chart("ranks", "currency", ("historical_value", "expected_value"), panels="currency"),
    read_lifetime_value,
    period="quarter",
)

BEST_CUSTOMERS = Report(
    "best-customers",
    "Best customers",
    "Who bought for most in the range.",
    f"The range counts as a whole; so many customers as `limit` says, in each currency. {COUNTS}",
    (
        CURRENCY,
        Column("customer_id", "text", "the shop's pseudonym"),
        Column("purchases", "count", "purchases in the range"),
        TURNOVER,
        Column("first_on", "date", "the first of them"),
        Column("last_on", "date", "the last of them"),
    ),
    Chart("ranks", "customer_id", ("turnover",), panels="currency"),
    read_best_customers,
    takes=frozenset({"shop_id", "currency", "limit"}),
)
