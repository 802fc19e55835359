"""A reward as a shop describes it: texts, what it gives, its price in points, how many there are, for whom and when."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from services.points.programme import Programme
from shared.contracts.coupons import ONLY_THESE, CodePrefix, Language, Percent, Title
from shared.contracts.values import Currency, Identifier, Instant, Money, Whole
from shared.documents import Document, EarlyAccess, Fault, Points, Rate

Kind = Literal[
    "free_article", "percentage_voucher", "money_voucher", "shipping", "donation", "partner_transfer", "experience"
]

COUPONS = frozenset({"free_article", "percentage_voucher", "money_voucher", "shipping"})
"""Kinds that a till takes a code for; staff or the partner see to all others."""

TAKEN_IDS = frozenset({"claims"})
"""Ids that would stand where a path of the API has a word."""

TierName = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,64}$")]
Prose = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=10_000)]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[!-~]+$", max_length=2_000)]


class Text(Document):
    """What customers read, in one language."""

    title: Title
    description: Prose = ""
    terms: Prose = ""


class FreeArticle(Document):
    """An article that the till gives away for the code."""

    kind: Literal["free_article"]
    sku: Identifier


class PercentageVoucher(Document):
    """So many percent off a purchase."""

    kind: Literal["percentage_voucher"]
    percent: Percent
    minimum: Money = Decimal(0)


class MoneyVoucher(Document):
    """So much off a purchase."""

    kind: Literal["money_voucher"]
    amount: Rate
    currency: Currency
    minimum: Money = Decimal(0)


class Shipping(Document):
    """A delivery that costs nothing."""

    kind: Literal["shipping"]
    minimum: Money = Decimal(0)


class Donation(Document):
    """Money that the shop gives to an organisation."""

    kind: Literal["donation"]
    organisation: Title
    amount: Rate
    currency: Currency


class PartnerTransfer(Document):
    """Miles, nights or points of a partner: each point gives `rate` of its units."""

    kind: Literal["partner_transfer"]
    partner: Identifier
    unit: Title
    rate: Rate

    def units(self, points: int) -> Decimal:
        """Return what so many points give; whole units for every price of a reward without faults."""
        return points * self.rate


class Experience(Document):
    """Something to be there for: a tasting, a seat, a meeting; staff arrange it."""

    kind: Literal["experience"]


Value = Annotated[
    FreeArticle | PercentageVoucher | MoneyVoucher | Shipping | Donation | PartnerTransfer | Experience,
    Field(discriminator="kind"),
]


class Reward(Document):
    """Without `stock` there are always more, without `per_customer` one customer may have them all.

    It can be claimed from `valid_from` up to, not including, `valid_until`; tiers of its early access begin before others.
    """

    texts: Annotated[dict[Language, Text], Field(min_length=1, max_length=50, json_schema_extra=ONLY_THESE)]
    default_language: Language
    picture_url: Url | None = None
    value: Value
    points: Points
    tier_points: Annotated[
        dict[TierName, Points], Field(default_factory=dict, max_length=20, json_schema_extra=ONLY_THESE)
    ]
    """Another price for customers of these tiers."""
    stock: Annotated[Whole, Field(ge=0, le=10**9)] | None = None
    per_customer: Annotated[Whole, Field(ge=1, le=10**6)] | None = None
    valid_from: Instant | None = None
    valid_until: Instant | None = None
    early_access: EarlyAccess | None = None
    coupon_days: Annotated[Whole, Field(ge=0, le=3650)] | None = None
    """How many days after that of the claim its code is good; without it, always."""
    code_prefix: CodePrefix | None = None

    @property
    def is_coupon(self) -> bool:
        return self.value.kind in COUPONS

    def price(self, tier: str | None) -> int:
        """Return what a customer of a tier pays, in points."""
        return self.tier_points.get(tier or "", self.points)

    def begins(self, tier: str | None) -> dt.datetime | None:
        """Return from when a customer of a tier may claim it; none where that was always so."""
        early = self.early_access
        return early.valid_from if early is not None and tier in early.tiers else self.valid_from

    def text(self, language: str) -> Text:
        """Return what stands in a language that it has."""
        return self.texts[language]


def faults(reward: Reward, programme: Programme) -> list[Fault]:
    """Return everything that does not fit together; a reward with faults is never kept."""
    return [*_texts(reward), *_window(reward), *_tiers(reward, programme), *_coupon(reward), *_units(reward)]


def _texts(reward: Reward) -> Iterator[Fault]:
    if reward.default_language not in reward.texts:
        yield Fault("/default_language", "text-missing", f"there is no text in {reward.default_language!r}")


def _window(reward: Reward) -> Iterator[Fault]:
    begins, until, early = reward.valid_from, reward.valid_until, reward.early_access
    if begins is not None and until is not None and begins >= until:
        yield Fault("/valid_until", "window-empty", "it ends before it begins")
    if early is not None and (begins is None or early.valid_from >= begins):
        yield Fault("/early_access/valid_from", "not-early", "it should be before valid_from")


def _tiers(reward: Reward, programme: Programme) -> Iterator[Fault]:
    known = set() if programme.tiers is None else set(programme.tiers.places)
    named = [(_price_of(name), name) for name in reward.tier_points]
    early = reward.early_access.tiers if reward.early_access else []
    named += [(f"/early_access/tiers/{place}", name) for place, name in enumerate(early)]
    for pointer, name in named:
        if name not in known:
            yield Fault(pointer, "tier-unknown", f"the programme has no tier {name!r}")


def _coupon(reward: Reward) -> Iterator[Fault]:
    for field in ("coupon_days", "code_prefix"):
        if getattr(reward, field) is not None and not reward.is_coupon:
            yield Fault(f"/{field}", "no-coupon", f"a {reward.value.kind} has no code")


def _units(reward: Reward) -> Iterator[Fault]:
    value = reward.value
    if not isinstance(value, PartnerTransfer):
        return
    prices = {"/points": reward.points} | {_price_of(name): price for name, price in reward.tier_points.items()}
    for pointer, price in prices.items():
        if value.units(price) % 1:
            yield Fault(pointer, "units-not-whole", f"{price} points give {value.units(price)} of {value.unit}")


def _price_of(tier: str) -> str:
    """Return the pointer to a tier's price (RFC 6901)."""
    return f"/tier_points/{tier.replace('~', '~0').replace('/', '~1')}"
