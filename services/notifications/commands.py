"""What the world asks of the books, and what it is answered; plain values, whichever way they came."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from services.notifications.records import Coupon, Origin
from services.notifications.rules.consent import Consent, ConsentPurpose, Standing, masked
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


@dataclass(frozen=True, slots=True)
class VoidCoupon:
    """Take a coupon back, unless a till took it; one that has not been heard of is void when it comes."""

    coupon_id: str
    customer_id: str
    origin: Origin
    reason: str
    code: str | None = None


class UseCoupons(NamedTuple):
    """Hear which codes a purchase named."""

    shop_id: str
    invoice_number: str
    total: Decimal
    codes: tuple[str, ...]
    occurred_at: dt.datetime


class TakeBack(NamedTuple):
    """Hear that so much of a purchase was taken back."""

    shop_id: str
    invoice_number: str
    refund_id: str
    amount: Decimal


class ReserveCoupon(NamedTuple):
    """Keep a coupon for a basket, for so many seconds."""

    code: str
    reservation: str
    seconds: int


class RedeemCoupon(NamedTuple):
    """Take a coupon for a purchase."""

    code: str
    shop_id: str
    invoice_number: str
    reservation: str | None = None


class ReleaseCoupon(NamedTuple):
    """Give a coupon back that a basket had."""

    code: str
    reservation: str


class SettleCoupon(NamedTuple):
    """Book what has become due: the end of a coupon."""

    code: str


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
    | HearConsent
    | ConfirmConsent
    | ChooseConsents
    | HearReport
    | LiftAddress
)


class Outcome(NamedTuple):
    """What became of one command; `now` is when that was so."""

    status: Literal["booked", "repeated", "ignored", "refused"]
    code: str | None = None
    detail: str | None = None
    pointer: str | None = None
    coupon: Coupon | None = None
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
    ReleaseCoupon: lambda it: Deed("coupon.release", f"{it.code} of {it.reservation}"),
    HearConsent: lambda it: Deed(
        "consent.give" if it.is_given else "consent.withdraw", f"{it.customer_id}: {it.channel}/{it.purpose}", it.how
    ),
    # the trail outlasts an address that was erased
    HearReport: lambda it: Deed("address.report", f"{it.channel}: {masked(it.address)}", it.kind),
    LiftAddress: lambda it: Deed("address.lift", f"{it.channel}: {masked(it.address)}", it.reason),
}
