"""Consents as HTTP answers."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

from services.notifications.answers import answered, refusal
from services.notifications.commands import Outcome
from services.notifications.records import ConsentKey
from services.notifications.rules.consent import Consent, Proof
from shared.requests import Answer


def rendering(key: ConsentKey) -> Callable[[Sequence[Outcome]], Answer]:
    """Return what makes the answer about the consent of a key."""

    def render(outcomes: Sequence[Outcome]) -> Answer:
        (outcome,) = outcomes
        if outcome.consent is None:
            return refusal(outcome)
        return answered(outcome, consent_view(key, outcome.consent))

    return render


def consent_view(key: ConsentKey, consent: Consent) -> dict[str, Any]:
    customer_id, channel, purpose = key
    return {
        "customer_id": customer_id,
        "channel": channel,
        "purpose": purpose,
        "state": consent.state,
        "asked": _proof(consent.asked),
        "confirmed": _proof(consent.confirmed),
        "withdrawn": _proof(consent.withdrawn),
    }


def _proof(proof: Proof | None) -> dict[str, Any] | None:
    return None if proof is None else {**proof._asdict(), "at": proof.at.astimezone(dt.UTC)}
