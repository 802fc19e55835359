"""Which purchases count, for every report the same: of a known customer, and not taken back whole.

A purchase counts with what is left of it after its refunds, in the period in which it was made: a refund changes the past
it belongs to. Customers who were merged are one.
"""

from typing import Any

from shared.reports.questions import Question

NARROWED = "($1::text IS NULL OR p.shop_id = $1) AND ($2::text IS NULL OR p.currency = $2) AND p.occurred_at < $3"

COUNTED = f"""(
  SELECT coalesce(alias.merged_into, p.customer_id) AS customer_id, p.currency, p.occurred_at, p.total - p.refunded AS kept,
      p.award, p.promoted
    FROM purchase AS p LEFT JOIN account AS alias ON alias.customer_id = p.customer_id AND alias.merged_into IS NOT NULL
   WHERE p.status = 'booked' AND p.refunded < p.total AND {NARROWED}) AS counted"""
"""The purchases that count, up to the end of the range; takes `$1` to `$3`."""

COUNTS = "Purchases count net of refunds, in the period in which they were made; one taken back whole does not count."


def narrowed(question: Question) -> tuple[Any, ...]:
    """Return the arguments of `COUNTED`: shop, currency, and the end of the range."""
    return question.shop_id, question.currency, question.stop
