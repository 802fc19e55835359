"""What the referrals service says on `loyalty.referrals`: recommendations, pairs, and what is due to whom for them.

An event about two customers is written once for each, with its own `customer_id` and number.
"""

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from shared.contracts.coupons import Benefit, CouponBenefit, PointsBenefit
from shared.contracts.customers import CustomerWithheld
from shared.contracts.envelope import Envelope
from shared.contracts.points import Sequence
from shared.contracts.values import Currency, CustomerId, Identifier, Money

Side = Literal["referrer", "friend"]
RewardKind = Literal["points", "coupon", "commission"]
"""Of a reward that is taken back: so that only whoever gave it need look for it."""

REFERRAL = "5d0c7e6a-0e0b-4f0c-9a2f-3f6d1f3c9a10"
COMMISSION: JsonValue = {
    "kind": "commission",
    "amount": "8.93",
    "currency": "EUR",
    "shop_id": "webshop-de",
    "invoice_number": "R-2026-000123",
}
PAIR = "9b1f0f4e-1f3c-4a51-9d7a-2f6f0c1f8f20"


class Commission(BaseModel):
    """Money for a sale that stands on a partner's statement: the shop owes it, or takes it back."""

    kind: Literal["commission"]
    amount: Money
    currency: Currency
    shop_id: Identifier
    invoice_number: Identifier


class ReferralSaid(BaseModel):
    """A recommendation; of a partner's `partner_id` takes the place of `referrer_id`, and is `customer_id` where it is told."""

    customer_id: CustomerId
    referral_id: Identifier
    side: Side
    code: Identifier
    friend_id: CustomerId
    referrer_id: CustomerId | None = None
    partner_id: Identifier | None = None
    programme_version: int
    occurred_at: dt.datetime


def _said(**more: JsonValue) -> dict[str, JsonValue]:
    said: dict[str, JsonValue] = {
        "customer_id": "c-42",
        "referral_id": REFERRAL,
        "side": "referrer",
        "code": "7K2M-9QFS",
        "friend_id": "c-43",
        "referrer_id": "c-42",
        "programme_version": 1,
        "occurred_at": "2026-11-23T09:15:00Z",
    }
    return said | more


def _example(**more: JsonValue) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [_said(**more)]})


def _with_partners(own: dict[str, JsonValue], partners: dict[str, JsonValue]) -> ConfigDict:
    """An example of a customer's, and one of a partner's."""
    of_partner = _said(customer_id="wine-blog", partner_id="wine-blog", code="WINEBLOG24")
    of_partner.pop("referrer_id")
    return ConfigDict(json_schema_extra={"examples": [_said(**own), of_partner | partners]})


class ReferralRegistered(ReferralSaid):
    """A friend claimed a code; under `review` staff decide until `review_until`."""

    model_config = _example(status="claimed", qualifies_until="2027-02-21T23:00:00Z")

    status: Literal["claimed", "review"]
    qualifies_until: dt.datetime
    review_until: dt.datetime | None = None


class ReferralQualified(ReferralSaid):
    """The friend made the purchase that counts; the referrer's reward is due at `hold_until`.

    A partner is told of every purchase that earns a commission.
    """

    model_config = _example(shop_id="webshop-de", invoice_number="R-2026-000123", hold_until="2026-12-07T09:15:00Z")

    shop_id: Identifier
    invoice_number: Identifier
    hold_until: dt.datetime


class ReferralRewarded(ReferralSaid):
    """`customer_id` gets `reward`, once for each `reward_id` for ever; `rung` tells a bonus for so many recommendations."""

    model_config = _with_partners(
        {"reward_id": f"{REFERRAL}/referrer/1", "reward": {"kind": "points", "points": 500}},
        {"reward_id": f"{REFERRAL}/partner/1", "reward": COMMISSION},
    )

    reward_id: Identifier
    reward: Annotated[PointsBenefit | CouponBenefit | Commission, Field(discriminator="kind")]
    rung: int | None = None


class ReferralRejected(ReferralSaid):
    """A claim was refused, or taken back because of what came to be known."""

    model_config = _example(reason="bought-before")

    reason: str


class ReferralReversed(ReferralSaid):
    """The purchase that counted was taken back; what `customer_id` got for it is taken back too, where they had it.

    Of a commission only `taken_back` is: the next refund of the same purchase may take back more of the same reward.
    """

    model_config = _with_partners(
        {"reward_id": f"{REFERRAL}/referrer/1", "reason": "refunded"},
        {
            "reward_id": f"{REFERRAL}/partner/1",
            "reward_kind": "commission",
            "taken_back": COMMISSION,
            "reason": "refunded",
        },
    )

    reward_id: Identifier | None
    reward_kind: RewardKind | None = None
    taken_back: Commission | None = None
    reason: str


class PairSaid(BaseModel):
    """An offer for an existing customer and a friend; without `friend_id` nobody has accepted yet."""

    customer_id: CustomerId
    pair_id: Identifier
    side: Side
    offer_id: Identifier
    kind: Literal["joint_basket", "each_buys"]
    referrer_id: CustomerId
    friend_id: CustomerId | None = None
    expires_at: dt.datetime
    occurred_at: dt.datetime


def _pair_example(**more: JsonValue) -> ConfigDict:
    said: dict[str, JsonValue] = {
        "customer_id": "c-42",
        "pair_id": PAIR,
        "side": "referrer",
        "offer_id": "winter-for-two",
        "kind": "each_buys",
        "referrer_id": "c-42",
        "friend_id": "c-43",
        "expires_at": "2026-12-23T23:00:00Z",
        "occurred_at": "2026-11-23T09:15:00Z",
    }
    return ConfigDict(json_schema_extra={"examples": [said | more]})


class PairInvited(PairSaid):
    """A customer invited a friend; `code` is what the friend accepts with, `reward` what each of them is to get."""

    model_config = _pair_example(code="4T3H-B7KM", reward={"kind": "points", "points": 200})

    code: Identifier
    reward: Benefit | None = None


class PairAccepted(PairSaid):
    """The friend accepted: now both have until `expires_at`."""

    model_config = _pair_example()


class PairCompleted(PairSaid):
    """Both did what the offer asks; `customer_id` gets `reward`, once for each `reward_id` for ever."""

    model_config = _pair_example(reward_id=f"{PAIR}/referrer/1", reward={"kind": "points", "points": 200})

    reward_id: Identifier
    reward: Benefit


class PairExpired(PairSaid):
    """The time is over, and neither gets anything."""

    model_config = _pair_example(reason="time-over")

    reason: str


class PairReversed(PairSaid):
    """A purchase that counted was taken back, and with it what both got."""

    model_config = _pair_example(reward_id=f"{PAIR}/referrer/1", reason="refunded")

    reward_id: Identifier
    reward_kind: RewardKind | None = None
    reason: str


class SequencedEnvelope(Envelope):
    """`sequence` counts the events of a customer, or a partner, on this topic from 1 without a gap."""

    subject: CustomerId
    time: dt.datetime
    sequence: Sequence


class ReferralRegisteredEvent(SequencedEnvelope):
    """A friend claimed a code."""

    type: Literal["loyalty.referral.registered.v1"]
    data: ReferralRegistered


class ReferralQualifiedEvent(SequencedEnvelope):
    """A recommendation led to a purchase."""

    type: Literal["loyalty.referral.qualified.v1"]
    data: ReferralQualified


class ReferralRewardedEvent(SequencedEnvelope):
    """A reward for a recommendation is due."""

    type: Literal["loyalty.referral.rewarded.v1"]
    data: ReferralRewarded


class ReferralRejectedEvent(SequencedEnvelope):
    """A recommendation does not count."""

    type: Literal["loyalty.referral.rejected.v1"]
    data: ReferralRejected


class ReferralReversedEvent(SequencedEnvelope):
    """A recommendation does not count any more."""

    type: Literal["loyalty.referral.reversed.v1"]
    data: ReferralReversed


class PairInvitedEvent(SequencedEnvelope):
    """A pair begins."""

    type: Literal["loyalty.pair.invited.v1"]
    data: PairInvited


class PairAcceptedEvent(SequencedEnvelope):
    """A pair has its two."""

    type: Literal["loyalty.pair.accepted.v1"]
    data: PairAccepted


class PairCompletedEvent(SequencedEnvelope):
    """A pair did what it was asked."""

    type: Literal["loyalty.pair.completed.v1"]
    data: PairCompleted


class PairExpiredEvent(SequencedEnvelope):
    """A pair's time is over."""

    type: Literal["loyalty.pair.expired.v1"]
    data: PairExpired


class PairReversedEvent(SequencedEnvelope):
    """A pair's rewards are taken back."""

    type: Literal["loyalty.pair.reversed.v1"]
    data: PairReversed


class CustomerWithheldEvent(SequencedEnvelope):
    """Stands in for what had not left yet when its customer was erased, so that no number is missing."""

    type: Literal["loyalty.customer.withheld.v1"]
    data: CustomerWithheld


EVENTS: TypeAdapter[Any] = TypeAdapter(
    Annotated[
        ReferralRegisteredEvent
        | ReferralQualifiedEvent
        | ReferralRewardedEvent
        | ReferralRejectedEvent
        | ReferralReversedEvent
        | PairInvitedEvent
        | PairAcceptedEvent
        | PairCompletedEvent
        | PairExpiredEvent
        | PairReversedEvent
        | CustomerWithheldEvent,
        Field(discriminator="type"),
    ]
)
