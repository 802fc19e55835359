"""What the service says of itself when it hears of it: events of the other services become messages that are planned."""

import datetime as dt
from typing import Any, Literal

from services.notifications.commands import Command, CountPoints, DropMessage, PlanMessage
from services.notifications.programme import Programme
from services.notifications.rules.news import half_way, is_old
from shared.contracts.coupons import Benefit, CouponBenefit
from shared.contracts.points import (
    AccountOpenedEvent,
    PointsActivatedEvent,
    PointsAdjustedEvent,
    PointsAwardedEvent,
    PointsExpiringEvent,
    PointsReversedEvent,
    TierChangedEvent,
    TierExpiringEvent,
)
from shared.contracts.referrals import (
    PairAcceptedEvent,
    PairCompletedEvent,
    PairExpiredEvent,
    PairInvitedEvent,
    ReferralRewardedEvent,
)

DAY = dt.timedelta(days=1)

UP = frozenset({"earned", "given"})
"""Why somebody has another tier, where that is a higher one."""


def is_silent(command: Command, programme: Programme, now: dt.datetime) -> bool:
    """Tell whether a command would say nothing: the message is switched off, or what it tells of is too long ago."""
    match command:
        case PlanMessage(subject=subject, happened_at=happened_at):
            return is_old(happened_at, now) or not getattr(programme.messages, subject).enabled
        case CountPoints(happened_at=happened_at):
            return is_old(happened_at, now) or not programme.messages.points_digest.enabled
        case _:
            return False


# Points


def welcome(event: AccountOpenedEvent, _received_at: dt.datetime) -> Command:
    said = event.data
    content = {"available": said.balance.available}
    return PlanMessage(said.customer_id, "welcome", "account", said.enrolled_at, content)


def count_awarded(event: PointsAwardedEvent | PointsReversedEvent, _received_at: dt.datetime) -> Command:
    return _count(event, awarded=event.data.points)


def count_activated(event: PointsActivatedEvent, _received_at: dt.datetime) -> Command:
    return _count(event, activated=event.data.points)


def count_adjusted(event: PointsAdjustedEvent, _received_at: dt.datetime) -> Command | None:
    """Count what was given or taken; a debt that was written off is neither."""
    said = event.data
    is_given = said.granted_by is not None or said.adjustment_id is not None
    return _count(event, awarded=said.points) if is_given else None


def _count(
    event: PointsAwardedEvent | PointsReversedEvent | PointsActivatedEvent | PointsAdjustedEvent,
    *,
    awarded: int = 0,
    activated: int = 0,
) -> Command:
    said = event.data
    balance, sequence = said.balance, int(event.sequence)
    return CountPoints(
        said.customer_id, sequence, said.occurred_at, awarded, activated, balance.available, balance.pending
    )


def tell_expiring(event: PointsExpiringEvent, _received_at: dt.datetime) -> Command:
    said = event.data
    content = {"points": said.points, "on": said.on, "available": said.balance.available}
    return PlanMessage(said.customer_id, "points_expiring", _name(event), event.time, content, last_day=said.on)


def tell_tier(event: TierChangedEvent, _received_at: dt.datetime) -> Command | None:
    said = event.data
    if said.reason not in UP:
        return None
    content = {"tier": said.to, "before": said.from_}
    return PlanMessage(said.customer_id, "tier_reached", _name(event), event.time, content)


def tell_dropping(event: TierExpiringEvent, _received_at: dt.datetime) -> Command:
    said = event.data
    content = {"tier": said.tier, "to": said.to, "on": said.on, "missing": said.missing, "counts": said.counts}
    last_day = said.on - DAY
    return PlanMessage(said.customer_id, "tier_dropping", _name(event), event.time, content, last_day=last_day)


# Recommendations and pairs


def tell_rewarded(event: ReferralRewardedEvent, _received_at: dt.datetime) -> Command | None:
    """Tell whoever recommended what they got for it; a coupon is issued by the same event."""
    said = event.data
    if said.side != "referrer" or said.partner_id is not None or said.reward.kind == "commission":
        return None
    content: dict[str, Any] = {"rung": said.rung}
    coupon_id = said.reward_id if isinstance(said.reward, CouponBenefit) else None
    if coupon_id is None:
        content["gift"] = _gift(said.reward)
    at = said.occurred_at
    return PlanMessage(said.customer_id, "referral_rewarded", said.reward_id, at, content, coupon_id=coupon_id)


def remind_of_pair(event: PairInvitedEvent, _received_at: dt.datetime) -> Command | None:
    """Remind whoever invited a friend, half-way to the end, unless the friend has come by then."""
    said = event.data
    if said.side != "referrer" or said.reward is None:
        return None
    content = {"gift": _gift(said.reward), "code": said.code, "until": said.expires_at}
    due_at = half_way(said.occurred_at, said.expires_at)
    return PlanMessage(
        said.customer_id, "pair_waiting", said.pair_id, said.occurred_at, content, due_at, said.expires_at
    )


def drop_reminder(
    event: PairAcceptedEvent | PairCompletedEvent | PairExpiredEvent, _received_at: dt.datetime
) -> Command | None:
    said = event.data
    reason: Literal["pair-over", "friend-there"] = "friend-there"
    if isinstance(event, PairExpiredEvent):
        reason = "pair-over"
    return DropMessage(said.customer_id, "pair_waiting", said.pair_id, reason) if said.side == "referrer" else None


def _gift(benefit: Benefit) -> dict[str, Any]:
    """Return what somebody gets as a message tells of it."""
    if isinstance(benefit, CouponBenefit):
        terms = benefit.coupon
        return {"value": terms.value.model_dump(mode="json"), "titles": terms.titles, "code": None, "valid_until": None}
    return {
        "value": benefit.model_dump(mode="json", exclude_none=True),
        "titles": {},
        "code": None,
        "valid_until": None,
    }


def _name(event: PointsExpiringEvent | TierChangedEvent | TierExpiringEvent) -> str:
    return f"{event.source} {event.id}"
