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
    Command,
    IssueCoupon,
    Outcome,
    Request,
    TakeBack,
    UseCoupons,
    VoidCoupon,
)
from services.notifications.delivery import Delivery
from services.notifications.programme import Programme
from services.notifications.records import Origin
from services.notifications.rules.coupons import Basket, Line, before_discount, draw, spelled
from shared.contracts.coupons import CouponBenefit
from shared.contracts.points import (
    AccountOpenedEvent,
    PointsActivatedEvent,
    PointsAdjustedEvent,
    PointsAwardedEvent,
    PointsExpiringEvent,
    PointsReversedEvent,
    RewardCancellingEvent,
    RewardClaimedEvent,
    TierChangedEvent,
    TierExpiringEvent,
)
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

CONSUMER = "notifications"
PURCHASES_TOPIC = "loyalty.purchases"
POINTS_TOPIC = "loyalty.points"
REFERRALS_TOPIC = "loyalty.referrals"
TOPICS = (PURCHASES_TOPIC, POINTS_TOPIC, REFERRALS_TOPIC)

EVENTS: TypeAdapter[Any] = TypeAdapter(
    Annotated[
        PurchaseCompletedEvent
        | PurchaseRefundedEvent
        | RewardClaimedEvent
        | RewardCancellingEvent
        | AccountOpenedEvent
        | PointsAwardedEvent
        | PointsReversedEvent
        | PointsActivatedEvent
        | PointsAdjustedEvent
        | PointsExpiringEvent
        | TierChangedEvent
        | TierExpiringEvent
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


def use_coupons(event: PurchaseCompletedEvent, received_at: dt.datetime) -> Command | None:
    said = event.data
    if not said.coupon_codes:
        return None
    codes = tuple(dict.fromkeys(map(spelled, said.coupon_codes)))
    occurred_at = said.occurred_at or event.time or received_at
    return UseCoupons(
        said.shop_id, said.invoice_number, said.total, codes, occurred_at, said.customer_id, _basket(said)
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
    "loyalty.account.opened.v1": (news.welcome,),
    "loyalty.points.awarded.v1": (news.count_awarded,),
    "loyalty.points.reversed.v1": (news.count_awarded,),
    "loyalty.points.activated.v1": (news.count_activated,),
    "loyalty.points.adjusted.v1": (news.count_adjusted,),
    "loyalty.points.expiring.v1": (news.tell_expiring,),
    "loyalty.tier.changed.v1": (news.tell_tier,),
    "loyalty.tier.expiring.v1": (news.tell_dropping,),
    "loyalty.reward.claimed.v1": (keep_reward,),
    "loyalty.reward.cancelling.v1": (cancel_reward,),
    "loyalty.referral.rewarded.v1": (issue_reward, news.tell_rewarded),
    "loyalty.referral.reversed.v1": (take_reward_back,),
    "loyalty.pair.invited.v1": (news.remind_of_pair,),
    "loyalty.pair.accepted.v1": (news.drop_reminder,),
    "loyalty.pair.expired.v1": (news.drop_reminder,),
    "loyalty.pair.completed.v1": (issue_reward, news.drop_reminder),
    "loyalty.pair.reversed.v1": (take_reward_back,),
}
"""What is done with an event, in this order."""

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
    for handler in HANDLERS[received.event.type]:
        command = handler(received.event, received.received_at)
        if command is not None and not news.is_silent(command, programme, now):
            yield command


def verdict_on(outcomes: Sequence[Outcome]) -> Verdict:
    if not outcomes:
        return Verdict("skipped")
    order = list(VERDICTS)
    first = min(outcomes, key=lambda each: order.index(each.status))
    return Verdict(VERDICTS[first.status], first.code, first.detail)
