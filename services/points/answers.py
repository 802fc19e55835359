"""Outcomes as HTTP answers: the JSON that is sent, and stored where the request has a key."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import orjson

from services.points.commands import Account, Answer, Balance, Outcome, Purchase
from shared.errors import MEDIA_TYPE, InvalidField, problem

REFUSALS = {
    "account-conflict": 409,
    "account-unknown": 404,
    "card-mistyped": 422,
    "card-of-another-customer": 409,
    "card-taken": 409,
    "card-unknown": 404,
    "claim-window-over": 409,
    "currency-unsupported": 422,
    "insufficient-points": 409,
    "occurred-in-future": 422,
    "points-too-many": 422,
    "purchase-claimed": 409,
    "purchase-conflict": 409,
    "purchase-has-card": 409,
    "purchase-unknown": 404,
    "refund-conflict": 409,
    "refund-currency": 422,
    "refund-customer": 409,
    "refund-exceeds-purchase": 409,
    "refund-parts-exceed-amount": 422,
}
"""The HTTP status of each refusal by the rules."""


def refusal(outcome: Outcome) -> Answer:
    code, detail = outcome.code or "", outcome.detail or ""
    fields = [InvalidField(pointer=outcome.pointer, code=code, detail=detail)] if outcome.pointer else []
    balance = outcome.balance
    more = {} if balance is None else {"available": balance.available, "held": balance.held}
    status = REFUSALS.get(code, 409)
    return Answer(status, problem(status, code, detail, fields, **more).body(), MEDIA_TYPE)


def render_purchase(outcomes: Sequence[Outcome]) -> Answer:
    (outcome,) = outcomes
    if outcome.status == "refused" or outcome.purchase is None:
        return refusal(outcome)
    return _answer(outcome, _purchase(outcome.purchase, outcome.balance))


def render_preview(outcome: Outcome, *, spendable: int) -> Answer:
    """Return what the purchase would be answered, and the points that its buyer has to pay with before it."""
    if outcome.status == "refused" or outcome.purchase is None:
        return refusal(outcome)
    body = _purchase(outcome.purchase, outcome.balance) | {"spendable_points": max(0, spendable)}
    return Answer(200, orjson.dumps(body))


def _purchase(purchase: Purchase, balance: Balance | None) -> dict[str, Any]:
    award = orjson.loads(purchase.award) if purchase.award else {"breakdown": []}
    return {
        "shop_id": purchase.shop_id,
        "invoice_number": purchase.invoice_number,
        "customer_id": purchase.customer_id,
        "points": purchase.points,
        "status": "available" if purchase.status == "booked" else purchase.status,
        "breakdown": award["breakdown"],
        "balance": balance_view(balance),
        "tier": None,
    }


def render_refund(outcomes: Sequence[Outcome]) -> Answer:
    (outcome,) = outcomes
    refund = outcome.refund
    if outcome.status == "refused" or refund is None:
        return refusal(outcome)
    body = {
        "shop_id": refund.shop_id,
        "invoice_number": refund.invoice_number,
        "refund_id": refund.refund_id,
        "customer_id": outcome.purchase.customer_id if outcome.purchase else None,
        "status": refund.status,
        "points": refund.points,
        "balance": balance_view(outcome.balance),
    }
    return _answer(outcome, body)


def render_account(outcomes: Sequence[Outcome]) -> Answer:
    (outcome,) = outcomes
    if outcome.status == "refused" or outcome.account is None:
        return refusal(outcome)
    return _answer(outcome, _account(outcome.account))


def render_adjustment(outcomes: Sequence[Outcome]) -> Answer:
    (outcome,) = outcomes
    entry = outcome.entry
    if outcome.status == "refused" or entry is None:
        return refusal(outcome)
    body = {
        "adjustment_id": outcome.reference,
        "customer_id": entry.customer_id,
        "points": entry.points,
        "entry_sequence": entry.sequence,
        "balance": balance_view(outcome.balance),
    }
    return _answer(outcome, body)


def _account(account: Account) -> dict[str, Any]:
    return {
        "customer_id": account.customer_id,
        "card_number": account.card_number,
        "status": account.status,
        "balance": balance_view(account.balance),
        "lifetime_points": account.lifetime_points,
        "tier": None,
        "expiring_next": None,
        "enrolled_at": account.enrolled_at.astimezone(dt.UTC),
    }


def balance_view(balance: Balance | None) -> dict[str, int] | None:
    """Return a balance as events and answers show it."""
    if balance is None:
        return None
    return {"available": balance.available, "pending": balance.pending, "held": balance.held}


def _answer(outcome: Outcome, body: dict[str, Any]) -> Answer:
    status = 200 if outcome.status == "repeated" else 201
    return Answer(status, orjson.dumps(body, option=orjson.OPT_UTC_Z))
