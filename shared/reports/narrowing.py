"""What reports of more than one service take beside a range, a shop and a currency."""

from decimal import Decimal

from shared.reports.questions import Question

DEFAULT_LIMIT = 100


def limit(question: Question) -> int:
    """Return how many rows are wanted at most."""
    rows: int = question.own.get("limit", DEFAULT_LIMIT)
    return rows


def cost(points: int, question: Question) -> Decimal | None:
    """Return what points cost the shop, where it was said what one does."""
    each: Decimal | None = question.own.get("cost_per_point")
    return None if each is None else points * each
