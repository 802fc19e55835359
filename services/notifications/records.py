"""What stands in the books: customers, what they get to hold and to hear, and their purchases; plain values, locked for a batch."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal
from uuid import UUID, uuid5

from services.notifications.programme import Purpose
from services.notifications.rules.consent import ConsentPurpose

Origin = Literal["reward", "referral", "pair", "hand", "occasion"]
CouponStatus = Literal["issued", "reserved", "redeemed", "voided", "expired"]
NotificationStatus = Literal["planned", "requested", "sent", "suppressed", "failed"]
UseStatus = Literal["redeemed", "conflict", "unknown", "freed"]
SaleKey = tuple[str, str]
UseKey = tuple[str, str, str]
ConsentKey = tuple[str, str, ConsentPurpose]
"""Customer, channel and purpose."""
AddressKey = tuple[str, str]
"""Channel and address."""

NAMESPACE = UUID("0d4cb4f4-8f6f-5c5c-9c5e-0c7f8f1f2a61")
"""Of the ids of notifications."""


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
    purchases: int = 0
    turnover: Decimal = Decimal(0)
    first_purchase_at: dt.datetime | None = None
    last_purchase_at: dt.datetime | None = None
    erased_at: dt.datetime | None = None


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

    def status_at(self, now: dt.datetime) -> CouponStatus:
        """Return its state at an instant, whether or not what time brings was booked."""
        if self.status not in {"issued", "reserved"}:
            return self.status
        if self.valid_until is not None and self.valid_until <= now:
            return "expired"
        if self.reserved_until is not None and self.reserved_until <= now:
            return "issued"
        return self.status


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


def notification_id(customer_id: str, subject: str, reference: str) -> UUID:
    """Return the id of what is said to a customer about one thing, once for ever."""
    return uuid5(NAMESPACE, f"{customer_id}\x1f{subject}\x1f{reference}")


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

    @property
    def key(self) -> UseKey:
        return self.code, self.shop_id, self.invoice_number


@dataclass(slots=True)
class Sale:
    """A purchase that named codes, or one of which only refunds have come."""

    shop_id: str
    invoice_number: str
    total: Decimal | None = None
    refunded: Decimal = Decimal(0)

    @property
    def key(self) -> SaleKey:
        return self.shop_id, self.invoice_number

    @property
    def is_taken_back(self) -> bool:
        return self.total is not None and self.total > 0 and self.refunded >= self.total
