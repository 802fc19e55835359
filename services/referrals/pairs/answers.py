"""Offers and pairs as HTTP answers: the JSON that is sent, and stored where the request has a key."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import orjson

from services.referrals.commands import Outcome
from services.referrals.records import Listing, Pair
from shared.errors import MEDIA_TYPE, InvalidField, problem
from shared.requests import Answer

REFUSALS = {
    "budget-below-pairs": 409,
    "friend-is-oneself": 409,
    "friend-not-new": 409,
    "limit-below-pairs": 409,
    "offer-exists": 409,
    "offer-faulty": 422,
    "offer-limit-reached": 409,
    "offer-not-yet": 409,
    "offer-over": 409,
    "offer-retired": 409,
    "offer-unknown": 404,
    "offer-used-up": 409,
    "pair-cancelled": 409,
    "pair-completed": 409,
    "pair-expired": 409,
    "pair-taken": 409,
    "pair-unknown": 404,
}
"""The HTTP status of each refusal by the rules."""


def refusal(outcome: Outcome) -> Answer:
    code, detail = outcome.code or "", outcome.detail or ""
    fields = [InvalidField(pointer=outcome.pointer, code=code, detail=detail)] if outcome.pointer else []
    status = REFUSALS[code]
    return Answer(status, problem(status, code, detail, fields, **outcome.more).body(), MEDIA_TYPE)


def render_offer(outcomes: Sequence[Outcome]) -> Answer:
    (outcome,) = outcomes
    if outcome.status == "refused" or outcome.listing is None:
        return refusal(outcome)
    return _answer(outcome, offer_view(outcome.listing))


def render_pair(outcomes: Sequence[Outcome]) -> Answer:
    (outcome,) = outcomes
    if outcome.status == "refused" or outcome.pair is None:
        return refusal(outcome)
    return _answer(outcome, pair_view(outcome.pair))


def _answer(outcome: Outcome, body: dict[str, Any]) -> Answer:
    status = 200 if outcome.status == "repeated" else 201
    return Answer(status, orjson.dumps(body, option=orjson.OPT_UTC_Z))


def offer_view(listing: Listing) -> dict[str, Any]:
    """Return an offer as answers show it."""
    offer = listing.offer
    return {
        "offer_id": listing.offer_id,
        **offer.model_dump(mode="json"),
        "pairs": listing.reserved,
        "pairs_left": None if offer.budget is None else offer.budget - listing.reserved,
        "created_at": listing.created_at,
        "retired_at": listing.retired_at,
    }


def pair_view(pair: Pair) -> dict[str, Any]:
    """Return a pair as both of it and staff see it."""
    return {
        "pair_id": pair.pair_id,
        "offer_id": pair.offer_id,
        "kind": pair.kind,
        "code": pair.code,
        "link": pair.link,
        "status": pair.status,
        "reason": pair.reason,
        "customer_id": pair.referrer_id,
        "friend_id": pair.friend_id,
        "minimum": _money(pair.minimum),
        "currency": pair.currency,
        "benefit": orjson.Fragment(pair.benefit),
        "invited_at": pair.invited_at,
        "accepted_at": pair.accepted_at,
        "expires_at": pair.expires_at,
        "completed_at": pair.completed_at,
        "purchase": _place(pair.referrer_shop_id, pair.referrer_invoice_number),
        "friend_purchase": _place(pair.friend_shop_id, pair.friend_invoice_number),
    }


def _money(amount: Decimal) -> str:
    """Write an amount with its cents, however many decimals it was kept with."""
    cents = amount.quantize(Decimal("0.01"))
    return f"{cents if cents == amount else amount.normalize():f}"


def _place(shop_id: str | None, invoice_number: str | None) -> dict[str, str | None] | None:
    return None if invoice_number is None else {"shop_id": shop_id, "invoice_number": invoice_number}
