"""What stands in the books: customers, what they get to hold and to hear, and their purchases; plain values, locked for a batch."""

import datetime as dt
import hashlib
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple
from uuid import UUID, uuid5

from services.notifications.programme import Purpose
from services.notifications.rules.consent import ConsentPurpose

Origin = Literal["reward", "referral", "pair", "hand", "occasion"]
CouponStatus = Literal["issued", "reserved", "redeemed", "voided", "expired"]
NotificationStatus = Literal["planned", "requested", "sent", "suppressed", "failed"]
DispatchStatus = Literal["waiting", "sent", "failed"]
UseStatus = Literal["redeemed", "conflict", "unknown", "freed"]
SharedStatus = Literal["upcoming", "open", "ended", "expired"]
SaleKey = tuple[str, str]
KeptKey = tuple[str, str]
UseKey = tuple[str, str, str]
MessageKey = tuple[str, str, str]
ConsentKey = tuple[str, str, ConsentPurpose]
"""Customer, channel and purpose."""
AddressKey = tuple[str, str]
"""Channel and address."""

NAMESPACE = UUID("0d4cb4f4-8f6f-5c5c-9c5e-0c7f8f1f2a61")
"""Of the ids of notifications."""

VERSION_5, DRAWN_OF_UUID = 0x50008000000000000000, ~0xF000C000000000000000
"""What stands in an id to say what it is made of, and the bits beside that."""


@dataclass(slots=True)
class Customer:
    """A customer, locked for the batch; `preferences` are JSON. Of one that was erased there is nothing but the id."""

    customer_id: str
    event_sequence: int = 0
    salutation: str | None = None
    given_name: str | None = None
    family_name: str | None = None
    language: str | None = None
    time_zone: str | None = None
    birthday: dt.date | None = None
    birthday_entered_on: dt.date | None = None
    joined_on: dt.date | None = None
    email: str | None = None
    phone: str | None = None
    preferred_channel: str | None = None
    preferences: str = "{}"
    profile_at: dt.datetime | None = None
    tier: str | None = None
    available: int = 0
    pending: int = 0
    points_sequence: int = 0
    tier_sequence: int = 0
    purchases: int = 0
    turnover: Decimal = Decimal(0)
    first_purchase_at: dt.datetime | None = None
    last_purchase_at: dt.datetime | None = None
    merged_into: str | None = None
    erased_at: dt.datetime | None = None
    digest_sequence: int = 0


class OwnDate(NamedTuple):
    """A day of a customer's own, and the local day on which it was entered or last changed."""

    customer_id: str
    name: str
    date: dt.date
    entered_on: dt.date


class SavedSegment(NamedTuple):
    """A segment as it was saved; `document` is its filter as JSON."""

    name: str
    document: str
    saved_at: dt.datetime
    saved_by: str


@dataclass(slots=True)
class Bought:
    """So many more purchases of a category, and the latest of them."""

    customer_id: str
    category: str
    purchases: int
    last_at: dt.datetime


@dataclass(slots=True)
class Coupon:
    """A coupon; `value` and `titles` are the contract's documents as JSON. One that was void before it came has no code."""

    coupon_id: str
    customer_id: str
    origin: Origin
    status: CouponStatus
    code: str | None
    value: str | None
    titles: str
    issued_at: dt.datetime
    valid_until: dt.datetime | None = None
    reservation: str | None = None
    reserved_until: dt.datetime | None = None
    shop_id: str | None = None
    invoice_number: str | None = None
    ended_at: dt.datetime | None = None
    reason: str | None = None
    categories: str = "[]"
    stacks: bool = False
    announced: bool = False

    def status_at(self, now: dt.datetime) -> CouponStatus:
        """Return its state at an instant, whether or not what time brings was booked.

        A reservation ends in its time, a coupon that nobody keeps in its own; a basket that keeps one may still pay with it.
        """
        is_kept = self.reserved_until is not None and now < self.reserved_until
        if self.status not in {"issued", "reserved"} or is_kept:
            return self.status
        is_over = self.valid_until is not None and self.valid_until <= now
        return "expired" if is_over else "issued"


@dataclass(slots=True)
class Notification:
    """Something to be said to a customer, or that was; `content` is what its template is told, as JSON."""

    notification_id: UUID
    customer_id: str
    subject: str
    reference: str
    status: NotificationStatus
    purpose: Purpose
    happened_at: dt.datetime
    due_at: dt.datetime
    until: dt.datetime | None = None
    day: dt.date | None = None
    content: str = "{}"
    coupon_id: str | None = None
    channel: str | None = None
    reason: str | None = None
    said_at: dt.datetime | None = None


@dataclass(slots=True)
class Dispatch:
    """A message that we deliver ourselves; `message` is it as JSON, `due_at` when it is tried, or again if nobody says how it went."""

    notification_id: UUID
    customer_id: str
    channel: str
    address: str | None
    message: str | None
    status: DispatchStatus
    due_at: dt.datetime
    attempts: int = 0
    answer: str | None = None
    ended_at: dt.datetime | None = None


def notification_id(customer_id: str, subject: str, reference: str) -> UUID:
    """Return the id of what is said to a customer about one thing, once for ever."""
    return uuid5(NAMESPACE, f"{customer_id}\x1f{subject}\x1f{reference}")


def notification_hex(customer_id: str, subject: str, reference: str) -> str:
    """Return the same id in hexadecimal digits, for a million of them: a quarter of the time."""
    digest = hashlib.sha1(
        NAMESPACE.bytes + f"{customer_id}\x1f{subject}\x1f{reference}".encode(), usedforsecurity=False
    ).digest()
    return f"{int.from_bytes(digest[:16]) & DRAWN_OF_UUID | VERSION_5:032x}"


QUESTION = "confirm_consent"
"""The subject of what asks whether somebody agreed."""


def question_reference(channel: str, purpose: str, asked_at: dt.datetime) -> str:
    """Return which question it is: one for each yes that was said."""
    return f"{channel}/{purpose}/{asked_at.astimezone(dt.UTC).isoformat()}"


def question_id(customer_id: str, channel: str, purpose: str, asked_at: dt.datetime) -> UUID:
    return notification_id(customer_id, QUESTION, question_reference(channel, purpose, asked_at))


@dataclass(slots=True)
class Use:
    """A purchase that named a code."""

    code: str
    shop_id: str
    invoice_number: str
    status: UseStatus
    occurred_at: dt.datetime
    customer_id: str | None = None
    amount: Decimal | None = None
    reason: str | None = None

    @property
    def key(self) -> UseKey:
        return self.code, self.shop_id, self.invoice_number

    @property
    def sale_key(self) -> SaleKey:
        return self.shop_id, self.invoice_number


@dataclass(slots=True)
class SharedCode:
    """A code for everybody, locked for the batch; `uses` and `amount` are of what is redeemed or reserved."""

    code: str
    value: str
    titles: str
    categories: str
    stacks: bool
    refund_frees: bool
    most_uses: int | None
    most_amount: Decimal | None
    currency: str | None
    most_per_customer: int | None
    uses: int
    amount: Decimal
    valid_from: dt.datetime | None
    valid_until: dt.datetime | None
    created_at: dt.datetime
    ended_at: dt.datetime | None = None
    reason: str | None = None

    def status_at(self, now: dt.datetime) -> SharedStatus:
        """Return its state at an instant."""
        if self.ended_at is not None and self.ended_at <= now:
            return "ended"
        if self.valid_until is not None and self.valid_until <= now:
            return "expired"
        return "upcoming" if self.valid_from is not None and now < self.valid_from else "open"


@dataclass(slots=True)
class Kept:
    """A use of a shared code that is kept for a basket."""

    code: str
    reservation: str
    reserved_until: dt.datetime
    customer_id: str | None = None
    amount: Decimal | None = None

    @property
    def key(self) -> KeptKey:
        return self.code, self.reservation


@dataclass(slots=True)
class Sale:
    """A purchase, or one of which only refunds have come; `categories` are a list as JSON."""

    shop_id: str
    invoice_number: str
    total: Decimal | None = None
    refunded: Decimal = Decimal(0)
    customer_id: str | None = None
    card_number: str | None = None
    currency: str | None = None
    occurred_at: dt.datetime | None = None
    categories: str = "[]"
    is_turnover: bool = False

    @property
    def key(self) -> SaleKey:
        return self.shop_id, self.invoice_number

    @property
    def is_taken_back(self) -> bool:
        return self.total is not None and self.total > 0 and self.refunded >= self.total

    @property
    def worth(self) -> Decimal:
        """What it brings to its customer's turnover."""
        if self.total is None or not self.is_turnover:
            return Decimal(0)
        return max(self.total - self.refunded, Decimal(0))
