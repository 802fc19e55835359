"""Outcomes about partners as HTTP answers: the JSON that is sent, and stored where the request has a key."""

from collections.abc import Sequence
from typing import Any

from services.referrals.answers import answer, refusal
from services.referrals.commands import Outcome
from services.referrals.partners.statements import payout_view
from services.referrals.records import Code, Partner
from shared.requests import Answer


def render_partner(outcomes: Sequence[Outcome]) -> Answer:
    (outcome,) = outcomes
    return _answer(outcome, None if outcome.partner is None else partner_view(outcome.partner))


def render_code(outcomes: Sequence[Outcome]) -> Answer:
    (outcome,) = outcomes
    return _answer(outcome, None if outcome.named is None else code_view(outcome.named))


def render_payout(outcomes: Sequence[Outcome]) -> Answer:
    (outcome,) = outcomes
    return _answer(outcome, None if outcome.payout is None else payout_view(outcome.payout))


def partner_view(partner: Partner) -> dict[str, Any]:
    """Return a partner as staff see them, with the newest of their terms."""
    return {
        "partner_id": partner.partner_id,
        "name": partner.name,
        "language": partner.language,
        "terms_version": partner.versions.latest,
        "terms": partner.terms.model_dump(mode="json"),
        "paid_through": None if partner.paid_through is None else f"{partner.paid_through:%Y-%m}",
        "created_at": partner.created_at,
        "retired_at": partner.retired_at,
    }


def code_view(code: Code) -> dict[str, Any]:
    return {"code": code.code, "created_at": code.created_at, "retired_at": code.retired_at}


def _answer(outcome: Outcome, body: dict[str, Any] | None) -> Answer:
    return refusal(outcome) if outcome.status == "refused" or body is None else answer(outcome, body)
