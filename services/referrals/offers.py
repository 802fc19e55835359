"""An offer for two as a shop describes it: what an existing customer and a friend do together, what each gets, for whom, when."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from services.referrals import benefits
from services.referrals.benefits import Benefit
from services.referrals.programme import PLACEHOLDER, Count, Link, PlentyOfDays, Prose
from shared.contracts.coupons import ONLY_THESE, Language, Title
from shared.contracts.values import Currency, Flag, Instant, Money
from shared.documents import Document, EarlyAccess, Fault

Kind = Literal["joint_basket", "each_buys"]


class Text(Document):
    """What customers read, in one language."""

    title: Title
    description: Prose | None = None
    terms: Prose | None = None


class Offer(Document):
    """Without `budget` there is no end of pairs, without `per_customer` none for one customer.

    Pairs begin from `valid_from` up to, not including, `valid_until`; customers of its early access before others. A pair
    keeps what the offer asked and gave when it began.
    """

    texts: Annotated[dict[Language, Text], Field(min_length=1, max_length=50, json_schema_extra=ONLY_THESE)]
    default_language: Language
    kind: Kind
    """One basket that names both, or a purchase of each."""
    benefit: Benefit
    """What each of the two gets: a regular customer never less than a new one."""
    currency: Currency = "EUR"
    """A purchase in another one never counts."""
    minimum: Money = Decimal(0)
    """What a purchase must come to, without shipping, gift cards, and what points paid or was refunded."""
    invitation_days: PlentyOfDays = 30
    """How long an invitation can be accepted."""
    days: PlentyOfDays = 30
    """How long the two then have."""
    budget: Count | None = None
    """So many pairs in all; one that expires makes room."""
    per_customer: Count | None = 1
    """So many pairs may a customer be of, whether they began them or accepted."""
    new_friends_only: Flag = False
    """Whether the friend must not have bought before."""
    valid_from: Instant | None = None
    valid_until: Instant | None = None
    early_access: EarlyAccess | None = None
    link: Link = "https://shop.example/?pair={code}"
    """What a customer sends the friend."""

    def begins(self, tier: str | None) -> dt.datetime | None:
        """Return from when a customer of a tier may begin a pair; none where that was always so."""
        early = self.early_access
        return early.valid_from if early is not None and tier in early.tiers else self.valid_from

    def link_of(self, code: str) -> str:
        return self.link.replace("{code}", code)


def faults(offer: Offer) -> list[Fault]:
    """Return everything that does not fit together; an offer with faults is never kept."""
    return [*_texts(offer), *_window(offer), *_link(offer), *benefits.faults("/benefit", offer.benefit, offer.currency)]


def _texts(offer: Offer) -> Iterator[Fault]:
    if offer.default_language not in offer.texts:
        yield Fault("/default_language", "text-missing", f"there is no text in {offer.default_language!r}")


def _window(offer: Offer) -> Iterator[Fault]:
    begins, until, early = offer.valid_from, offer.valid_until, offer.early_access
    if begins is not None and until is not None and begins >= until:
        yield Fault("/valid_until", "window-empty", "it ends before it begins")
    if early is not None and (begins is None or early.valid_from >= begins):
        yield Fault("/early_access/valid_from", "not-early", "it should be before valid_from")


def _link(offer: Offer) -> Iterator[Fault]:
    if "{code}" not in offer.link:
        yield Fault("/link", "code-missing", "say where the code stands: {code}")
    for name in PLACEHOLDER.findall(offer.link):
        if name != "code":
            yield Fault("/link", "placeholder-unknown", f"nothing is filled in for {{{name}}}")
