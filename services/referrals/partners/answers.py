"""Outcomes about partners as HTTP answers: the JSON that is sent, and stored where the request has a key."""

from collections.abc import Sequence
from typing import Any

import orjson

from services.referrals.commands import Outcome
from services.referrals.partners.statements import payout_view
from services.referrals.records import Code, Partner
from shared.errors import MEDIA_TYPE, InvalidField, problem
from shared.requests import Answer

REFUSALS = {
    "code-taken": 409,
    "month-not-over": 409,
    "nothing-to-pay": 409,
    "partner-currency-fixed": 409,
    "partner-exists": 409,
    "partner-retired": 409,
    "partner-unknown": 404,
    "statement-paid": 409,
    "terms-faulty": 422,
}
"""The HTTP status of each refusal by the rules."""


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
    if outcome.status == "refused" or body is None:
        return _refusal(outcome)
    status = 200 if outcome.status == "repeated" else 201
    return Answer(status, orjson.dumps(body, option=orjson.OPT_UTC_Z))


def _refusal(outcome: Outcome) -> Answer:
    code, detail = outcome.code or "", outcome.detail or ""
    fields = [InvalidField(pointer=outcome.pointer, code=code, detail=detail)] if outcome.pointer else []
    status = REFUSALS.get(code, 409)
    return Answer(status, problem(status, code, detail, fields, **outcome.more).body(), MEDIA_TYPE)
