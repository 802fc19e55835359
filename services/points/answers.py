"""Outcomes as HTTP answers: the JSON that is sent, and stored where the request has a key."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import orjson

from services.points.commands import Outcome
from services.points.records import Account, Adjustment, Balance, Listing, Purchase, Redemption, RewardClaim
from services.points.rules.tiers import Standing
from shared.errors import MEDIA_TYPE, InvalidField, problem
from shared.requests import Answer

REFUSALS = {
    "account-blocked": 409,
    "account-closed": 409,
    "account-conflict": 409,
    "account-has-holds": 409,
    "account-merged": 409,
    "account-unknown": 404,
    "action-closed": 409,
    "action-unknown": 422,
    "adjustment-decided": 409,
    "adjustment-unknown": 404,
    "approval-of-own": 403,
    "capture-exceeds-hold": 409,
    "card-mistyped": 422,
    "card-of-another-customer": 409,
    "card-taken": 409,
    "card-unknown": 404,
    "claim-cancelled": 409,
    "claim-fulfilled": 409,
    "claim-has-coupon": 409,
    "claim-unknown": 404,
    "claim-window-over": 409,
    "currency-unsupported": 422,
    "customer-erased": 410,
    "enrolled-in-future": 422,
    "expires-in-past": 422,
    "gift-to-oneself": 422,
    "insufficient-points": 409,
    "member-number-missing": 422,
    "member-number-unexpected": 422,
    "merge-with-itself": 422,
    "occurred-in-future": 422,
    "pool-full": 409,
    "pool-left-first": 409,
    "pool-unknown": 404,
    "points-do-not-fit": 422,
    "points-do-not-pay": 409,
    "points-too-many": 422,
    "purchase-claimed": 409,
    "purchase-conflict": 409,
    "purchase-has-card": 409,
    "purchase-unclaimed": 409,
    "purchase-unknown": 404,
    "redemption-for-reward": 409,
    "redemption-not-held": 409,
    "redemption-paid-purchase": 409,
    "redemption-unknown": 404,
    "refund-conflict": 409,
    "refund-currency": 422,
    "refund-customer": 409,
    "refund-exceeds-purchase": 409,
    "refund-parts-exceed-amount": 422,
    "reversal-exceeds-redemption": 409,
    "settlement-exceeds-purchase": 409,
    "reward-exists": 409,
    "reward-faulty": 422,
    "reward-kind-fixed": 409,
    "reward-limit-reached": 409,
    "reward-not-yet": 409,
    "reward-over": 409,
    "reward-retired": 409,
    "reward-sold-out": 409,
    "reward-unknown": 404,
    "stock-below-claims": 409,
    "tier-over": 422,
    "tier-unknown": 422,
}
"""The HTTP status of each refusal by the rules."""


def refusal(outcome: Outcome) -> Answer:
    code, detail = outcome.code or "", outcome.detail or ""
    fields = [InvalidField(pointer=outcome.pointer, code=code, detail=detail)] if outcome.pointer else []
    balance = outcome.balance
    more = dict(outcome.more) if balance is None else {"available": balance.available, "held": balance.held}
    status = REFUSALS.get(code, 409)
    return Answer(status, problem(status, code, detail, fields, **more).body(), MEDIA_TYPE)


def render_purchase(outcomes: Sequence[Outcome]) -> Answer:
    (outcome,) = outcomes
    if outcome.status == "refused" or outcome.purchase is None:
        return refusal(outcome)
    return _answer(outcome, _purchase(outcome, outcome.purchase))


def render_preview(outcome: Outcome, *, spendable: int) -> Answer:
    """Return what the purchase would be answered, and the points that its buyer has to pay with before it."""
    if outcome.status == "refused" or outcome.purchase is None:
        return refusal(outcome)
    body = _purchase(outcome, outcome.purchase) | {"spendable_points": spendable}
    body["passed_over"] = [
        {"rule": each.rule, "code": each.code, "detail": each.detail} for each in outcome.passed_over
    ]
    return Answer(200, orjson.dumps(body))


def _purchase(outcome: Outcome, purchase: Purchase) -> dict[str, Any]:
    award = orjson.loads(purchase.award) if purchase.award else {"breakdown": []}
    return {
        "shop_id": purchase.shop_id,
        "invoice_number": purchase.invoice_number,
        "customer_id": purchase.customer_id,
        "points": purchase.points,
        "status": purchase_status(purchase.status, award.get("available_at"), outcome.now),
        "breakdown": award["breakdown"],
        "balance": balance_view(outcome.balance),
        "tier": tier_view(outcome.standing),
        "redeemed": purchase.redeemed,
        "unpaid": purchase.unpaid,
    }


def purchase_status(status: str, available_at: str | None, now: dt.datetime | None) -> str:
    """Return the state of a purchase as it is shown: of one that is booked, whether its points can be spent."""
    if status != "booked":
        return status
    waits = available_at is not None and now is not None and dt.datetime.fromisoformat(available_at) > now
    return "pending" if waits else "available"


def tier_view(standing: Standing | None) -> dict[str, Any] | None:
    """Return a tier as answers show it."""
    if standing is None:
        return None
    return {"name": standing.name, "since": standing.since, "next": standing.next, "missing": standing.missing}


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
    return _answer(outcome, account_view(outcome.account, outcome.standing, None))


def render_adjustment(outcomes: Sequence[Outcome]) -> Answer:
    (outcome,) = outcomes
    if outcome.status == "refused" or outcome.adjustment is None:
        return refusal(outcome)
    return _answer(outcome, adjustment_view(outcome.adjustment) | {"balance": balance_view(outcome.balance)})


def adjustment_view(adjustment: Adjustment) -> dict[str, Any]:
    """Return points by hand as answers show them."""
    return {
        "adjustment_id": adjustment.adjustment_id,
        "customer_id": adjustment.customer_id,
        "status": adjustment.status,
        "kind": adjustment.kind,
        "points": adjustment.points,
        "reason": adjustment.reason,
        "note": adjustment.note,
        "expires_on": adjustment.expires_on,
        "asked_by": adjustment.actor,
        "created_at": adjustment.created_at,
        "decided_by": adjustment.decided_by,
        "decided_at": adjustment.decided_at,
        "entry_sequence": adjustment.entry_sequence,
    }


def render_action(outcomes: Sequence[Outcome]) -> Answer:
    (outcome,) = outcomes
    given = outcome.action
    if outcome.status == "refused" or given is None:
        return refusal(outcome)
    body = {
        "customer_id": given.customer_id,
        "action": given.action,
        "points": given.points,
        "entry_sequence": given.entry_sequence,
        "occurred_at": given.occurred_at,
        "reference": given.reference,
        "balance": balance_view(outcome.balance),
    }
    return _answer(outcome, body)


def render_redemption(outcomes: Sequence[Outcome]) -> Answer:
    (outcome,) = outcomes
    if outcome.status == "refused" or outcome.redemption is None:
        return refusal(outcome)
    return _answer(outcome, redemption_view(outcome.redemption) | {"balance": balance_view(outcome.balance)})


def render_settlement(outcomes: Sequence[Outcome]) -> Answer:
    (outcome,) = outcomes
    settlement = outcome.settlement
    if outcome.status == "refused" or settlement is None:
        return refusal(outcome)
    body = {
        "redemption_id": settlement.redemption_id,
        "shop_id": settlement.shop_id,
        "invoice_number": settlement.invoice_number,
        "customer_id": settlement.customer_id,
        "points": settlement.points,
        "amount": str(settlement.amount),
        "currency": settlement.currency,
        "clawed_back": settlement.clawed_back,
        "balance": balance_view(outcome.balance),
    }
    return _answer(outcome, body)


def render_gift(outcomes: Sequence[Outcome]) -> Answer:
    (outcome,) = outcomes
    gift = outcome.gift
    if outcome.status == "refused" or gift is None:
        return refusal(outcome)
    body = {
        "gift_id": gift.gift_id,
        "customer_id": gift.customer_id,
        "to": gift.recipient_id,
        "points": gift.points,
        "balance": balance_view(outcome.balance),
    }
    return _answer(outcome, body)


def redemption_view(redemption: Redemption) -> dict[str, Any]:
    """Return a redemption as answers show it."""
    return {
        "redemption_id": redemption.redemption_id,
        "customer_id": redemption.customer_id,
        "status": redemption.status,
        "points": redemption.points,
        "held": redemption.held,
        "captured": redemption.captured,
        "restored": redemption.restored,
        "hold_until": redemption.hold_until,
        "shop_id": redemption.shop_id,
        "invoice_number": redemption.invoice_number,
        "created_at": redemption.created_at,
        "claim_id": redemption.claim_id,
    }


def render_reward(outcomes: Sequence[Outcome]) -> Answer:
    (outcome,) = outcomes
    if outcome.status == "refused" or outcome.listing is None:
        return refusal(outcome)
    return _answer(outcome, listing_view(outcome.listing))


def listing_view(listing: Listing) -> dict[str, Any]:
    """Return a reward as staff see it."""
    reward = listing.reward
    return {
        "reward_id": listing.reward_id,
        **reward.model_dump(mode="json", by_alias=True),
        "claimed": listing.claimed,
        "stock_left": None if reward.stock is None else reward.stock - listing.claimed,
        "created_at": listing.created_at,
        "retired_at": listing.retired_at,
    }


def render_claim(outcomes: Sequence[Outcome]) -> Answer:
    (outcome,) = outcomes
    if outcome.status == "refused" or outcome.claim is None:
        return refusal(outcome)
    return _answer(outcome, claim_view(outcome.claim) | {"balance": balance_view(outcome.balance)})


def claim_view(claim: RewardClaim) -> dict[str, Any]:
    """Return a claim of a reward as answers show it."""
    return asdict(claim)


def account_view(account: Account, standing: Standing | None, expiring: dict[str, Any] | None) -> dict[str, Any]:
    """Return an account as answers show it."""
    return {
        "customer_id": account.customer_id,
        "card_number": account.card_number,
        "status": account.status,
        "balance": balance_view(account.balance),
        "pool_id": account.pool_id,
        "lifetime_points": account.lifetime_points,
        "tier": tier_view(standing),
        "expiring_next": expiring,
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
