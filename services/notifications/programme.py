"""The notifications programme as one document: the occasions and what they give, what is said of itself, and when not."""

import calendar
import datetime as dt
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema

from services.notifications import benefits
from services.notifications.benefits import Benefit, CouponBenefit, CouponTerms, PercentageVoucher, PointsBenefit
from services.notifications.segments import SegmentName
from shared import documents
from shared.contracts.coupons import ONLY_THESE, Language
from shared.contracts.values import Currency, Flag, Identifier, Money, Whole
from shared.documents import Document, Fault, Name, TimeZone

LEAP_YEAR = 2000
"""Any: a day is a day of the year where one has it."""

Purpose = Literal["offers", "account", "necessary"]
"""What a message is for: `offers` want the customer back, `account` tells of their points, `necessary` must be said."""

PROMOTIONAL: frozenset[Purpose] = frozenset({"offers", "account"})
"""Purposes that need consent, keep quiet hours and count for the frequency cap (rule 30)."""


def _day_of_year(text: str) -> str:
    dt.date.fromisoformat(f"{LEAP_YEAR}-{text}")
    return text


LocalTime = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
DayOfYear = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{2}-[0-9]{2}$"),
    AfterValidator(_day_of_year),
    WithJsonSchema({"type": "string", "pattern": "^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$", "examples": ["12-06"]}),
]
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=200)]
Link = Annotated[str, StringConstraints(pattern=r"^https?://[!-~]+$", max_length=2_000)]
Year = Annotated[Whole, Field(ge=1970, le=2199)]
Window = Annotated[Whole, Field(ge=1, le=180)]
Channel = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]


class Hours(Document):
    """From one local time up to, not including, another; past midnight where `until` is the earlier one."""

    from_: LocalTime = Field(alias="from")
    until: LocalTime

    def holds(self, time: dt.time) -> bool:
        """Tell whether a local time lies within."""
        if self.begin <= self.end:
            return self.begin <= time < self.end
        return time >= self.begin or time < self.end

    @cached_property
    def begin(self) -> dt.time:
        return dt.time.fromisoformat(self.from_)

    @cached_property
    def end(self) -> dt.time:
        return dt.time.fromisoformat(self.until)


WORKING_HOURS = Hours.model_validate({"from": "09:00", "until": "18:00"})
NIGHT = Hours.model_validate({"from": "20:00", "until": "08:00"})


# Occasions


class Occasion(Document):
    """A time of the year at which a customer gets something, once a year.

    `name` stands for it for ever: who has had it is known by it.
    """

    name: Name
    enabled: Flag = True
    template: Name
    segment: SegmentName | None = None
    """Only for the customers whom this segment holds for when it is planned."""
    benefit: Benefit | None = None
    hours: Hours = WORKING_HOURS
    """Local hours of the customer, in which it is said."""
    catch_up_days: Annotated[Whole, Field(ge=0, le=60)] = 7
    """For how many days after its day it is still worth saying."""
    without_message: Literal["give", "keep"] = "give"
    """Whether a customer to whom it may not be said gets it all the same."""


class Anniversary(Occasion):
    """A day of the customer's own that comes back each year: the birthday, that of joining, or a date they told."""

    kind: Literal["anniversary"]
    of: Literal["birthday", "joining"] | Annotated[str, StringConstraints(pattern=r"^own:[a-z0-9-]{1,60}$")]
    """`own:wedding` is the date that a profile keeps as `wedding`."""
    days_ahead: Annotated[Whole, Field(ge=0, le=60)] = 0
    """How long before the day it is said."""
    leap_day: Literal["february-28", "march-1"] = "february-28"
    """When 29 February is kept in a common year."""
    notice_days: Annotated[Whole, Field(ge=0, le=366)] = 30
    """A date entered or changed less than so many days ahead counts from the next year on."""
    apart_days: Annotated[Whole, Field(ge=0, le=366)] = 330
    """So many days lie between two of them at least, whatever the date is changed to."""


class Campaign(Occasion):
    """A time of the shop's own: everyone gets it on a day of the window, which is spread over them."""

    kind: Literal["campaign"]
    begins: DayOfYear
    days: Window = 1
    year: Year | None = None
    """Only in this one; else each year."""


AnyOccasion = Annotated[Anniversary | Campaign, Field(discriminator="kind")]


def _percent_off(percent: str, *, valid_days: int, prefix: str) -> CouponBenefit:
    value = PercentageVoucher.model_validate({"kind": "percentage_voucher", "percent": percent})
    return CouponBenefit(kind="coupon", coupon=CouponTerms(value=value, valid_days=valid_days, code_prefix=prefix))


OCCASIONS: list[AnyOccasion] = [
    Anniversary(
        kind="anniversary",
        name="birthday",
        of="birthday",
        template="birthday",
        benefit=_percent_off("10", valid_days=30, prefix="BDAY"),
    ),
    Campaign(
        kind="campaign",
        name="christmas",
        template="christmas",
        begins="12-04",
        days=12,
        catch_up_days=5,
        benefit=_percent_off("10", valid_days=31, prefix="XMAS"),
    ),
    Campaign(
        kind="campaign",
        name="appreciation-day",
        template="appreciation_day",
        begins="09-14",
        days=5,
        benefit=PointsBenefit(kind="points", points=100),
    ),
    Anniversary(
        kind="anniversary",
        name="anniversary",
        of="joining",
        template="anniversary",
        benefit=PointsBenefit(kind="points", points=50),
    ),
]


# Said of itself


class Message(Document):
    """Something that is said when it happens, once for each time it does."""

    enabled: Flag = True
    template: Name


class Digest(Message):
    """Points awarded and activated, in one message for many of them."""

    every: Literal["day", "week", "month"] = "week"
    at: LocalTime = "10:00"
    """The customer's local time; a week begins on Monday, a month on its first day."""
    smallest: Annotated[Whole, Field(ge=1, le=10**9)] = 1
    """Fewer points than these wait for the next one."""


class CouponExpiring(Message):
    """A coupon that ends soon and has not been used."""

    days_ahead: Annotated[Whole, Field(ge=1, le=365)] = 7


class Messages(Document):
    """What is said of itself, from what happens in the other services."""

    welcome: Message = Message(template="welcome")
    points_digest: Digest = Digest(template="points_digest")
    points_expiring: Message = Message(template="points_expiring")
    tier_reached: Message = Message(template="tier_reached")
    tier_dropping: Message = Message(template="tier_dropping")
    referral_rewarded: Message = Message(template="referral_rewarded")
    pair_waiting: Message = Message(template="pair_waiting")
    coupon_expiring: CouponExpiring = CouponExpiring(template="coupon_expiring")
    confirm_consent: Message = Message(template="confirm_consent")


PURPOSES: dict[str, Purpose] = {
    "points_expiring": "necessary",
    "confirm_consent": "necessary",
    "coupon_expiring": "offers",
    "pair_waiting": "offers",
    "occasion": "offers",
    "anniversary": "offers",
}
"""Of the kinds of messages; all else is for the account. No shop can call necessary what is not."""


def purpose(kind: str) -> Purpose:
    """Return what messages of a kind are for."""
    return PURPOSES.get(kind, "account")


# Limits


class FrequencyCap(Document):
    """At most so many promotional messages within so many days, over all channels."""

    messages: Annotated[Whole, Field(ge=1, le=1_000)] = 3
    days: Annotated[Whole, Field(ge=1, le=365)] = 7


class Suppression(Document):
    """What is kept from an address after messages to it came back."""

    soft_bounces: Annotated[Whole, Field(ge=1, le=100)] = 5
    """So many in a row are as one that is final."""


class Sender(Document):
    """Who a message is from, in every language the same or in each its own."""

    name: Text
    names: Annotated[dict[Language, Text], Field(max_length=50, json_schema_extra=ONLY_THESE)] = {}
    postal_address: Text | None = None
    """Stands at the foot of each mail; the law asks for it in many countries."""
    website: Link

    def called(self, language: str) -> str:
        return self.names.get(language, self.name)


class Coupons(Document):
    """What holds for every coupon at a till."""

    reserved_minutes: Annotated[Whole, Field(ge=1, le=10_080)] = 15
    """For how long a basket keeps a coupon that it was not paid with yet."""
    full_refund_frees: Flag = True
    """Whether a purchase that was refunded whole gives its coupon back."""


class Programme(Document):
    """What is given and said, and what keeps a message from being sent."""

    currency: Currency = "EUR"
    cost_per_point: Money | None = None
    """What a point costs the shop when it is spent, for previews."""
    time_zone: TimeZone = "Europe/Berlin"
    """Of a customer who told none."""
    default_language: Language = "en"
    """Of a customer who told none, and where a text lacks theirs."""
    sender: Sender = Sender(name="Your shop", names={"de": "Ihr Shop"}, website="https://shop.example/")
    occasions: Annotated[list[AnyOccasion], Field(max_length=100)] = OCCASIONS
    messages: Messages = Messages()
    frequency_cap: FrequencyCap | None = FrequencyCap()
    quiet_hours: Hours | None = NIGHT
    """Local hours of the customer in which nothing promotional is said."""
    double_opt_in: Annotated[list[Identifier], Field(max_length=20)] = ["email"]
    """Channels on which a consent counts once it was confirmed there."""
    confirm_days: Annotated[Whole, Field(ge=1, le=365)] = 14
    """How long a consent waits to be confirmed."""
    suppression: Suppression = Suppression()
    shop_channels: Annotated[list[Channel], Field(max_length=20)] = []
    """Channels on which the shop's own mailer says what is requested; on `email` without a mail server it does in any case."""
    coupons: Coupons = Coupons()

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def zone_of(self, time_zone: str | None) -> ZoneInfo:
        """Return by whose clock somebody lives who told this time zone, or none."""
        return self.zone if time_zone is None else ZoneInfo(time_zone)


def needed(programme: Programme) -> Iterator[tuple[str, str, str]]:
    """Yield each place that names a template, its name, and the kind of message that it has to be for."""
    for place, occasion in enumerate(programme.occasions):
        counts_years = isinstance(occasion, Anniversary) and occasion.of == "joining"
        yield f"/occasions/{place}/template", occasion.template, "anniversary" if counts_years else "occasion"
    for kind in Messages.model_fields:
        yield f"/messages/{kind}/template", getattr(programme.messages, kind).template, kind


# What can't be said of one field alone


def faults(programme: Programme) -> list[Fault]:
    """Return everything that does not fit together; a programme with faults is never published."""
    parts = (_names, _hours, _windows, _benefits, _questions)
    return [fault for part in parts for fault in part(programme)]


def _names(programme: Programme) -> Iterator[Fault]:
    counts = Counter[str]()
    for place, occasion in enumerate(programme.occasions):
        counts[occasion.name] += 1
        if counts[occasion.name] > 1:
            detail = f"{occasion.name!r} is the name of another occasion"
            yield Fault(f"/occasions/{place}/name", "name-taken", detail)


def _hours(programme: Programme) -> Iterator[Fault]:
    quiet = programme.quiet_hours
    if quiet is not None and quiet.begin == quiet.end:
        yield Fault("/quiet_hours/until", "hours-empty", "they end when they begin; leave them out for none")
    for place, occasion in enumerate(programme.occasions):
        pointer = f"/occasions/{place}/hours"
        if occasion.hours.begin >= occasion.hours.end:
            yield Fault(f"{pointer}/until", "hours-empty", "they end before they begin, on the same day")
        elif quiet is not None and quiet.holds(occasion.hours.begin):
            yield Fault(f"{pointer}/from", "hours-quiet", "these are quiet hours, in which nothing is said")


def _windows(programme: Programme) -> Iterator[Fault]:
    for place, occasion in enumerate(programme.occasions):
        if not isinstance(occasion, Campaign) or occasion.begins != "02-29":
            continue
        if occasion.year is None or not calendar.isleap(occasion.year):
            detail = "not every year it comes in has such a day: say 02-28 or 03-01"
            yield Fault(f"/occasions/{place}/begins", "day-missing", detail)


def _benefits(programme: Programme) -> Iterator[Fault]:
    for place, occasion in enumerate(programme.occasions):
        yield from benefits.faults(f"/occasions/{place}/benefit", occasion.benefit, programme.currency)


def _questions(programme: Programme) -> Iterator[Fault]:
    if programme.double_opt_in and not programme.messages.confirm_consent.enabled:
        detail = "without it no consent could ever be confirmed; leave double_opt_in empty instead"
        yield Fault("/messages/confirm_consent/enabled", "confirmation-off", detail)


# Versions


Version = documents.Version[Programme]
Versions = documents.Versions[Programme]
