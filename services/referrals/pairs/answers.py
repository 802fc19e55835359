"""Offers and pairs as HTTP answers: the JSON that is sent, and stored where the request has a key."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import orjson

from services.referrals.answers import answer, refusal
from services.referrals.commands import Outcome
from services.referrals.records import Listing, Pair
from shared.requests import Answer


def render_offer(outcomes: Sequence[Outcome]) -> Answer:
    (outcome,) = outcomes
    if outcome.status == "refused" or outcome.listing is None:
        return refusal(outcome)
    return answer(outcome, offer_view(outcome.listing))


def render_pair(outcomes: Sequence[Outcome]) -> Answer:
    (outcome,) = outcomes
    if outcome.status == "refused" or outcome.pair is None:
        return refusal(outcome)
    return answer(outcome, pair_view(outcome.pair))


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
