"""The events of the referrals service, as shops' tools read of them."""

from typing import Any

from services.referrals.handlers import CUSTOMERS_TOPIC, EVENTS, POINTS_TOPIC, PURCHASES_TOPIC
from shared.asyncapi import document
from shared.contracts import referrals as said

REFERRALS_TOPIC = "loyalty.referrals"


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI document."""
    return document(
        "referrals",
        hears={PURCHASES_TOPIC: ["purchase"], CUSTOMERS_TOPIC: ["customer"], POINTS_TOPIC: ["account", "card", "tier"]},
        heard=EVENTS,
        says={REFERRALS_TOPIC: said.EVENTS},
        passes_on=[CUSTOMERS_TOPIC],
    )
