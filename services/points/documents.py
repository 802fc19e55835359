"""The events of the points service, as shops' tools read of them."""

from typing import Any

from services.points.decisions.events import (
    CUSTOMERS_TOPIC,
    NOTIFICATIONS_TOPIC,
    POINTS_TOPIC,
    PURCHASES_TOPIC,
    REFERRALS_TOPIC,
)
from services.points.handlers import EVENTS
from shared.asyncapi import document
from shared.contracts import points as said


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI document."""
    return document(
        "points",
        hears={
            PURCHASES_TOPIC: ["purchase"],
            CUSTOMERS_TOPIC: ["customer"],
            REFERRALS_TOPIC: ["referral", "pair"],
            NOTIFICATIONS_TOPIC: ["coupon", "survey"],
        },
        heard=EVENTS,
        says={POINTS_TOPIC: said.EVENTS},
        passes_on=[PURCHASES_TOPIC, CUSTOMERS_TOPIC],
    )
