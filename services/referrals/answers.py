"""Outcomes as HTTP answers: the JSON that is sent, and stored where the request has a key."""

from collections.abc import Sequence
from typing import Any

import orjson

from services.referrals.commands import Outcome
from services.referrals.programme import Programme
from services.referrals.records import Code, Referral
from services.referrals.rules import texts
from shared.errors import MEDIA_TYPE, InvalidField, problem
from shared.requests import Answer

REFUSALS = {
    "budget-below-pairs": 409,
    "claim-rejected": 409,
    "claim-unknown": 404,
    "code-retired": 409,
    "customer-erased": 410,
    "code-taken": 409,
    "code-unknown": 404,
    "friend-is-oneself": 409,
    "friend-not-new": 409,
    "limit-below-pairs": 409,
    "month-not-over": 409,
    "nothing-to-pay": 409,
    "occurred-in-future": 422,
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
    "partner-currency-fixed": 409,
    "partner-exists": 409,
    "partner-retired": 409,
    "partner-unknown": 404,
    "purchase-conflict": 409,
    "refund-currency": 422,
    "refund-exceeds-purchase": 409,
    "statement-paid": 409,
    "terms-faulty": 422,
}
"""The HTTP status of each refusal by the rules."""

REASONS = {
    "bought-before": "the friend had bought before they claimed the code",
    "circle": "the friend recommended whoever recommends them",
    "code-retired": "the code claims nothing any more",
    "code-unknown": "there is no such code",
    "many-from-address": "many claims came from the same address: staff decide",
    "own-code": "nobody can recommend the shop to themselves",
    "programme-closed": "there is nothing to get for a recommendation at that time",
    "referred-already": "somebody else recommended the shop to this friend",
    "review-over": "nobody decided on it in time",
    "same-card": "both use the same card",
    "same-email": "both have the same e-mail address",
    "same-phone": "both have the same phone number",
    "velocity": "many claimed codes of the same customer in a short time: staff decide",
}
"""What people are told of a claim that is not simply accepted; what staff wrote speaks for itself."""


def refusal(outcome: Outcome) -> Answer:
    code, detail = outcome.code or "", outcome.detail or ""
    fields = [InvalidField(pointer=outcome.pointer, code=code, detail=detail)] if outcome.pointer else []
    status = REFUSALS.get(code, 409)
    return Answer(status, problem(status, code, detail, fields, **outcome.more).body(), MEDIA_TYPE)


def render_code(outcomes: Sequence[Outcome], *, programme: Programme) -> Answer:
    (outcome,) = outcomes
    if outcome.status == "refused" or outcome.named is None:
        return refusal(outcome)
    return answer(outcome, code_view(outcome.named, programme))


def code_view(code: Code, programme: Programme) -> dict[str, Any]:
    """Return a code as answers show it."""
    return {**code._asdict(), "link": texts.link(code.code, programme)}


def render_claim(outcomes: Sequence[Outcome]) -> Answer:
    (outcome,) = outcomes
    if outcome.status == "refused" or outcome.referral is None:
        return refusal(outcome)
    return answer(outcome, claim_view(outcome.referral))


def claim_view(referral: Referral) -> dict[str, Any]:
    """Return a claim as answers show it: what it was judged by stays inside."""
    return {
        "referral_id": referral.referral_id,
        "code": referral.code,
        "friend_id": referral.friend_id,
        "referrer_id": referral.referrer_id,
        "partner_id": referral.partner_id,
        "status": referral.status,
        "reason": referral.reason,
        "detail": None if referral.reason is None else REASONS.get(referral.reason, referral.reason),
        "source": referral.source,
        "programme_version": referral.programme_version,
        "claimed_at": referral.claimed_at,
        "received_at": referral.received_at,
        "review_until": referral.review_until,
        "decided_by": referral.decided_by,
        "qualifies_until": referral.qualifies_until,
        "qualified_at": referral.qualified_at,
        "hold_until": referral.hold_until,
        "round": referral.round,
    }


def answer(outcome: Outcome, body: dict[str, Any]) -> Answer:
    """Answer with what is new as created, and with what was there already as it is."""
    status = 201 if outcome.is_new else 200
    return Answer(status, orjson.dumps(body, option=orjson.OPT_UTC_Z))
