"""What the referrals service does with what it hears: nothing yet, so everything is skipped."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Discriminator, TypeAdapter
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.customers import CustomerErasedEvent, CustomerRegisteredEvent, CustomerUpdatedEvent
from shared.contracts.points import AccountMergedEvent, TierChangedEvent
from shared.contracts.purchases import PurchaseCompletedEvent, PurchaseRefundedEvent
from shared.messaging.events import Received, Subscription, Verdict

CONSUMER = "referrals"
PURCHASES_TOPIC = "loyalty.purchases"
CUSTOMERS_TOPIC = "loyalty.customers"
POINTS_TOPIC = "loyalty.points"
TOPICS = (PURCHASES_TOPIC, CUSTOMERS_TOPIC, POINTS_TOPIC)

EVENTS: TypeAdapter[Any] = TypeAdapter(
    Annotated[
        PurchaseCompletedEvent
        | PurchaseRefundedEvent
        | CustomerRegisteredEvent
        | CustomerUpdatedEvent
        | CustomerErasedEvent
        | AccountMergedEvent
        | TierChangedEvent,
        Discriminator("type"),
    ]
)


def subscription() -> Subscription:
    """Return what the service hears, for a consumer of any kind."""

    async def handle(_connection: AsyncConnection, events: Sequence[Received]) -> list[Verdict]:
        return [Verdict("skipped")] * len(events)

    return Subscription(CONSUMER, TOPICS, EVENTS, handle)
