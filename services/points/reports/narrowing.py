"""What reports on points take beside a range, a shop and a currency."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

from shared.reports.questions import Question

Narrowing = Literal["shop_id", "currency", "rule", "limit", "cost_per_point"]

DEFAULT_LIMIT = 100


def rule(question: Question) -> str | None:
    """Return the campaign or rule that is asked about."""
    named: str | None = question.own.get("rule")
    return named


def limit(question: Question) -> int:
    """Return how many rows are wanted at most."""
    rows: int = question.own.get("limit", DEFAULT_LIMIT)
    return rows


def cost(points: int, question: Question) -> Decimal | None:
    """Return what points cost the shop, where it was said what one does."""
    each: Decimal | None = question.own.get("cost_per_point")
    return None if each is None else points * each


def account_names(question: Question) -> Mapping[str, str]:
    """Return the names of the journal's accounts."""
    names: Mapping[str, str] = question.own["account_names"]
    return names
