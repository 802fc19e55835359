"""Customers as HTTP answers."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import orjson

from services.notifications.answers import answered, refusal
from services.notifications.commands import Outcome
from services.notifications.profiles.queries import Shown
from services.notifications.records import Customer, SavedSegment
from services.notifications.rules.profiles import SHARED
from shared.requests import Answer

CENT = Decimal("0.01")


def render_profile(outcomes: Sequence[Outcome]) -> Answer:
    (outcome,) = outcomes
    if outcome.customer is None:
        return refusal(outcome)
    dates = {name: each.date for name, each in sorted(outcome.own_dates.items())}
    return answered(outcome, profile_view(outcome.customer, dates))


def profile_view(customer: Customer, own_dates: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "customer_id": customer.customer_id,
        **{name: getattr(customer, name) for name in SHARED},
        "preferred_channel": customer.preferred_channel,
        "preferences": orjson.loads(customer.preferences),
        "own_dates": own_dates,
        "joined_on": customer.joined_on,
    }


def render_segment(outcomes: Sequence[Outcome]) -> Answer:
    (outcome,) = outcomes
    if outcome.segment is None:
        return refusal(outcome)
    return answered(outcome, segment_view(outcome.segment))


def render_dropped(outcomes: Sequence[Outcome]) -> Answer:
    (outcome,) = outcomes
    return Answer(204, b"") if outcome.is_new else refusal(outcome)


def segment_view(segment: SavedSegment) -> dict[str, Any]:
    return {
        "name": segment.name,
        "filter": orjson.loads(segment.document),
        "saved_at": segment.saved_at,
        "saved_by": segment.saved_by,
    }


def _money(amount: Decimal) -> str:
    cents = amount.quantize(CENT)
    return f"{cents if cents == amount else amount.normalize():f}"


def customer_view(shown: Shown, currency: str) -> dict[str, Any]:
    customer = shown.customer
    return {
        **profile_view(customer, shown.own_dates),
        "tier": customer.tier,
        "balance": {"available": customer.available, "pending": customer.pending},
        "purchases": customer.purchases,
        "turnover": {"amount": _money(customer.turnover), "currency": currency},
        "first_purchase_at": customer.first_purchase_at,
        "last_purchase_at": customer.last_purchase_at,
        "bought": shown.bought,
        "card_numbers": shown.card_numbers,
    }
