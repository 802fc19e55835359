"""What the points service does with what it hears: each event type becomes a command, each outcome a verdict."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from pydantic import Discriminator, TypeAdapter
from sqlalchemy.ext.asyncio import AsyncConnection

from services.points.commands import (
    AwardPurchase,
    Command,
    EndCoupon,
    EnrolCustomer,
    HearCustomer,
    Outcome,
    PassOn,
    RefundPurchase,
    Request,
)
from services.points.decisions.events import CUSTOMERS_TOPIC, NOTIFICATIONS_TOPIC, PURCHASES_TOPIC
from services.points.ledger import Ledger
from shared import codes
from shared.contracts.customers import Customer, CustomerErasedEvent, CustomerRegisteredEvent, CustomerUpdatedEvent
from shared.contracts.notifications import CouponRedeemedEvent, CouponVoidedEvent
from shared.contracts.purchases import PurchaseCompletedEvent, PurchaseRefundedEvent
from shared.messaging.events import Received, Status, Subscription, Verdict
from shared.requests import Origin

CONSUMER = "points"
REGISTRATION, FIRST_CONSENT = "registration", "first_consent"
"""Actions that are heard of; the programme says what they are worth."""

TOPICS = (PURCHASES_TOPIC, CUSTOMERS_TOPIC, NOTIFICATIONS_TOPIC)

EVENTS: TypeAdapter[Any] = TypeAdapter(
    Annotated[
        PurchaseCompletedEvent
        | PurchaseRefundedEvent
        | CustomerRegisteredEvent
        | CustomerUpdatedEvent
        | CustomerErasedEvent
        | CouponRedeemedEvent
        | CouponVoidedEvent,
        Discriminator("type"),
    ]
)


def award_purchase(event: PurchaseCompletedEvent, origin: Origin) -> Command:
    return AwardPurchase(event.data, origin)


def refund_purchase(event: PurchaseRefundedEvent, origin: Origin) -> Command:
    return RefundPurchase(event.data, origin)


def enrol_customer(event: CustomerRegisteredEvent, origin: Origin) -> Command:
    enrolled_at = event.data.registered_at or event.time or origin.received_at
    done = (REGISTRATION, *_consented(event.data))
    return EnrolCustomer(event.data.customer_id, enrolled_at, event.data.card_number, origin, done)


def redeem_coupon(event: CouponRedeemedEvent, origin: Origin) -> Command:
    return EndCoupon(codes.spelled(event.data.code) or event.data.code, "redeemed", origin)


def void_coupon(event: CouponVoidedEvent, origin: Origin) -> Command:
    return EndCoupon(codes.spelled(event.data.code) or event.data.code, "voided", origin)


def hear_customer(event: CustomerUpdatedEvent, origin: Origin) -> Command | None:
    done = _consented(event.data)
    return HearCustomer(event.data.customer_id, done, event.time or origin.received_at, origin) if done else None


def _consented(customer: Customer) -> tuple[str, ...]:
    """Return the action of consenting, where a customer's consents grant anything."""
    grants = (each.get("granted") is True or each.get("status") == "granted" for each in customer.consents)
    return (FIRST_CONSENT,) if any(grants) else ()


HANDLERS: dict[str, Callable[[Any, Origin], Command | None]] = {
    "loyalty.purchase.completed.v1": award_purchase,
    "loyalty.purchase.refunded.v1": refund_purchase,
    "loyalty.customer.registered.v1": enrol_customer,
    "loyalty.customer.updated.v1": hear_customer,
    "loyalty.coupon.redeemed.v1": redeem_coupon,
    "loyalty.coupon.voided.v1": void_coupon,
}
"""What is not here asks nothing of the books: it is skipped, or passed on where it came over HTTP."""

VERDICTS: dict[str, Status] = {
    "booked": "accepted",
    "unclaimed": "accepted",
    "repeated": "duplicate",
    "waiting": "waiting",
    "ignored": "skipped",
    "refused": "rejected",
}


def subscription(ledger: Ledger, *, clock: Callable[[], dt.datetime]) -> Subscription:
    """Return what the service hears, for a consumer of any kind."""

    async def handle(connection: AsyncConnection, events: Sequence[Received]) -> list[Verdict]:
        commands = [command_for(each) for each in events]
        asked = [command for command in commands if command is not None]
        replies = await ledger.book(connection, [Request(asked)], now=clock()) if asked else []
        outcomes = iter(replies[0].outcomes if replies else ())
        return [Verdict("skipped") if command is None else verdict_on(next(outcomes)) for command in commands]

    return Subscription(CONSUMER, TOPICS, EVENTS, handle)


def command_for(received: Received, *, relay: bool = False, author: str | None = None) -> Command | None:
    """Return what the event asks of the books; none where it asks nothing."""
    event = received.event
    origin = Origin(
        event.source,
        event.id,
        received.received_at,
        event.time,
        document=received.document if relay else None,
        traceparent=event.traceparent,
        author=author,
    )
    handler = HANDLERS.get(event.type)
    command = None if handler is None else handler(event, origin)
    if command is not None:
        return command
    return PassOn(CUSTOMERS_TOPIC, event.data.customer_id, origin) if relay else None


def verdict_on(outcome: Outcome) -> Verdict:
    return Verdict(VERDICTS[outcome.status], outcome.code, outcome.detail)
