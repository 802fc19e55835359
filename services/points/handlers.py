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
    EraseCustomer,
    GrantPoints,
    HearCustomer,
    Outcome,
    PassOn,
    RefundPurchase,
    Request,
    RevokeGrant,
)
from services.points.decisions.events import CUSTOMERS_TOPIC, NOTIFICATIONS_TOPIC, PURCHASES_TOPIC, REFERRALS_TOPIC
from services.points.ledger import Ledger
from shared import codes
from shared.contracts.coupons import PointsBenefit
from shared.contracts.customers import Customer, CustomerErasedEvent, CustomerRegisteredEvent, CustomerUpdatedEvent
from shared.contracts.notifications import (
    CouponIssuedEvent,
    CouponRedeemedEvent,
    CouponVoidedEvent,
    SurveyAnsweredEvent,
)
from shared.contracts.purchases import PurchaseCompletedEvent, PurchaseRefundedEvent
from shared.contracts.referrals import (
    PairCompleted,
    PairCompletedEvent,
    PairReversed,
    PairReversedEvent,
    ReferralReversed,
    ReferralReversedEvent,
    ReferralRewarded,
    ReferralRewardedEvent,
)
from shared.messaging.events import Received, Status, Subscription, Verdict
from shared.requests import Origin
from shared.withholding import ERASED

CONSUMER = "points"
REGISTRATION, FIRST_CONSENT, SURVEY = "registration", "first_consent", "survey"
"""Actions that are heard of; the programme says what they are worth."""

REFERRALS, NOTIFICATIONS = "referrals", "notifications"
"""Who owes points: with the name that each gives them they are booked once."""

TOPICS = (PURCHASES_TOPIC, CUSTOMERS_TOPIC, REFERRALS_TOPIC, NOTIFICATIONS_TOPIC)

Handed = (
    PurchaseCompletedEvent
    | PurchaseRefundedEvent
    | CustomerRegisteredEvent
    | CustomerUpdatedEvent
    | CustomerErasedEvent
    | CouponRedeemedEvent
    | CouponVoidedEvent
)
HANDED: TypeAdapter[Any] = TypeAdapter(Annotated[Handed, Discriminator("type")])
"""What may also come over HTTP: what is owed to customers is heard only from the services that owe it."""

EVENTS: TypeAdapter[Any] = TypeAdapter(
    Annotated[
        Handed
        | ReferralRewardedEvent
        | ReferralReversedEvent
        | PairCompletedEvent
        | PairReversedEvent
        | CouponIssuedEvent
        | SurveyAnsweredEvent,
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


def erase_customer(event: CustomerErasedEvent, origin: Origin) -> Command:
    return EraseCustomer(event.data.customer_id, origin)


def reward_referral(event: ReferralRewardedEvent, origin: Origin) -> Command | None:
    return _grant(event.data, "referral", origin)


def complete_pair(event: PairCompletedEvent, origin: Origin) -> Command | None:
    return _grant(event.data, "pair", origin)


def _grant(said: ReferralRewarded | PairCompleted, rule: str, origin: Origin) -> Command | None:
    reward = said.reward
    if not isinstance(reward, PointsBenefit):
        return None
    return GrantPoints(
        REFERRALS, said.reward_id, said.customer_id, reward.points, rule, said.occurred_at, origin, reward.expires_on
    )


def reverse_reward(event: ReferralReversedEvent | PairReversedEvent, origin: Origin) -> Command | None:
    """Take back what may be points; of what is said to be something else, whoever gave it takes it back."""
    said: ReferralReversed | PairReversed = event.data
    if said.reward_id is None or said.reward_kind not in {None, "points"}:
        return None
    return RevokeGrant(REFERRALS, said.reward_id, said.customer_id, said.reason, said.occurred_at, origin)


def issue_coupon(event: CouponIssuedEvent, origin: Origin) -> Command | None:
    said, value = event.data, event.data.value
    if not isinstance(value, PointsBenefit):
        return None
    rule, occurred_at = said.occasion or "coupon", said.occurred_at or event.time or origin.received_at
    return GrantPoints(
        NOTIFICATIONS, said.coupon_id, said.customer_id, value.points, rule, occurred_at, origin, value.expires_on
    )


def answer_survey(event: SurveyAnsweredEvent, origin: Origin) -> Command:
    occurred_at = event.data.occurred_at or event.time or origin.received_at
    return HearCustomer(event.data.customer_id, (SURVEY,), occurred_at, origin)


def _consented(customer: Customer) -> tuple[str, ...]:
    """Return the action of consenting, where a customer's consents grant anything."""
    return (FIRST_CONSENT,) if any(each.is_given for each in customer.consents) else ()


HANDLERS: dict[str, Callable[[Any, Origin], Command | None]] = {
    "loyalty.purchase.completed.v1": award_purchase,
    "loyalty.purchase.refunded.v1": refund_purchase,
    "loyalty.customer.registered.v1": enrol_customer,
    "loyalty.customer.updated.v1": hear_customer,
    "loyalty.customer.erased.v1": erase_customer,
    "loyalty.coupon.redeemed.v1": redeem_coupon,
    "loyalty.coupon.voided.v1": void_coupon,
    "loyalty.coupon.issued.v1": issue_coupon,
    "loyalty.survey.answered.v1": answer_survey,
    "loyalty.referral.rewarded.v1": reward_referral,
    "loyalty.referral.reversed.v1": reverse_reward,
    "loyalty.pair.completed.v1": complete_pair,
    "loyalty.pair.reversed.v1": reverse_reward,
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
    if outcome.code == ERASED:
        return Verdict("skipped", ERASED)
    return Verdict(VERDICTS[outcome.status], outcome.code, outcome.detail)
