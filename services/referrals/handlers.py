"""What the referrals service does with what it hears: each event type becomes a command, each outcome a verdict."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from pydantic import Discriminator, TypeAdapter
from sqlalchemy.ext.asyncio import AsyncConnection

from services.referrals.commands import (
    Command,
    EraseCustomer,
    HearCard,
    HearCustomer,
    HearMerge,
    HearPurchase,
    HearRefund,
    HearTier,
    Outcome,
    Request,
)
from services.referrals.contacts import Contacts
from services.referrals.lifecycle import Lifecycle
from services.referrals.rules import codes
from shared.contracts.customers import CustomerErasedEvent, CustomerRegisteredEvent, CustomerUpdatedEvent
from shared.contracts.points import AccountMergedEvent, AccountOpenedEvent, CardReplacedEvent, TierChangedEvent
from shared.contracts.purchases import PurchaseCompletedEvent, PurchaseRefundedEvent
from shared.messaging.events import Received, Status, Subscription, Verdict
from shared.requests import Origin
from shared.withholding import ERASED

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
        | AccountOpenedEvent
        | CardReplacedEvent
        | AccountMergedEvent
        | TierChangedEvent,
        Discriminator("type"),
    ]
)


def hear_purchase(event: PurchaseCompletedEvent, origin: Origin, _contacts: Contacts) -> Command:
    return HearPurchase(event.data, origin)


def hear_refund(event: PurchaseRefundedEvent, origin: Origin, _contacts: Contacts) -> Command:
    return HearRefund(event.data, origin)


def hear_registration(event: CustomerRegisteredEvent, origin: Origin, contacts: Contacts) -> Command:
    said = event.data
    code = said.referral_code
    return HearCustomer(
        said.customer_id,
        contacts.hashed(email=said.email, phone=said.phone),
        said.card_number,
        None if code is None else codes.spelled(code) or code,
        said.registered_at or origin.time or origin.received_at,
        origin,
    )


def hear_change(event: CustomerUpdatedEvent, origin: Origin, contacts: Contacts) -> Command:
    """A code that stands in a customer's record is no news: it was claimed when they registered."""
    said = event.data
    contact = contacts.hashed(email=said.email, phone=said.phone)
    happened_at = origin.time or origin.received_at
    return HearCustomer(said.customer_id, contact, said.card_number, None, happened_at, origin)


def erase_customer(event: CustomerErasedEvent, origin: Origin, _contacts: Contacts) -> Command:
    return EraseCustomer(event.data.customer_id, origin)


def hear_card(event: AccountOpenedEvent | CardReplacedEvent, _origin: Origin, _contacts: Contacts) -> Command:
    return HearCard(event.data.card_number, event.data.customer_id)


def hear_merge(event: AccountMergedEvent, _origin: Origin, _contacts: Contacts) -> Command:
    return HearMerge(event.data.customer_id, event.data.into)


def hear_tier(event: TierChangedEvent, _origin: Origin, _contacts: Contacts) -> Command:
    return HearTier(event.data.customer_id, event.data.to)


HANDLERS: dict[str, Callable[[Any, Origin, Contacts], Command]] = {
    "loyalty.purchase.completed.v1": hear_purchase,
    "loyalty.purchase.refunded.v1": hear_refund,
    "loyalty.customer.registered.v1": hear_registration,
    "loyalty.customer.updated.v1": hear_change,
    "loyalty.customer.erased.v1": erase_customer,
    "loyalty.account.opened.v1": hear_card,
    "loyalty.card.replaced.v1": hear_card,
    "loyalty.account.merged.v1": hear_merge,
    "loyalty.tier.changed.v1": hear_tier,
}

VERDICTS: dict[str, Status] = {
    "booked": "accepted",
    "repeated": "duplicate",
    "waiting": "waiting",
    "ignored": "skipped",
    "refused": "rejected",
}


def subscription(lifecycle: Lifecycle, *, contacts: Contacts, clock: Callable[[], dt.datetime]) -> Subscription:
    """Return what the service hears, for a consumer of any kind."""

    async def handle(connection: AsyncConnection, events: Sequence[Received]) -> list[Verdict]:
        commands = [command_for(each, contacts) for each in events]
        replies = await lifecycle.book(connection, [Request(commands)], now=clock())
        return [verdict_on(outcome) for outcome in replies[0].outcomes]

    return Subscription(CONSUMER, TOPICS, EVENTS, handle)


def command_for(received: Received, contacts: Contacts) -> Command:
    """Return what the event asks of the books."""
    event = received.event
    origin = Origin(event.source, event.id, received.received_at, event.time)
    return HANDLERS[event.type](event, origin, contacts)


def verdict_on(outcome: Outcome) -> Verdict:
    if outcome.code == ERASED:
        return Verdict("skipped", ERASED)
    return Verdict(VERDICTS[outcome.status], outcome.code, outcome.detail)
