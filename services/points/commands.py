"""What the world asks of the books, and what it is answered; plain values, whichever way they came."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NamedTuple

from services.points.rules.earning import PassedOver
from services.points.rules.tiers import Standing
from shared.contracts.purchases import PurchaseCompleted, PurchaseRefunded

SOURCE = "/loyalty/points"
"""The `source` of every event that this service says itself."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a command came from.

    `source` and `id` name its event for ever. `named` is false where the service gave that name itself, so that a repeat
    is judged by its content. `document` is the event as it leaves on `topic`; none where it came from that topic.
    `author` is the name of the API key that it came with.
    """

    source: str
    id: str
    received_at: dt.datetime
    time: dt.datetime | None = None
    named: bool = True
    document: bytes | None = None
    traceparent: str | None = None
    author: str | None = None


@dataclass(frozen=True, slots=True)
class AwardPurchase:
    """Book a purchase; with `park` one of an unknown card waits for it, without it is refused."""

    purchase: PurchaseCompleted
    origin: Origin
    park: bool = True


@dataclass(frozen=True, slots=True)
class RefundPurchase:
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


@dataclass(frozen=True, slots=True)
class AdjustBalance:
    """Credit or debit points by hand; a debit beyond the available points needs `allow_debt`."""

    adjustment_id: str
    customer_id: str
    points: int
    reason: str
    actor: str
    occurred_at: dt.datetime
    note: str | None = None
    allow_debt: bool = False


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


Command = (
    AwardPurchase
    | RefundPurchase
    | EnrolCustomer
    | AdjustBalance
    | ClaimPurchase
    | PassOn
    | SettleAccount
    | ChangeStatus
    | ReplaceCard
    | MergeAccounts
    | GiveTier
)

MOVING = (AdjustBalance,)
"""What takes or gives points as often as it is said."""

Status = Literal["active", "blocked", "closed", "merged"]

DEEDS = {"blocked": "account.block", "closed": "account.close", "active": "account.reopen"}


def deed(command: Command) -> tuple[str, str, str | None] | None:
    """Return what a command does, to what and why, for the audit trail; a purchase says in its own row who booked it."""
    match command:
        case RefundPurchase(refund=refund):
            return "purchase.refund", f"{refund.shop_id}/{refund.invoice_number}/{refund.refund_id}", None
        case EnrolCustomer(customer_id=customer_id):
            return "account.enrol", customer_id, None
        case AdjustBalance(customer_id=customer_id, reason=reason):
            return "points.adjust", customer_id, reason
        case ClaimPurchase(shop_id=shop_id, invoice_number=invoice_number):
            return "purchase.claim", f"{shop_id}/{invoice_number}", None
        case PassOn(origin=origin):
            return "event.pass-on", f"{origin.source} {origin.id}", None
        case ChangeStatus(customer_id=customer_id, status=status, reason=reason):
            return DEEDS[status], customer_id, reason
        case ReplaceCard(customer_id=customer_id, reason=reason):
            return "card.replace", customer_id, reason
        case MergeAccounts(customer_id=customer_id, into=into, reason=reason):
            return "account.merge", f"{customer_id} into {into}", reason
        case GiveTier(customer_id=customer_id, tier=tier, reason=reason):
            return f"tier.give {tier}" if tier else "tier.take-back", customer_id, reason
        case _:
            return None


@dataclass(frozen=True, slots=True)
class Balance:
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
    card_number: str
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

    @property
    def balance(self) -> Balance:
        return Balance(self.available, self.pending)


@dataclass(slots=True)
class Purchase:
    """A purchase as it stands in the books; `awaited` is one of which only a refund has come."""

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

    @property
    def key(self) -> tuple[str, str]:
        return self.shop_id, self.invoice_number


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


EntryKind = Literal[
    "award", "activation", "expiry", "clawback", "write_off", "adjustment", "transfer_out", "transfer_in"
]


class Entry(NamedTuple):
    """An immutable ledger line; an activation moves points from pending to available, any other adds or takes them."""

    customer_id: str
    sequence: int
    kind: "EntryKind"
    points: int
    available_after: int
    pending_after: int
    reference: str
    occurred_at: dt.datetime


class Outcome(NamedTuple):
    """What became of one command; `balance` is that of its customer directly after it."""

    status: Literal["booked", "repeated", "unclaimed", "waiting", "refused"]
    code: str | None = None
    detail: str | None = None
    pointer: str | None = None
    purchase: Purchase | None = None
    refund: Refund | None = None
    account: Account | None = None
    balance: Balance | None = None
    entry: Entry | None = None
    reference: str | None = None
    passed_over: Sequence[PassedOver] = ()
    standing: Standing | None = None
    now: dt.datetime | None = None

    @property
    def is_new(self) -> bool:
        return self.status not in {"refused", "repeated"}


def refused(code: str, detail: str, pointer: str | None = None) -> Outcome:
    """Refuse a command by the rules: nothing of it is booked."""
    return Outcome("refused", code, detail, pointer)


@dataclass(frozen=True, slots=True)
class Answer:
    """A stored or fresh HTTP answer."""

    status: int
    body: bytes
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A client's key for one request; `fingerprint` covers method, path and the exact canonical body."""

    api_key: str
    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Author:
    """Who asks, for the audit trail: the name of their API key, and that of the request."""

    name: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Request:
    """Commands that are answered together; with a key the answer is stored in their transaction."""

    commands: list[Command]
    key: IdempotencyKey | None = None
    author: Author | None = None
    render: Callable[[Sequence[Outcome]], Answer] = lambda _outcomes: Answer(204, b"")

    @property
    def moves_points(self) -> bool:
        """Whether only its key tells a repeat from another one like it, so that its answer is kept for ever."""
        return any(isinstance(each, MOVING) for each in self.commands)


@dataclass(frozen=True, slots=True)
class Reply:
    """The outcomes of a request's commands, or the answer that its key was given before."""

    outcomes: list[Outcome] = field(default_factory=list)
    replayed: Answer | None = None
    key_reused: bool = False
