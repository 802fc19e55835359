"""What the points service says on `loyalty.points`."""

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

from shared.contracts.customers import CustomerWithheld
from shared.contracts.envelope import Envelope
from shared.contracts.values import CardNumber, Currency, CustomerId, Identifier, Money

Sequence = Annotated[str, StringConstraints(pattern=r"^[0-9]{20}$")]


class Balance(BaseModel):
    """A customer's points directly after the event; `available` below zero is a debt."""

    available: int
    pending: int
    held: int


class BreakdownLine(BaseModel):
    """How much of the points a rule gave or took; a cap may have cut it from more."""

    rule: str
    points: int
    capped_from: int | None = None


class PointsBooked(BaseModel):
    """An entry: `points` is signed, as in the ledger, and the breakdown adds up to it."""

    customer_id: CustomerId
    points: int
    balance: Balance
    breakdown: list[BreakdownLine]
    entry_sequence: int
    occurred_at: dt.datetime


class PointsAwarded(PointsBooked):
    """Points for a purchase, by the programme version that is named."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "c-42",
                    "balance": {"available": 320, "pending": 0, "held": 0},
                    "entry_sequence": 7,
                    "occurred_at": "2026-11-23T09:15:00Z",
                    "points": 114,
                    "breakdown": [{"rule": "base", "points": 114}],
                    "shop_id": "webshop-de",
                    "invoice_number": "R-2026-000123",
                    "programme_version": 1,
                }
            ]
        }
    )

    shop_id: Identifier
    invoice_number: Identifier
    programme_version: int
    status: Literal["available", "pending"] = "available"
    available_at: dt.datetime | None = None
    expires_on: dt.date | None = None


class PointsReversed(PointsAwarded):
    """Points clawed back, by the version that awarded them: a purchase was refunded, or settled with points."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "c-42",
                    "balance": {"available": 320, "pending": 0, "held": 0},
                    "entry_sequence": 7,
                    "occurred_at": "2026-11-23T09:15:00Z",
                    "points": -34,
                    "breakdown": [{"rule": "clawback", "points": -34}],
                    "shop_id": "webshop-de",
                    "invoice_number": "R-2026-000123",
                    "programme_version": 1,
                    "refund_id": "G-2026-000017",
                }
            ]
        }
    )

    refund_id: Identifier | None = None
    redemption_id: str | None = None


class PointsAdjusted(PointsBooked):
    """Points without a purchase: by hand, for an action, granted by another service, or a debt that was written off.

    `expires_on` is their last day, where it is their own. `granted_by` and `reward_id` name what another service owed, which
    comes with fewer than no points where it is taken back.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "c-42",
                    "balance": {"available": 320, "pending": 0, "held": 0},
                    "entry_sequence": 7,
                    "occurred_at": "2026-11-23T09:15:00Z",
                    "points": 50,
                    "breakdown": [{"rule": "adjustment", "points": 50}],
                    "reason": "complaint 4711",
                    "kind": "goodwill",
                    "expires_on": "2027-03-31",
                    "adjustment_id": "7d1f8f0e-5d2b-4f86-9a59-0d9f7f9b8f11",
                }
            ]
        }
    )

    reason: str
    adjustment_id: str | None = None
    granted_by: str | None = None
    reward_id: str | None = None
    kind: Literal["goodwill", "surprise", "correction"] | None = None
    expires_on: dt.date | None = None


class PointsActivated(PointsBooked):
    """Points that waited can be spent now; what the account owed was taken out of them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "c-42",
                    "balance": {"available": 320, "pending": 0, "held": 0},
                    "entry_sequence": 8,
                    "occurred_at": "2026-12-08T00:00:00Z",
                    "points": 114,
                    "breakdown": [{"rule": "activation", "points": 114}],
                    "lot": 7,
                }
            ]
        }
    )

    lot: int


class PointsExpired(PointsBooked):
    """Points ended with the local day that is named."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "c-42",
                    "balance": {"available": 240, "pending": 0, "held": 0},
                    "entry_sequence": 9,
                    "occurred_at": "2027-02-01T00:00:00Z",
                    "points": -80,
                    "breakdown": [{"rule": "expiry", "points": -80}],
                    "expired_on": "2027-01-31",
                }
            ]
        }
    )

    expired_on: dt.date


class PointsHeld(PointsBooked):
    """Points that nobody else can spend until they are captured or let go; `points` leave the available side."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "c-42",
                    "balance": {"available": 220, "pending": 0, "held": 100},
                    "entry_sequence": 8,
                    "occurred_at": "2026-11-23T09:15:00Z",
                    "points": -100,
                    "breakdown": [{"rule": "hold", "points": -100}],
                    "redemption_id": "0b7a4f6e-2f3c-4a53-9d0e-6a1f0f6f1c11",
                    "hold_until": "2026-11-23T09:25:00Z",
                }
            ]
        }
    )

    redemption_id: str
    hold_until: dt.datetime


class PointsReleased(PointsBooked):
    """Held points that are available again."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "c-42",
                    "balance": {"available": 320, "pending": 0, "held": 0},
                    "entry_sequence": 8,
                    "occurred_at": "2026-11-23T09:15:00Z",
                    "points": 100,
                    "breakdown": [{"rule": "release", "points": 100}],
                    "redemption_id": "0b7a4f6e-2f3c-4a53-9d0e-6a1f0f6f1c11",
                    "reason": "timed_out",
                }
            ]
        }
    )

    redemption_id: str
    reason: Literal["released", "timed_out"]


class PointsRedeemed(PointsBooked):
    """Points that were spent, at once or out of a hold."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "c-42",
                    "balance": {"available": 220, "pending": 0, "held": 0},
                    "entry_sequence": 8,
                    "occurred_at": "2026-11-23T09:15:00Z",
                    "points": -100,
                    "breakdown": [{"rule": "redemption", "points": -100}],
                    "redemption_id": "0b7a4f6e-2f3c-4a53-9d0e-6a1f0f6f1c11",
                }
            ]
        }
    )

    redemption_id: str


class PointsRestored(PointsBooked):
    """Spent points that were given back."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "c-42",
                    "balance": {"available": 320, "pending": 0, "held": 0},
                    "entry_sequence": 8,
                    "occurred_at": "2026-11-23T09:15:00Z",
                    "points": 100,
                    "breakdown": [{"rule": "restoration", "points": 100}],
                    "redemption_id": "0b7a4f6e-2f3c-4a53-9d0e-6a1f0f6f1c11",
                }
            ]
        }
    )

    redemption_id: str


class RewardSaid(BaseModel):
    """A reward and its claim; `points` is what was paid, `code` what tills take for it where it is a coupon."""

    customer_id: CustomerId
    claim_id: str
    reward_id: Identifier
    kind: str
    points: int
    balance: Balance
    occurred_at: dt.datetime
    code: str | None


class RewardClaimed(RewardSaid):
    """A customer has claimed a reward; what it gives is `value`, until `valid_until` where it ends."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "c-42",
                    "claim_id": "2c1f4b52-6f0e-4bd6-9d58-6f0f5b0c7a11",
                    "reward_id": "five-euros",
                    "kind": "money_voucher",
                    "points": 500,
                    "balance": {"available": 220, "pending": 0, "held": 0},
                    "occurred_at": "2026-11-23T09:15:00Z",
                    "code": "XMAS-7K2M-9QF4-T3HJ",
                    "redemption_id": "0b7a4f6e-2f3c-4a53-9d0e-6a1f0f6f1c11",
                    "value": {"kind": "money_voucher", "amount": "5.00", "currency": "EUR", "minimum": "0"},
                    "valid_until": "2027-02-21T23:00:00Z",
                    "titles": {"de": "5 Euro Gutschein", "en": "5 euros off"},
                }
            ]
        }
    )

    redemption_id: str
    value: dict[str, Any]
    valid_until: dt.datetime | None
    titles: dict[str, str]


class RewardCancelling(RewardSaid):
    """A claim is to be taken back: whoever keeps its coupon says whether that is still possible."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "c-42",
                    "claim_id": "2c1f4b52-6f0e-4bd6-9d58-6f0f5b0c7a11",
                    "reward_id": "five-euros",
                    "kind": "money_voucher",
                    "points": 500,
                    "balance": {"available": 220, "pending": 0, "held": 0},
                    "occurred_at": "2026-11-24T10:00:00Z",
                    "code": "XMAS-7K2M-9QF4-T3HJ",
                    "reason": "ordered by mistake",
                }
            ]
        }
    )

    reason: str


class RewardCancelled(RewardSaid):
    """A claim was taken back, and its points are with the customer again."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "c-42",
                    "claim_id": "2c1f4b52-6f0e-4bd6-9d58-6f0f5b0c7a11",
                    "reward_id": "five-euros",
                    "kind": "money_voucher",
                    "points": 500,
                    "balance": {"available": 720, "pending": 0, "held": 0},
                    "occurred_at": "2026-11-24T10:00:02Z",
                    "code": "XMAS-7K2M-9QF4-T3HJ",
                    "redemption_id": "0b7a4f6e-2f3c-4a53-9d0e-6a1f0f6f1c11",
                    "reason": "ordered by mistake",
                }
            ]
        }
    )

    redemption_id: str
    reason: str | None


class RewardFulfilled(RewardSaid):
    """A customer has what they claimed; its points never come back."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "c-42",
                    "claim_id": "2c1f4b52-6f0e-4bd6-9d58-6f0f5b0c7a11",
                    "reward_id": "five-euros",
                    "kind": "money_voucher",
                    "points": 500,
                    "balance": {"available": 220, "pending": 0, "held": 0},
                    "occurred_at": "2026-12-01T16:20:00Z",
                    "code": "XMAS-7K2M-9QF4-T3HJ",
                }
            ]
        }
    )


class PurchaseSettled(PointsBooked):
    """A past purchase was paid with points: the shop gives that amount back in money."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "c-42",
                    "balance": {"available": 220, "pending": 0, "held": 0},
                    "entry_sequence": 8,
                    "occurred_at": "2026-11-23T09:15:00Z",
                    "points": -1000,
                    "breakdown": [{"rule": "settlement", "points": -1000}],
                    "redemption_id": "0b7a4f6e-2f3c-4a53-9d0e-6a1f0f6f1c11",
                    "shop_id": "webshop-de",
                    "invoice_number": "R-2026-000123",
                    "currency": "EUR",
                    "amount": "10.00",
                }
            ]
        }
    )

    redemption_id: str
    shop_id: Identifier
    invoice_number: Identifier
    currency: Currency
    amount: Money


class PointsExpiring(BaseModel):
    """Points that will end with the local day that is named, told once and ahead of time."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "c-42",
                    "points": 80,
                    "on": "2027-01-31",
                    "balance": {"available": 320, "pending": 0, "held": 0},
                }
            ]
        }
    )

    customer_id: CustomerId
    points: int
    on: dt.date
    balance: Balance


class TierChanged(BaseModel):
    """A customer's tier: `earned`, `reviewed`, `given` by hand, `taken back`, or that of a `merged` account."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"customer_id": "c-42", "from": "Basic", "to": "Silver", "since": "2026-11-23", "reason": "earned"}
            ]
        }
    )

    customer_id: CustomerId
    from_: str = Field(alias="from")
    to: str
    since: dt.date
    reason: str


class TierExpiring(BaseModel):
    """The review of that day will lower the tier, unless so much more is earned before."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "c-42",
                    "tier": "Gold",
                    "to": "Silver",
                    "on": "2027-01-01",
                    "missing": 220,
                    "counts": "points",
                }
            ]
        }
    )

    customer_id: CustomerId
    tier: str
    to: str
    on: dt.date
    missing: int
    counts: Literal["points", "spend"] = "points"
    """What is missing: points, or whole units of money."""


class AccountChanged(BaseModel):
    """An account was blocked, closed or opened again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"customer_id": "c-42", "status": "blocked"}]})

    customer_id: CustomerId
    status: Literal["active", "blocked", "closed"]


class CardReplaced(BaseModel):
    """A customer has another card; the one before still names them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"customer_id": "c-42", "card_number": "2990000000439", "replaced": "2990000000422"}]
        }
    )

    customer_id: CustomerId
    card_number: CardNumber
    replaced: CardNumber


class AccountMerged(BaseModel):
    """One account goes on in another; said for both customers."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"customer_id": "c-42", "into": "c-43", "balance": {"available": 0, "pending": 0, "held": 0}}]
        }
    )

    customer_id: CustomerId
    into: CustomerId
    balance: Balance


class PoolChanged(BaseModel):
    """A customer spends with a household from now on, or alone again; their points stay theirs."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "c-42",
                    "pool_id": "9f0c6a4e-0b0e-4a0b-b3b3-2f0d7b8a1c33",
                    "balance": {"available": 320, "pending": 0, "held": 0},
                }
            ]
        }
    )

    customer_id: CustomerId
    pool_id: str
    balance: Balance


class AccountOpened(BaseModel):
    """A customer has an account now, and this card."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "c-42",
                    "card_number": "2990000000422",
                    "enrolled_at": "2026-11-23T09:15:00Z",
                    "balance": {"available": 0, "pending": 0, "held": 0},
                }
            ]
        }
    )

    customer_id: CustomerId
    card_number: CardNumber
    enrolled_at: dt.datetime
    balance: Balance


class SequencedEnvelope(Envelope):
    """`sequence` counts the customer's events on this topic from 1 without a gap."""

    subject: CustomerId
    time: dt.datetime
    sequence: Sequence


class PointsAwardedEvent(SequencedEnvelope):
    """Points were awarded for a purchase."""

    type: Literal["loyalty.points.awarded.v1"]
    data: PointsAwarded


class PointsReversedEvent(SequencedEnvelope):
    """Points were clawed back for a refund."""

    type: Literal["loyalty.points.reversed.v1"]
    data: PointsReversed


class PointsAdjustedEvent(SequencedEnvelope):
    """Points were credited or debited without a purchase."""

    type: Literal["loyalty.points.adjusted.v1"]
    data: PointsAdjusted


class AccountOpenedEvent(SequencedEnvelope):
    """An account was opened."""

    type: Literal["loyalty.account.opened.v1"]
    data: AccountOpened


class PointsActivatedEvent(SequencedEnvelope):
    """Points can be spent now."""

    type: Literal["loyalty.points.activated.v1"]
    data: PointsActivated


class PointsExpiredEvent(SequencedEnvelope):
    """Points have ended."""

    type: Literal["loyalty.points.expired.v1"]
    data: PointsExpired


class PointsExpiringEvent(SequencedEnvelope):
    """Points will end."""

    type: Literal["loyalty.points.expiring.v1"]
    data: PointsExpiring


class TierChangedEvent(SequencedEnvelope):
    """A customer has another tier."""

    type: Literal["loyalty.tier.changed.v1"]
    data: TierChanged


class TierExpiringEvent(SequencedEnvelope):
    """A tier will be lowered."""

    type: Literal["loyalty.tier.expiring.v1"]
    data: TierExpiring


class AccountChangedEvent(SequencedEnvelope):
    """An account was blocked, closed or opened again."""

    type: Literal["loyalty.account.changed.v1"]
    data: AccountChanged


class CardReplacedEvent(SequencedEnvelope):
    """A customer has another card."""

    type: Literal["loyalty.card.replaced.v1"]
    data: CardReplaced


class AccountMergedEvent(SequencedEnvelope):
    """Two accounts became one."""

    type: Literal["loyalty.account.merged.v1"]
    data: AccountMerged


class PointsHeldEvent(SequencedEnvelope):
    """Points are held."""

    type: Literal["loyalty.points.held.v1"]
    data: PointsHeld


class PointsReleasedEvent(SequencedEnvelope):
    """Held points are available again."""

    type: Literal["loyalty.points.released.v1"]
    data: PointsReleased


class PointsRedeemedEvent(SequencedEnvelope):
    """Points were spent."""

    type: Literal["loyalty.points.redeemed.v1"]
    data: PointsRedeemed


class PointsRestoredEvent(SequencedEnvelope):
    """Spent points were given back."""

    type: Literal["loyalty.points.restored.v1"]
    data: PointsRestored


class PurchaseSettledEvent(SequencedEnvelope):
    """A past purchase was paid with points."""

    type: Literal["loyalty.purchase.settled.v1"]
    data: PurchaseSettled


class PoolJoinedEvent(SequencedEnvelope):
    """A customer spends with a household."""

    type: Literal["loyalty.pool.joined.v1"]
    data: PoolChanged


class PoolLeftEvent(SequencedEnvelope):
    """A customer spends alone again."""

    type: Literal["loyalty.pool.left.v1"]
    data: PoolChanged


class RewardClaimedEvent(SequencedEnvelope):
    """A reward was claimed."""

    type: Literal["loyalty.reward.claimed.v1"]
    data: RewardClaimed


class RewardCancellingEvent(SequencedEnvelope):
    """A claim is to be cancelled, if its coupon still can be."""

    type: Literal["loyalty.reward.cancelling.v1"]
    data: RewardCancelling


class RewardCancelledEvent(SequencedEnvelope):
    """A claim was cancelled."""

    type: Literal["loyalty.reward.cancelled.v1"]
    data: RewardCancelled


class RewardFulfilledEvent(SequencedEnvelope):
    """A claim was fulfilled."""

    type: Literal["loyalty.reward.fulfilled.v1"]
    data: RewardFulfilled


class CustomerWithheldEvent(SequencedEnvelope):
    """Stands in for what had not left yet when its customer was erased, so that no number is missing."""

    type: Literal["loyalty.customer.withheld.v1"]
    data: CustomerWithheld


Said = (
    PointsAwardedEvent
    | PointsReversedEvent
    | PointsAdjustedEvent
    | AccountOpenedEvent
    | PointsActivatedEvent
    | PointsExpiredEvent
    | PointsExpiringEvent
    | PointsHeldEvent
    | PointsReleasedEvent
    | PointsRedeemedEvent
    | PointsRestoredEvent
    | PurchaseSettledEvent
    | PoolJoinedEvent
    | PoolLeftEvent
    | TierChangedEvent
    | TierExpiringEvent
    | AccountChangedEvent
    | CardReplacedEvent
    | AccountMergedEvent
    | RewardClaimedEvent
    | RewardCancellingEvent
    | RewardCancelledEvent
    | RewardFulfilledEvent
    | CustomerWithheldEvent
)
EVENTS: TypeAdapter[Any] = TypeAdapter(Annotated[Said, Field(discriminator="type")])
