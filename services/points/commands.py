"""What the world asks of the books, and what it is answered; plain values, whichever way they came.

Those that every purchase needs are tuples: a frozen dataclass takes three times as long to make.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from services.points.catalogue import Reward
from services.points.records import (
    Account,
    ActionGiven,
    Adjustment,
    AdjustmentKind,
    Balance,
    Entry,
    Gift,
    Listing,
    Purchase,
    Redemption,
    Refund,
    RewardClaim,
    Settlement,
    Status,
)
from services.points.rules.earning import PassedOver
from services.points.rules.tiers import Standing
from shared import requests
from shared.contracts.purchases import PurchaseCompleted, PurchaseRefunded
from shared.requests import Deed, Origin

SOURCE = "/loyalty/points"
"""The `source` of every event that this service says itself."""


class AwardPurchase(NamedTuple):
    """Book a purchase; with `park` one of an unknown card waits for it, without it is refused.

    With `explain` the outcome names the rules that gave nothing, and why.
    """

    purchase: PurchaseCompleted
    origin: Origin
    park: bool = True
    explain: bool = False


class RefundPurchase(NamedTuple):
    """Take a part of a purchase back."""

    refund: PurchaseRefunded
    origin: Origin


@dataclass(frozen=True, slots=True)
class EnrolCustomer:
    """Open an account; without a card number it gets one of ours."""

    customer_id: str
    enrolled_at: dt.datetime
    card_number: str | None = None
    origin: Origin | None = None
    actions: tuple[str, ...] = ()
    """What the customer did by it, where the programme has points for that."""


@dataclass(frozen=True, slots=True)
class AdjustBalance:
    """Credit or debit points by hand; a debit beyond the available points needs `allow_debt`.

    A credit above what `actor`, an API key, may still give that day becomes a proposal. One with `expires_on` ends with
    that local day.
    """

    adjustment_id: str
    customer_id: str
    points: int
    reason: str
    actor: str
    occurred_at: dt.datetime
    note: str | None = None
    allow_debt: bool = False
    kind: AdjustmentKind = "correction"
    expires_on: dt.date | None = None


@dataclass(frozen=True, slots=True)
class ApproveAdjustment:
    """Book what another API key proposed."""

    adjustment_id: str
    actor: str


@dataclass(frozen=True, slots=True)
class RejectAdjustment:
    """Let a proposal fall."""

    adjustment_id: str
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class GiveAction:
    """Give a customer the points of an action, unless they had them."""

    customer_id: str
    action: str
    occurred_at: dt.datetime
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class HearCustomer:
    """Take note of what a customer did, where the programme has points for that; the event asks nothing else."""

    customer_id: str
    actions: tuple[str, ...]
    occurred_at: dt.datetime
    origin: Origin


@dataclass(frozen=True, slots=True)
class ClaimPurchase:
    """Attach a purchase of nobody to a customer."""

    shop_id: str
    invoice_number: str
    customer_id: str


@dataclass(frozen=True, slots=True)
class PassOn:
    """Let an event that came over HTTP leave on its topic, for the other services: it asks nothing of the books."""

    topic: str
    key: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class SettleAccount:
    """Book what has become due: activations, expiries, announcements, the review of the tier."""

    customer_id: str


@dataclass(frozen=True, slots=True)
class ChangeStatus:
    """Block, close or reopen an account."""

    customer_id: str
    status: "Status"
    reason: str


@dataclass(frozen=True, slots=True)
class ReplaceCard:
    """Give a customer another card; without a number one of ours. The old one still names them."""

    customer_id: str
    reason: str
    card_number: str | None = None


@dataclass(frozen=True, slots=True)
class MergeAccounts:
    """Let one account go on in another, with its points, their dates, its cards and its purchases."""

    customer_id: str
    into: str
    reason: str


@dataclass(frozen=True, slots=True)
class GiveTier:
    """Give a tier by hand: a floor until the end of a local day; without a tier the floor is taken away."""

    customer_id: str
    tier: str | None
    until: dt.date | None
    reason: str


class Redeem(NamedTuple):
    """Spend points at once, or hold them so long until they are captured or released."""

    redemption_id: str
    customer_id: str
    points: int
    occurred_at: dt.datetime
    hold_seconds: int | None = None
    shop_id: str | None = None
    invoice_number: str | None = None


class CaptureHold(NamedTuple):
    """Spend what is held, or a part of it; `final` frees the rest."""

    redemption_id: str
    points: int | None = None
    final: bool = True


class ReleaseHold(NamedTuple):
    """Let go what is held."""

    redemption_id: str


class ReverseRedemption(NamedTuple):
    """Give spent points back, or a part of them, to the lots they came from."""

    redemption_id: str
    points: int | None
    reason: str


class SettlePurchase(NamedTuple):
    """Pay a past purchase with points: the shop gives the money back."""

    redemption_id: str
    shop_id: str
    invoice_number: str
    points: int
    occurred_at: dt.datetime


class GivePoints(NamedTuple):
    """Give points to another customer; they keep their lots' end."""

    gift_id: str
    customer_id: str
    to: str
    points: int
    occurred_at: dt.datetime
    note: str | None = None


class JoinPool(NamedTuple):
    """Let a customer spend together with the others of a household; one that `is_new` has none yet."""

    pool_id: str
    customer_id: str
    is_new: bool = False


class LeavePool(NamedTuple):
    """Let a customer spend alone again, what is theirs."""

    pool_id: str
    customer_id: str


@dataclass(frozen=True, slots=True)
class KeepReward:
    """Put a reward into the catalogue, or change the one that stands there."""

    reward_id: str
    reward: Reward
    is_new: bool


@dataclass(frozen=True, slots=True)
class RetireReward:
    """Take a reward out of the catalogue; what was claimed of it stays."""

    reward_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class ClaimReward:
    """Spend points on a reward. `symbols` are drawn before it is decided, so that a batch can be repeated."""

    claim_id: str
    redemption_id: str
    customer_id: str
    reward_id: str
    symbols: str
    occurred_at: dt.datetime
    member_number: str | None = None


@dataclass(frozen=True, slots=True)
class CancelClaim:
    """Take a claim back; of one with a code only once the code is known to be void."""

    claim_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class FulfilClaim:
    """Note that a customer has what they claimed, where no till takes a code for it."""

    claim_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class EndCoupon:
    """Hear that a coupon was redeemed, or is void; whoever keeps the coupons says so, also of others than ours."""

    code: str
    became: Literal["redeemed", "voided"]
    origin: Origin


@dataclass(frozen=True, slots=True)
class EraseCustomer:
    """Forget a customer, under whichever of their names; nothing is booked for them any more."""

    customer_id: str
    origin: Origin


class GrantPoints(NamedTuple):
    """Book points that another service owes a customer, once for ever under its name for them; `rule` is what they are for."""

    source: str
    reward_id: str
    customer_id: str
    points: int
    rule: str
    occurred_at: dt.datetime
    origin: Origin
    expires_on: dt.date | None = None


class RevokeGrant(NamedTuple):
    """Take back what another service does not owe any more, whether it has come already or not."""

    source: str
    reward_id: str
    customer_id: str
    reason: str
    occurred_at: dt.datetime
    origin: Origin


Command = (
    AwardPurchase
    | RefundPurchase
    | EnrolCustomer
    | AdjustBalance
    | ApproveAdjustment
    | RejectAdjustment
    | GiveAction
    | HearCustomer
    | ClaimPurchase
    | PassOn
    | SettleAccount
    | ChangeStatus
    | ReplaceCard
    | MergeAccounts
    | GiveTier
    | Redeem
    | CaptureHold
    | ReleaseHold
    | ReverseRedemption
    | SettlePurchase
    | GivePoints
    | JoinPool
    | LeavePool
    | KeepReward
    | RetireReward
    | ClaimReward
    | CancelClaim
    | FulfilClaim
    | EndCoupon
    | EraseCustomer
    | GrantPoints
    | RevokeGrant
)

MOVING = (
    AdjustBalance,
    ApproveAdjustment,
    Redeem,
    CaptureHold,
    ReleaseHold,
    ReverseRedemption,
    SettlePurchase,
    GivePoints,
    ClaimReward,
)
"""What takes or gives points as often as it is said."""


DEEDS = {"blocked": "account.block", "closed": "account.close", "active": "account.reopen"}


def deed(command: Command, outcome: "Outcome") -> Deed | None:
    """Return what is written in the audit trail; a purchase says in its own row who booked it."""
    if isinstance(command, AdjustBalance) and outcome.status == "waiting":
        return Deed("adjustment.propose", command.adjustment_id, command.reason)
    found = AUDITED.get(type(command))
    return None if found is None else found(command)


AUDITED: Mapping[type[Command], Callable[[Any], Deed]] = {
    RefundPurchase: lambda it: Deed(
        "purchase.refund", f"{it.refund.shop_id}/{it.refund.invoice_number}/{it.refund.refund_id}"
    ),
    EnrolCustomer: lambda it: Deed("account.enrol", it.customer_id),
    AdjustBalance: lambda it: Deed("points.adjust", it.customer_id, it.reason),
    ApproveAdjustment: lambda it: Deed("adjustment.approve", it.adjustment_id),
    RejectAdjustment: lambda it: Deed("adjustment.reject", it.adjustment_id, it.reason),
    GiveAction: lambda it: Deed(f"action.give {it.action}", it.customer_id),
    HearCustomer: lambda it: Deed("event.pass-on", f"{it.origin.source} {it.origin.id}"),
    ClaimPurchase: lambda it: Deed("purchase.claim", f"{it.shop_id}/{it.invoice_number}"),
    PassOn: lambda it: Deed("event.pass-on", f"{it.origin.source} {it.origin.id}"),
    ChangeStatus: lambda it: Deed(DEEDS[it.status], it.customer_id, it.reason),
    ReplaceCard: lambda it: Deed("card.replace", it.customer_id, it.reason),
    MergeAccounts: lambda it: Deed("account.merge", f"{it.customer_id} into {it.into}", it.reason),
    GiveTier: lambda it: Deed(f"tier.give {it.tier}" if it.tier else "tier.take-back", it.customer_id, it.reason),
    Redeem: lambda it: Deed("points.redeem", f"{it.redemption_id} of {it.customer_id}"),
    CaptureHold: lambda it: Deed("redemption.capture", it.redemption_id),
    ReleaseHold: lambda it: Deed("redemption.release", it.redemption_id),
    GivePoints: lambda it: Deed("points.give", f"{it.gift_id} of {it.customer_id} to {it.to}", it.note),
    JoinPool: lambda it: Deed("pool.join", f"{it.customer_id} in {it.pool_id}"),
    LeavePool: lambda it: Deed("pool.leave", f"{it.customer_id} in {it.pool_id}"),
    SettlePurchase: lambda it: Deed("purchase.settle", f"{it.shop_id}/{it.invoice_number}/{it.redemption_id}"),
    ReverseRedemption: lambda it: Deed("redemption.reverse", it.redemption_id, it.reason),
    KeepReward: lambda it: Deed("reward.create" if it.is_new else "reward.change", it.reward_id),
    RetireReward: lambda it: Deed("reward.retire", it.reward_id, it.reason),
    ClaimReward: lambda it: Deed("reward.claim", f"{it.claim_id}: {it.reward_id} for {it.customer_id}"),
    CancelClaim: lambda it: Deed("claim.cancel", it.claim_id, it.reason),
    FulfilClaim: lambda it: Deed("claim.fulfil", it.claim_id, it.reason),
    EndCoupon: lambda it: Deed(f"coupon.{it.became}", it.code),
    EraseCustomer: lambda it: Deed("customer.erase", it.customer_id),
}


class Outcome(NamedTuple):
    """What became of one command; `balance` is that of its customer directly after it."""

    status: Literal["booked", "repeated", "unclaimed", "waiting", "ignored", "refused"]
    code: str | None = None
    detail: str | None = None
    pointer: str | None = None
    purchase: Purchase | None = None
    refund: Refund | None = None
    account: Account | None = None
    balance: Balance | None = None
    entry: Entry | None = None
    passed_over: Sequence[PassedOver] = ()
    standing: Standing | None = None
    now: dt.datetime | None = None
    redemption: Redemption | None = None
    settlement: Settlement | None = None
    gift: Gift | None = None
    listing: Listing | None = None
    claim: RewardClaim | None = None
    more: Mapping[str, object] = MappingProxyType({})
    """What a refusal says beside its code, in numbers and instants."""
    adjustment: Adjustment | None = None
    action: ActionGiven | None = None

    @property
    def is_new(self) -> bool:
        return self.status not in {"refused", "repeated", "ignored"}


def refused(code: str, detail: str, pointer: str | None = None, **more: object) -> Outcome:
    """Refuse a command by the rules: nothing of it is booked."""
    return Outcome("refused", code, detail, pointer, more=more)


Request = requests.Request[Command, Outcome]
Reply = requests.Reply[Outcome]


def lasts(command: Command) -> bool:
    """Whether only its key tells a repeat from another one like it, so that its answer is kept for ever."""
    return isinstance(command, MOVING)
