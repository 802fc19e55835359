"""Which purchases count, for the reports of every service the same: of a known customer, and not taken back whole.

A purchase counts with what is left of it after its refunds, in the period in which it was made: a refund changes the past
it belongs to. Customers who were merged are one.
"""

from typing import Any

from shared.reports.questions import Question

NARROWED = "($1::text IS NULL OR p.shop_id = $1) AND ($2::text IS NULL OR p.currency = $2) AND p.occurred_at < $3"

COUNTING = f"p.status = 'booked' AND p.refunded < p.total AND {NARROWED}"
"""Whether a purchase counts; takes `$1` to `$3`."""

COUNTS = "Purchases count net of refunds, in the period in which they were made; one taken back whole does not count."

RETURNS = """
    coalesce(sum(customers) FILTER (WHERE active >> n - 1 & 1 = 1), 0)::bigint AS before,
    coalesce(sum(customers) FILTER (WHERE active >> n & 1 = 1), 0)::bigint AS active,
    coalesce(sum(customers) FILTER (WHERE active & (2::bigint << n) - 1 = 1::bigint << n), 0)::bigint AS new,
    coalesce(sum(customers) FILTER (WHERE active >> n - 1 & 3 = 3), 0)::bigint AS kept"""
"""S, E, N of rule 32 and who bought in both periods, for period `n`, of `customers` whose periods are the bits of `active`."""


def counted(names: str, *more: str) -> str:
    """Return the purchases that count, up to the end of the range.

    `names` is the table that says as whom a merged customer goes on, `more` are columns beside those that all need.
    """
    columns = "".join(f", p.{column}" for column in more)
    return f"""(
  SELECT coalesce(alias.merged_into, p.customer_id) AS customer_id, p.currency, p.occurred_at, p.total - p.refunded AS kept
      {columns}
    FROM purchase AS p LEFT JOIN {names} AS alias ON alias.customer_id = p.customer_id AND alias.merged_into IS NOT NULL
   WHERE {COUNTING}) AS counted"""


def narrowed(question: Question) -> tuple[Any, ...]:
    """Return the arguments of `counted`: shop, currency, and the end of the range."""
    return question.shop_id, question.currency, question.stop
