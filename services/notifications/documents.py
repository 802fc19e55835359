"""The events of the notifications service, as shops' tools read of them."""

from typing import Any

from services.notifications.decisions.events import CUSTOMERS_TOPIC, NOTIFICATIONS_TOPIC
from services.notifications.handlers import EVENTS, POINTS_TOPIC, PURCHASES_TOPIC, REFERRALS_TOPIC
from shared.asyncapi import document
from shared.contracts import notifications as said


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI document."""
    return document(
        "notifications",
        hears={
            PURCHASES_TOPIC: ["purchase.completed", "purchase.refunded"],
            CUSTOMERS_TOPIC: ["customer"],
            POINTS_TOPIC: ["points", "account", "card", "tier", "pool", "reward", "purchase.settled"],
            REFERRALS_TOPIC: ["referral", "pair"],
        },
        heard=EVENTS,
        says={NOTIFICATIONS_TOPIC: said.EVENTS},
        passes_on=[CUSTOMERS_TOPIC],
    )
