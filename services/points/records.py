"""What stands in the books: accounts and their entries, purchases, redemptions, rewards; plain values, locked for a batch."""

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NamedTuple

from services.points.catalogue import Kind, Reward

AdjustmentKind = Literal["goodwill", "surprise", "correction"]

Status = Literal["active", "blocked", "closed", "merged", "erased"]


LotOrigin = tuple[str | None, int | None]
"""The customer and the sequence of the entry that brought a lot, wherever merges have moved it."""


class Balance(NamedTuple):
    """An account's points at one moment."""

    available: int
    pending: int = 0
    held: int = 0


@dataclass(slots=True)
class Account:
    """A customer's account, locked for the batch; `available` below zero is a debt.

    Before `due_at` nothing is due on it by the programme that it was settled under; none where nothing ever will be, as
    things stand.
    """

    customer_id: str
    card_number: str | None
    status: Status
    sequence: int
    event_sequence: int
    available: int
    pending: int
    lifetime_points: int
    purchases: int
    enrolled_at: dt.datetime
    settled_under: int
    due_at: dt.datetime | None = None
    inactive_on: dt.date | None = None
    inactivity_announced: bool = False
    tier: str | None = None
    tier_since: dt.date | None = None
    tier_review_on: dt.date | None = None
    tier_announced: bool = False
    tier_floor: str | None = None
    tier_floor_until: dt.date | None = None
    merged_into: str | None = None
    held: int = 0
    pool_id: str | None = None

    @property
    def balance(self) -> Balance:
        return Balance(self.available, self.pending, self.held)


@dataclass(slots=True)
class Purchase:
    """A purchase as it stands in the books; `awaited` is one of which only a refund has come.

    `redeemed` points paid for it, `unpaid` ones should have; `restored` were given back as it was refunded. Of its total
    `settled` was paid with points afterwards.
    """

    shop_id: str
    invoice_number: str
    received_at: dt.datetime
    status: Literal["awaited", "unclaimed", "parked", "booked"] = "awaited"
    customer_id: str | None = None
    card_number: str | None = None
    currency: str | None = None
    total: Decimal | None = None
    shipping: Decimal | None = None
    gift_cards: Decimal | None = None
    points_paid: Decimal | None = None
    promoted: bool = False
    occurred_at: dt.datetime | None = None
    points: int = 0
    entry_sequence: int | None = None
    award: str | None = None
    refunded: Decimal = Decimal(0)
    refunded_eligible: Decimal = Decimal(0)
    refunded_points_paid: Decimal = Decimal(0)
    clawed_back: int = 0
    clawed_back_expired: int = 0
    document: str | None = None
    recorded_by: str | None = None
    sample: str | None = None
    redeemed: int = 0
    unpaid: int = 0
    restored: int = 0
    settled: Decimal = Decimal(0)

    @property
    def key(self) -> tuple[str, str]:
        return self.shop_id, self.invoice_number

    @property
    def origin(self) -> LotOrigin:
        return self.customer_id, self.entry_sequence


@dataclass(slots=True)
class Refund:
    """A refund as it stands in the books; `arrival` orders those that waited for the same purchase."""

    shop_id: str
    invoice_number: str
    refund_id: str
    currency: str
    amount: Decimal
    shipping: Decimal
    gift_cards: Decimal
    points_paid: Decimal | None
    kind: str
    occurred_at: dt.datetime
    received_at: dt.datetime
    customer_id: str | None = None
    status: Literal["waiting", "booked", "refused"] = "waiting"
    points_paid_part: Decimal = Decimal(0)
    points: int = 0
    points_expired: int = 0
    entry_sequence: int | None = None
    refused_code: str | None = None
    arrival: int = 0

    @property
    def key(self) -> tuple[str, str, str]:
        return self.shop_id, self.invoice_number, self.refund_id


@dataclass(slots=True)
class RedeemedLot:
    """What a redemption took out of a lot: still held, spent, and given back of that."""

    lot_sequence: int
    held: int = 0
    captured: int = 0
    restored: int = 0


@dataclass(slots=True)
class Redemption:
    """Points of a customer that are spent or held to be; `customer_id` names the account that it was made on.

    Points are held until `hold_until`, and as captured they are spent; `restored` of them were given back. `sequence` is that
    of the entry that took them. A purchase that was paid with it is named, else whatever its caller said it is for; and
    the claim of the reward that it paid for.
    """

    redemption_id: str
    customer_id: str
    points: int
    sequence: int
    status: Literal["held", "captured", "released", "timed_out", "reversed"]
    created_at: dt.datetime
    hold_until: dt.datetime | None = None
    held: int = 0
    captured: int = 0
    restored: int = 0
    shop_id: str | None = None
    invoice_number: str | None = None
    paid_purchase: bool = False
    claim_id: str | None = None
    lots: list[RedeemedLot] = field(default_factory=list)


@dataclass(slots=True)
class Settlement:
    """A part of a past purchase that was paid with points; `clawed_back` of what the purchase had earned."""

    redemption_id: str
    shop_id: str
    invoice_number: str
    customer_id: str
    currency: str
    amount: Decimal
    points: int
    occurred_at: dt.datetime
    clawed_back: int = 0
    clawed_back_expired: int = 0
    entry_sequence: int | None = None


class Gift(NamedTuple):
    """Points that one customer gave another."""

    gift_id: str
    customer_id: str
    recipient_id: str
    points: int
    entry_sequence: int
    occurred_at: dt.datetime


@dataclass(slots=True)
class Listing:
    """A reward as it stands in the catalogue; claims that were not cancelled have `claimed` of its stock."""

    reward_id: str
    reward: Reward
    created_at: dt.datetime
    claimed: int = 0
    retired_at: dt.datetime | None = None

    @property
    def document(self) -> str:
        return self.reward.model_dump_json(by_alias=True, exclude_defaults=True)


@dataclass(slots=True)
class RewardClaim:
    """A reward that a customer has, or had; `customer_id` names the account that it was claimed on.

    Its `code` is good until `valid_until`; a partner's `units` go to the `member_number` there. `ended_at` is when it was
    fulfilled or cancelled, `reason` why staff did so.
    """

    claim_id: str
    customer_id: str
    reward_id: str
    redemption_id: str
    kind: Kind
    points: int
    status: Literal["claimed", "cancelling", "cancelled", "fulfilled"]
    claimed_at: dt.datetime
    code: str | None = None
    valid_until: dt.datetime | None = None
    member_number: str | None = None
    units: int | None = None
    ended_at: dt.datetime | None = None
    reason: str | None = None


@dataclass(slots=True)
class Adjustment:
    """Points by hand as they stand in the books; `on` is the local day on which they were asked for.

    One that had to be approved says in `decided_by` which API key did, or rejected it.
    """

    adjustment_id: str
    customer_id: str
    points: int
    reason: str
    note: str | None
    actor: str
    kind: AdjustmentKind
    expires_on: dt.date | None
    created_at: dt.datetime
    on: dt.date | None
    status: Literal["booked", "awaits_approval", "rejected"] = "booked"
    entry_sequence: int | None = None
    decided_by: str | None = None
    decided_at: dt.datetime | None = None


class ActionGiven(NamedTuple):
    """An action that a customer was given points for; `customer_id` names the account that it was given on."""

    customer_id: str
    action: str
    points: int
    entry_sequence: int
    programme_version: int
    occurred_at: dt.datetime
    reference: str | None = None


@dataclass(slots=True)
class Grant:
    """Points that another service owes a customer, under its name for them; `customer_id` names the account that got them.

    An `awaited` one was taken back before it came. Of one that is `revoked`, `revoked_expired` points had ended already.
    """

    source: str
    reward_id: str
    customer_id: str
    status: Literal["awaited", "granted", "revoked"] = "granted"
    rule: str | None = None
    points: int = 0
    occurred_at: dt.datetime | None = None
    entry_sequence: int | None = None
    qualifying: bool = False
    revoked_at: dt.datetime | None = None
    revoked_expired: int = 0
    revocation_sequence: int | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.source, self.reward_id

    @property
    def reference(self) -> str:
        return f"{self.source}/{self.reward_id}"

    @property
    def origin(self) -> LotOrigin:
        return self.customer_id, self.entry_sequence


EntryKind = Literal[
    "award",
    "activation",
    "expiry",
    "clawback",
    "write_off",
    "adjustment",
    "transfer_out",
    "transfer_in",
    "hold",
    "release",
    "redemption",
    "restoration",
    "grant",
    "revocation",
    "erasure",
]

MOVES = frozenset({"activation", "hold", "release"})
"""Entries that move points between the sides of a balance, and neither add nor take any."""


class Entry(NamedTuple):
    """An immutable ledger line; those of `MOVES` say in `points` what they do to the available side."""

    customer_id: str
    sequence: int
    kind: "EntryKind"
    points: int
    available_after: int
    pending_after: int
    reference: str
    occurred_at: dt.datetime
    held_after: int = 0
