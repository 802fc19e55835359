"""The referral programme as one document: who gets what on which condition; a claim keeps the version of its own time."""

import datetime as dt
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, StringConstraints

from services.referrals import benefits
from services.referrals.benefits import Benefit, PointsBenefit
from shared import documents
from shared.contracts.coupons import ONLY_THESE, Language, Title
from shared.contracts.values import Currency, Instant, Money, Whole
from shared.documents import Days, Document, Fault, TimeZone

Prose = Annotated[str, StringConstraints(pattern=r"^[^\x00]+$", max_length=10_000)]
Link = Annotated[str, StringConstraints(pattern=r"^https?://[!-~]+$", max_length=2_000)]
Count = Annotated[Whole, Field(ge=1, le=100_000)]
PlentyOfDays = Annotated[Whole, Field(ge=1, le=3650)]

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


class Text(Document):
    """What a customer sends a friend, in one language: `{code}`, `{link}` and `{benefit}` are filled in.

    A line with `{benefit}` is left out where the friend gets none.
    """

    subject: Title
    body: Prose
    chat: Prose


class Rung(Document):
    """A bonus for so many referrals that were rewarded and still are."""

    count: Count
    benefit: Benefit


TEXTS = {
    "de": Text(
        subject="Eine Empfehlung für dich",
        body="Hallo,\n\nich kaufe hier gern ein und möchte dir den Shop empfehlen.\n"
        "Mit deinem ersten Einkauf bekommst du {benefit}.\n\nDein Code: {code}\n{link}\n\nViele Grüße",
        chat="Ich kaufe hier gern ein. Mein Code für dich: {code}\nMit dem ersten Einkauf bekommst du {benefit}.\n{link}",
    ),
    "en": Text(
        subject="A recommendation for you",
        body="Hello,\n\nI like to shop here, and think that you will too.\n"
        "With your first purchase you get {benefit}.\n\nYour code: {code}\n{link}\n\nBest wishes",
        chat="I like to shop here. My code for you: {code}\nWith your first purchase you get {benefit}.\n{link}",
    ),
}


class Programme(Document):
    """What friend and referrer get, for what, and what is looked at before they do."""

    time_zone: TimeZone = "UTC"
    """Whose months count."""
    currency: Currency = "EUR"
    """A purchase in another one never qualifies."""
    friend: Benefit | None = PointsBenefit(kind="points", points=200)
    """Due at once on the purchase that qualifies."""
    referrer: Benefit | None = PointsBenefit(kind="points", points=500)
    """Due after the hold."""
    minimum: Money = Decimal("20.00")
    """What the purchase must come to, without shipping, gift cards, and what points paid or was refunded."""
    window_days: PlentyOfDays = 90
    """How long after the claim a purchase qualifies."""
    hold_days: Days = 14
    """How long after that purchase the referrer waits: the time for returns."""
    rewards_per_referrer_and_month: Count | None = 20
    """What is above it is not given; a reward taken back makes no room."""
    claims_per_referrer_and_day: Count | None = 10
    """So many within 24 hours are accepted; what is above it waits for staff, and what is above the month's rewards too."""
    claims_per_address: Count | None = 3
    """So many from one address are accepted; what is above it waits for staff."""
    address_window_days: PlentyOfDays = 30
    """For how long claims from one address are counted."""
    review_days: PlentyOfDays = 14
    """How long staff have to decide."""
    review_deadline: Literal["reject", "accept"] = "reject"
    """What becomes of a claim that nobody decided on."""
    ladder: Annotated[list[Rung], Field(max_length=50)] = [
        Rung(count=5, benefit=PointsBenefit(kind="points", points=1_000)),
        Rung(count=10, benefit=PointsBenefit(kind="points", points=2_500)),
    ]
    valid_from: Instant | None = None
    valid_until: Instant | None = None
    link: Link = "https://shop.example/?code={code}"
    """What a customer shares."""
    default_language: Language = "en"
    texts: Annotated[dict[Language, Text], Field(min_length=1, max_length=50, json_schema_extra=ONLY_THESE)] = TEXTS

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def is_open(self, instant: dt.datetime) -> bool:
        """Tell whether a claim at that instant can lead to anything."""
        return (
            (self.friend is not None or self.referrer is not None)
            and (self.valid_from is None or self.valid_from <= instant)
            and (self.valid_until is None or instant < self.valid_until)
        )

    def month(self, instant: dt.datetime) -> dt.date:
        """Return the first day of the local month in which rewards of that instant are counted."""
        return instant.astimezone(self.zone).date().replace(day=1)


# What can't be said of one field alone


def faults(programme: Programme) -> list[Fault]:
    """Return everything that does not fit together; a programme with faults is never published."""
    parts = (_window, _benefits, _ladder, _link, _texts)
    return [fault for part in parts for fault in part(programme)]


def _window(programme: Programme) -> Iterator[Fault]:
    begins, ends = programme.valid_from, programme.valid_until
    if begins is not None and ends is not None and begins >= ends:
        yield Fault("/valid_until", "window-empty", "it ends before it begins")


def _benefits(programme: Programme) -> Iterator[Fault]:
    yield from benefits.faults("/friend", programme.friend, programme.currency)
    yield from benefits.faults("/referrer", programme.referrer, programme.currency)
    for place, rung in enumerate(programme.ladder):
        yield from benefits.faults(f"/ladder/{place}/benefit", rung.benefit, programme.currency)


def _ladder(programme: Programme) -> Iterator[Fault]:
    counts = [rung.count for rung in programme.ladder]
    for place in range(1, len(counts)):
        if counts[place] <= counts[place - 1]:
            detail = "each count should be above the one before"
            yield Fault(f"/ladder/{place}/count", "ladder-out-of-order", detail)


def _link(programme: Programme) -> Iterator[Fault]:
    if "{code}" not in programme.link:
        yield Fault("/link", "code-missing", "say where the code stands: {code}")
    yield from _unknown("/link", programme.link, {"code"})


def _texts(programme: Programme) -> Iterator[Fault]:
    if programme.default_language not in programme.texts:
        detail = f"there is no text in {programme.default_language}"
        yield Fault("/default_language", "language-missing", detail)
    for language, text in programme.texts.items():
        pointer = f"/texts/{language}"
        yield from _unknown(f"{pointer}/subject", text.subject, {"code"})
        for field, prose in (("body", text.body), ("chat", text.chat)):
            yield from _unknown(f"{pointer}/{field}", prose, {"code", "link", "benefit"})
            if "{code}" not in prose and "{link}" not in prose:
                yield Fault(f"{pointer}/{field}", "code-missing", "say where the code or the link stands")


def _unknown(pointer: str, text: str, known: set[str]) -> Iterator[Fault]:
    for name in PLACEHOLDER.findall(text):
        if name not in known:
            yield Fault(pointer, "placeholder-unknown", f"nothing is filled in for {{{name}}}")


# Versions


Version = documents.Version[Programme]
Versions = documents.Versions[Programme]
