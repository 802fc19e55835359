"""What the notifications service does with what it hears: each event type becomes a command, each outcome a verdict."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Annotated, Any

import orjson
from pydantic import Discriminator, TypeAdapter
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications import news
from services.notifications.commands import (
    SOURCE,
    Command,
    EraseCustomer,
    HearMerge,
    HearProfile,
    HearStanding,
    IssueCoupon,
    Outcome,
    Request,
    TakeBack,
    UseCoupons,
    VoidCoupon,
)
from services.notifications.consent_words import consents_of
from services.notifications.decisions.events import CUSTOMERS_TOPIC
from services.notifications.delivery import Delivery
from services.notifications.programme import Programme
from services.notifications.records import Origin
from services.notifications.rules.coupons import Basket, Line, before_discount, draw, spelled
from services.notifications.rules.profiles import kept
from shared.contracts import points
from shared.contracts.coupons import CouponBenefit
from shared.contracts.customers import CustomerErasedEvent, CustomerRegisteredEvent, CustomerUpdatedEvent
from shared.contracts.points import AccountMergedEvent, RewardCancellingEvent, RewardClaimedEvent
from shared.contracts.purchases import ZERO, PurchaseCompleted, PurchaseCompletedEvent, PurchaseRefundedEvent
from shared.contracts.referrals import (
    PairAcceptedEvent,
    PairCompletedEvent,
    PairExpiredEvent,
    PairInvitedEvent,
    PairReversedEvent,
    ReferralReversedEvent,
    ReferralRewardedEvent,
)
from shared.messaging.events import Received, Status, Subscription, Verdict
from shared.withholding import ERASED

CONSUMER = "notifications"
PURCHASES_TOPIC = "loyalty.purchases"
POINTS_TOPIC = "loyalty.points"
REFERRALS_TOPIC = "loyalty.referrals"
TOPICS = (PURCHASES_TOPIC, CUSTOMERS_TOPIC, POINTS_TOPIC, REFERRALS_TOPIC)

EVENTS: TypeAdapter[Any] = TypeAdapter(
    Annotated[
        PurchaseCompletedEvent
        | PurchaseRefundedEvent
        | CustomerRegisteredEvent
        | CustomerUpdatedEvent
        | CustomerErasedEvent
        | points.Said
        | ReferralRewardedEvent
        | ReferralReversedEvent
        | PairInvitedEvent
        | PairAcceptedEvent
        | PairExpiredEvent
        | PairCompletedEvent
        | PairReversedEvent,
        Discriminator("type"),
    ]
)


def use_coupons(event: PurchaseCompletedEvent, received_at: dt.datetime) -> Command:
    said = event.data
    codes = tuple(dict.fromkeys(map(spelled, said.coupon_codes)))
    occurred_at = said.occurred_at or event.time or received_at
    categories = {each.category for each in said.lines if each.category is not None}
    return UseCoupons(
        said.shop_id,
        said.invoice_number,
        said.total,
        codes,
        occurred_at,
        said.customer_id,
        _basket(said) if codes else None,
        said.currency,
        said.card_number,
        tuple(sorted(categories)),
    )


def _basket(said: PurchaseCompleted) -> Basket:
    """Return what was bought as it was before its discounts; without lines, all as one."""
    lines = tuple(Line(each.amount, each.sku, each.category, Decimal(each.quantity)) for each in said.lines)
    basket = Basket(
        said.currency, lines or (Line(max(said.total - said.shipping, ZERO)),), said.shipping, said.customer_id
    )
    return before_discount(basket, said.discount)


def take_back(event: PurchaseRefundedEvent, _received_at: dt.datetime) -> Command:
    said = event.data
    return TakeBack(said.shop_id, said.invoice_number, said.refund_id, said.amount)


def hear_profile(event: CustomerRegisteredEvent | CustomerUpdatedEvent, received_at: dt.datetime) -> Command | None:
    """Hear the shop's records; what was put in here comes round on the topic, and is no news."""
    if event.source == SOURCE:
        return None
    said, said_at = event.data, event.time or received_at
    fields = kept(said.model_dump(include=said.model_fields_set), said_at)
    is_registration = isinstance(event, CustomerRegisteredEvent)
    registered_at = said.registered_at or (said_at if is_registration else None)
    return HearProfile(said.customer_id, fields, said_at, registered_at)


def hear_standing(event: points.Said, _received_at: dt.datetime) -> Command | None:
    """Hear the balance, the tier and the card, whichever of them it says."""
    said = event.data
    balance, tier = getattr(said, "balance", None), said.to if isinstance(said, points.TierChanged) else None
    card_number = getattr(said, "card_number", None)
    if balance is None and tier is None and card_number is None:
        return None
    return HearStanding(
        event.subject,
        int(event.sequence),
        None if balance is None else balance.available,
        None if balance is None else balance.pending,
        tier,
        card_number,
        getattr(said, "enrolled_at", None),
    )


def erase_customer(event: CustomerErasedEvent, _received_at: dt.datetime) -> Command:
    return EraseCustomer(event.data.customer_id)


def hear_merge(event: AccountMergedEvent, _received_at: dt.datetime) -> Command:
    return HearMerge(event.data.customer_id, event.data.into)


def keep_reward(event: RewardClaimedEvent, _received_at: dt.datetime) -> Command | None:
    said = event.data
    if said.code is None:
        return None
    value, titles = orjson.dumps(said.value).decode(), orjson.dumps(said.titles).decode()
    return IssueCoupon(
        said.claim_id, said.customer_id, "reward", spelled(said.code), value, titles, valid_until=said.valid_until
    )


def cancel_reward(event: RewardCancellingEvent, _received_at: dt.datetime) -> Command:
    said = event.data
    code = None if said.code is None else spelled(said.code)
    return VoidCoupon(said.claim_id, said.customer_id, "reward", said.reason or "cancelled", code)


def issue_reward(event: ReferralRewardedEvent | PairCompletedEvent, _received_at: dt.datetime) -> Command | None:
    """Issue the coupon that a recommendation or a pair brings; points are not ours."""
    said = event.data
    if not isinstance(said.reward, CouponBenefit):
        return None
    terms = said.reward.coupon
    return IssueCoupon(
        said.reward_id,
        said.customer_id,
        _origin(event.type),
        draw(terms.code_prefix),
        terms.value.model_dump_json(),
        orjson.dumps(terms.titles).decode(),
        terms.valid_days,
    )


def take_reward_back(event: ReferralReversedEvent | PairReversedEvent, _received_at: dt.datetime) -> Command | None:
    said = event.data
    if said.reward_id is None or said.reward_kind not in {None, "coupon"}:
        return None
    return VoidCoupon(said.reward_id, said.customer_id, _origin(event.type), said.reason)


def _origin(kind: str) -> Origin:
    return "pair" if kind.startswith("loyalty.pair.") else "referral"


Handler = Callable[[Any, dt.datetime], Command | None]

HANDLERS: dict[str, tuple[Handler, ...]] = {
    "loyalty.purchase.completed.v1": (use_coupons,),
    "loyalty.purchase.refunded.v1": (take_back,),
    "loyalty.customer.registered.v1": (hear_profile,),
    "loyalty.customer.updated.v1": (hear_profile,),
    "loyalty.customer.erased.v1": (erase_customer,),
    "loyalty.account.opened.v1": (hear_standing, news.welcome),
    "loyalty.account.merged.v1": (hear_standing, hear_merge),
    "loyalty.points.awarded.v1": (hear_standing, news.count_awarded),
    "loyalty.points.reversed.v1": (hear_standing, news.count_awarded),
    "loyalty.points.activated.v1": (hear_standing, news.count_activated),
    "loyalty.points.adjusted.v1": (hear_standing, news.count_adjusted),
    "loyalty.points.expiring.v1": (hear_standing, news.tell_expiring),
    "loyalty.tier.changed.v1": (hear_standing, news.tell_tier),
    "loyalty.tier.expiring.v1": (news.tell_dropping,),
    "loyalty.reward.claimed.v1": (hear_standing, keep_reward),
    "loyalty.reward.cancelling.v1": (hear_standing, cancel_reward),
    "loyalty.referral.rewarded.v1": (issue_reward, news.tell_rewarded),
    "loyalty.referral.reversed.v1": (take_reward_back,),
    "loyalty.pair.invited.v1": (news.remind_of_pair,),
    "loyalty.pair.accepted.v1": (news.drop_reminder,),
    "loyalty.pair.expired.v1": (news.drop_reminder,),
    "loyalty.pair.completed.v1": (issue_reward, news.drop_reminder),
    "loyalty.pair.reversed.v1": (take_reward_back,),
}
"""What is done with an event, in this order; any other is one of points, which tells how a customer stands."""

VERDICTS: dict[str, Status] = {
    "refused": "rejected",
    "booked": "accepted",
    "repeated": "duplicate",
    "ignored": "skipped",
}
"""Of several outcomes of one event the first that stands here says what became of it."""


def subscription(delivery: Delivery, *, clock: Callable[[], dt.datetime]) -> Subscription:
    """Return what the service hears, for a consumer of any kind."""

    async def handle(connection: AsyncConnection, events: Sequence[Received]) -> list[Verdict]:
        now = clock()
        programme = (await delivery.versions(connection)).at(now).programme
        asked = [[*commands(each, programme, now)] for each in events]
        request = Request([command for each in asked for command in each])
        replies = await delivery.book(connection, [request], now=now) if request.commands else []
        outcomes = iter(replies[0].outcomes if replies else ())
        return [verdict_on([next(outcomes) for _ in each]) for each in asked]

    return Subscription(CONSUMER, TOPICS, EVENTS, handle)


def commands(received: Received, programme: Programme, now: dt.datetime) -> Iterator[Command]:
    """Yield what an event asks for; what would say nothing is not even looked up."""
    for handler in HANDLERS.get(received.event.type, (hear_standing,)):
        command = handler(received.event, received.received_at)
        if command is not None and not news.is_silent(command, programme, now):
            yield command
    if isinstance(received.event, CustomerRegisteredEvent | CustomerUpdatedEvent) and received.event.source != SOURCE:
        said = received.event.data
        yield from consents_of(said.customer_id, said.consents, received.event.time or received.received_at)


def verdict_on(outcomes: Sequence[Outcome]) -> Verdict:
    if not outcomes:
        return Verdict("skipped")
    if any(each.code == ERASED for each in outcomes):
        return Verdict("skipped", ERASED)
    order = list(VERDICTS)
    first = min(outcomes, key=lambda each: order.index(each.status))
    return Verdict(VERDICTS[first.status], first.code, first.detail)
