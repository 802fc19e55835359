"""What the world asks of the books, and what it is answered; plain values, whichever way they came."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

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


Command = AwardPurchase | RefundPurchase | EnrolCustomer | AdjustBalance | ClaimPurchase | PassOn


def deed(command: Command) -> tuple[str, str] | None:
    """Return what a command does and to what, as the audit trail says it; a purchase says in its own row who booked it."""
    match command:
        case AwardPurchase():
            return None
        case RefundPurchase(refund=refund):
            return "purchase.refund", f"{refund.shop_id}/{refund.invoice_number}/{refund.refund_id}"
        case EnrolCustomer(customer_id=customer_id):
            return "account.enrol", customer_id
        case AdjustBalance(customer_id=customer_id):
            return "points.adjust", customer_id
        case ClaimPurchase(shop_id=shop_id, invoice_number=invoice_number):
            return "purchase.claim", f"{shop_id}/{invoice_number}"
        case PassOn(origin=origin):
            return "event.pass-on", f"{origin.source} {origin.id}"


@dataclass(frozen=True, slots=True)
class Balance:
    """An account's points at one moment."""

    available: int
    pending: int = 0
    held: int = 0


@dataclass(slots=True)
class Account:
    """A customer's account, locked for the batch; `available` below zero is a debt."""

    customer_id: str
    card_number: str
    status: str
    sequence: int
    event_sequence: int
    available: int
    lifetime_points: int
    enrolled_at: dt.datetime

    @property
    def balance(self) -> Balance:
        return Balance(self.available)


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
    occurred_at: dt.datetime | None = None
    points: int = 0
    entry_sequence: int | None = None
    award: str | None = None
    refunded: Decimal = Decimal(0)
    refunded_eligible: Decimal = Decimal(0)
    refunded_points_paid: Decimal = Decimal(0)
    clawed_back: int = 0
    document: str | None = None
    recorded_by: str | None = None

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
    entry_sequence: int | None = None
    refused_code: str | None = None
    arrival: int = 0

    @property
    def key(self) -> tuple[str, str, str]:
        return self.shop_id, self.invoice_number, self.refund_id


@dataclass(frozen=True, slots=True)
class Entry:
    """An immutable ledger line."""

    customer_id: str
    sequence: int
    kind: Literal["award", "clawback", "write_off", "adjustment"]
    points: int
    available_after: int
    reference: str
    occurred_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Outcome:
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


@dataclass(frozen=True, slots=True)
class Reply:
    """The outcomes of a request's commands, or the answer that its key was given before."""

    outcomes: list[Outcome] = field(default_factory=list)
    replayed: Answer | None = None
    key_reused: bool = False
