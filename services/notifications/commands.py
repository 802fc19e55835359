"""What the world asks of the books, and what it is answered; plain values, whichever way they came."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Literal, NamedTuple
from uuid import UUID

from services.notifications.records import (
    Coupon,
    Customer,
    Kept,
    Notification,
    Origin,
    OwnDate,
    SavedSegment,
    SharedCode,
    Use,
)
from services.notifications.rules.consent import Consent, ConsentPurpose, Standing, masked
from services.notifications.rules.coupons import Basket
from shared import requests
from shared.requests import Deed

ReportKind = Literal["bounced", "soft-bounced", "complained", "delivered"]

SOURCE = "/loyalty/notifications"
"""The `source` of every event that this service says itself."""


@dataclass(frozen=True, slots=True)
class IssueCoupon:
    """Let a customer have a coupon, once for its id for ever; good for `valid_days` after today, or until an instant."""

    coupon_id: str
    customer_id: str
    origin: Origin
    code: str
    value: str
    titles: str = "{}"
    valid_days: int | None = None
    valid_until: dt.datetime | None = None
    categories: str = "[]"
    """Those whose lines count, as JSON."""
    stacks: bool = False
    occasion: str | None = None


@dataclass(frozen=True, slots=True)
class VoidCoupon:
    """Take a coupon back, unless a till took it; one that has not been heard of is void when it comes."""

    coupon_id: str
    customer_id: str
    origin: Origin
    reason: str
    code: str | None = None


class UseCoupons(NamedTuple):
    """Hear of a purchase: which codes it named, and whose it is; `basket` is as it was before them, as far as it tells."""

    shop_id: str
    invoice_number: str
    total: Decimal
    codes: tuple[str, ...]
    occurred_at: dt.datetime
    customer_id: str | None = None
    basket: Basket | None = None
    currency: str | None = None
    card_number: str | None = None
    categories: tuple[str, ...] = ()


class TakeBack(NamedTuple):
    """Hear that so much of a purchase was taken back."""

    shop_id: str
    invoice_number: str
    refund_id: str
    amount: Decimal


class HearStanding(NamedTuple):
    """Hear how a customer stands with their points, by the `sequence` of what said it; what is none was not said."""

    customer_id: str
    sequence: int
    available: int | None = None
    pending: int | None = None
    tier: str | None = None
    card_number: str | None = None
    enrolled_at: dt.datetime | None = None


class HearMerge(NamedTuple):
    """Hear that a customer goes on as another."""

    customer_id: str
    into: str


@dataclass(frozen=True, slots=True)
class EraseCustomer:
    """Forget a customer, under whichever of their names; `origin` has the event where others have to be told."""

    customer_id: str
    origin: requests.Origin | None = None


@dataclass(frozen=True, slots=True)
class HearProfile:
    """Hear what the shop's records say of a customer: what is not among `said` stays, and what is none there is cleared."""

    customer_id: str
    said: Mapping[str, Any]
    said_at: dt.datetime
    registered_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class PutProfile:
    """Keep a profile as it stands here, whole; what other services keep of it leaves as the event `event_id`."""

    customer_id: str
    said: Mapping[str, Any]
    own_dates: Mapping[str, dt.date]
    event_id: str


class KeepSegment(NamedTuple):
    """Save a segment, or change it; `document` is its filter as JSON."""

    name: str
    document: str
    saved_by: str


class DropSegment(NamedTuple):
    """Let there be no such segment any more."""

    name: str


class ReserveCoupon(NamedTuple):
    """Keep a coupon for a basket, for so many seconds."""

    code: str
    reservation: str
    seconds: int
    basket: Basket | None = None


class RedeemCoupon(NamedTuple):
    """Take a coupon for a purchase."""

    code: str
    shop_id: str
    invoice_number: str
    reservation: str | None = None
    basket: Basket | None = None


class ReleaseCoupon(NamedTuple):
    """Give a coupon back that a basket had."""

    code: str
    reservation: str


class SettleCoupon(NamedTuple):
    """Book what has become due: the end of a coupon."""

    code: str


@dataclass(frozen=True, slots=True)
class CreateShared:
    """Make a code for everybody; `most_amount` is in units of `currency`, each limit none where it is left out."""

    code: str
    value: str
    titles: str = "{}"
    categories: str = "[]"
    stacks: bool = False
    refund_frees: bool | None = None
    """None: as the programme says."""
    most_uses: int | None = None
    most_amount: Decimal | None = None
    currency: str | None = None
    most_per_customer: int | None = None
    valid_from: dt.datetime | None = None
    valid_until: dt.datetime | None = None


class EndShared(NamedTuple):
    """Let nobody use a code for everybody any more."""

    code: str
    reason: str


# What is said of itself


class PlanMessage(NamedTuple):
    """Plan to say what happened to a customer, once for its `reference` for ever; `subject` is its kind.

    Said at once without `due_at`, and until the end of `last_day` where they live, or until an instant. An end in `content` is
    told as the last day before it, and the gift that it lacks is the coupon.
    """

    customer_id: str
    subject: str
    reference: str
    happened_at: dt.datetime
    content: Mapping[str, Any] = MappingProxyType({})
    due_at: dt.datetime | None = None
    until: dt.datetime | None = None
    last_day: dt.date | None = None
    coupon_id: str | None = None


class DropMessage(NamedTuple):
    """Say no more what was planned: it is over."""

    customer_id: str
    subject: str
    reference: str
    reason: str


class CountPoints(NamedTuple):
    """Count points for a customer's next digest, by the `sequence` of the event that told of them."""

    customer_id: str
    sequence: int
    happened_at: dt.datetime
    awarded: int
    activated: int
    available: int
    pending: int


class AnnounceCoupon(NamedTuple):
    """Tell of a coupon that ends soon."""

    coupon_id: str


# Messages


class Say(NamedTuple):
    """Say what was planned, if it is due and may be said; `code` is for the coupon of an occasion."""

    notification_id: UUID
    customer_id: str
    code: str | None = None


class BookDelivery(NamedTuple):
    """Note how the delivery of a message went that was taken for its so many-th attempt.

    `later` tries again at `due_at`; one that was not tried, or that never met anybody, does not count as an attempt.
    """

    notification_id: UUID
    customer_id: str
    attempt: int
    became: Literal["sent", "later", "failed", "suppressed"]
    answer: str
    due_at: dt.datetime | None = None
    counts: bool = True


class RetryNotification(NamedTuple):
    """Say anew what has failed, as if it were planned for now."""

    notification_id: UUID
    customer_id: str


class HearDelivery(NamedTuple):
    """Hear from whoever delivers on a channel what became of a message; a complaint is of the address alone."""

    notification_id: UUID
    customer_id: str
    became: Literal["sent", "bounced", "delayed", "complained"]


# Consents


class HearConsent(NamedTuple):
    """Hear that a customer said yes or no to messages of a purpose on a channel; without `at`, here and now."""

    customer_id: str
    channel: str
    purpose: ConsentPurpose
    is_given: bool
    how: str
    text: str
    at: dt.datetime | None = None


class ConfirmConsent(NamedTuple):
    """Hear that the question was followed that was asked at an instant."""

    customer_id: str
    channel: str
    purpose: ConsentPurpose
    asked_at: dt.datetime
    how: str
    text: str


class ChooseConsents(NamedTuple):
    """Hear what a customer wants of what they were shown; what is as they want it stays as it is.

    With `nothing_else`, whatever else they once said yes to ends too, with `text` as what they said.
    """

    customer_id: str
    choices: tuple[HearConsent, ...]
    how: str
    text: str
    nothing_else: bool = False


class HearReport(NamedTuple):
    """Hear what became of messages to an address; `soft-bounced` may pass, a `bounced` one will not."""

    channel: str
    address: str
    kind: ReportKind


class LiftAddress(NamedTuple):
    """Let an address get messages again."""

    channel: str
    address: str
    reason: str


Command = (
    IssueCoupon
    | VoidCoupon
    | UseCoupons
    | TakeBack
    | ReserveCoupon
    | RedeemCoupon
    | ReleaseCoupon
    | SettleCoupon
    | HearStanding
    | HearMerge
    | EraseCustomer
    | HearProfile
    | PutProfile
    | KeepSegment
    | DropSegment
    | CreateShared
    | EndShared
    | PlanMessage
    | DropMessage
    | CountPoints
    | AnnounceCoupon
    | Say
    | BookDelivery
    | RetryNotification
    | HearDelivery
    | HearConsent
    | ConfirmConsent
    | ChooseConsents
    | HearReport
    | LiftAddress
)


class Outcome(NamedTuple):
    """What became of one command; `now` is when that was so, `use` and `kept` are what a basket has
    of a shared code, `worth` what it takes off that basket.
    """

    status: Literal["booked", "repeated", "ignored", "refused"]
    code: str | None = None
    detail: str | None = None
    pointer: str | None = None
    coupon: Coupon | None = None
    customer: Customer | None = None
    own_dates: Mapping[str, OwnDate] = MappingProxyType({})
    segment: SavedSegment | None = None
    shared: SharedCode | None = None
    use: Use | None = None
    kept: Kept | None = None
    worth: Decimal | None = None
    notification: Notification | None = None
    consent: Consent | None = None
    standing: Standing | None = None
    now: dt.datetime | None = None
    more: Mapping[str, object] = MappingProxyType({})
    """What a refusal says beside its code."""

    @property
    def is_new(self) -> bool:
        return self.status == "booked"


def refused(code: str, detail: str, pointer: str | None = None, **more: object) -> Outcome:
    """Refuse a command by the rules: nothing of it is booked."""
    return Outcome("refused", code, detail, pointer, more=more)


Request = requests.Request[Command, Outcome]
Reply = requests.Reply[Outcome]


def deed(command: Command, _outcome: Outcome) -> Deed | None:
    """Return what is written in the audit trail."""
    found = AUDITED.get(type(command))
    return None if found is None else found(command)


def lasts(command: Command) -> bool:
    """Whether only its key tells a repeat from another one like it, so that its answer is kept for ever."""
    return isinstance(command, RedeemCoupon)


AUDITED: Mapping[type[Command], Callable[[Any], Deed]] = {
    IssueCoupon: lambda it: Deed("coupon.issue", f"{it.coupon_id} for {it.customer_id}"),
    VoidCoupon: lambda it: Deed("coupon.void", it.coupon_id, it.reason),
    ReserveCoupon: lambda it: Deed("coupon.reserve", f"{it.code} for {it.reservation}"),
    RedeemCoupon: lambda it: Deed("coupon.redeem", f"{it.code} for {it.shop_id}/{it.invoice_number}"),
    RetryNotification: lambda it: Deed("notification.retry", f"{it.notification_id} for {it.customer_id}"),
    HearDelivery: lambda it: Deed("notification.report", f"{it.notification_id} for {it.customer_id}", it.became),
    ReleaseCoupon: lambda it: Deed("coupon.release", f"{it.code} of {it.reservation}"),
    EraseCustomer: lambda it: Deed("customer.erase", it.customer_id),
    PutProfile: lambda it: Deed("profile.put", it.customer_id),
    KeepSegment: lambda it: Deed("segment.put", it.name),
    DropSegment: lambda it: Deed("segment.delete", it.name),
    CreateShared: lambda it: Deed("shared-code.create", it.code),
    EndShared: lambda it: Deed("shared-code.end", it.code, it.reason),
    HearConsent: lambda it: Deed(
        "consent.give" if it.is_given else "consent.withdraw", f"{it.customer_id}: {it.channel}/{it.purpose}", it.how
    ),
    # the trail outlasts an address that was erased
    HearReport: lambda it: Deed("address.report", f"{it.channel}: {masked(it.address)}", it.kind),
    LiftAddress: lambda it: Deed("address.lift", f"{it.channel}: {masked(it.address)}", it.reason),
}
