"""What each kind of message may say: its variables, with the values that a preview shows."""

import datetime as dt
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from services.notifications.programme import PROMOTIONAL, purpose
from services.notifications.templates import formats
from services.notifications.templates.formats import Gift, Reader
from services.notifications.templates.salutations import Salutation
from shared.contracts.coupons import CouponValue, PercentageVoucher, PointsBenefit

Kind = Literal[
    "welcome",
    "occasion",
    "anniversary",
    "points_digest",
    "points_expiring",
    "tier_reached",
    "tier_dropping",
    "referral_rewarded",
    "pair_waiting",
    "coupon_expiring",
    "confirm_consent",
]
"""`occasion` is every day but an anniversary, which has a number."""


class Shop(NamedTuple):
    """Who writes; `address` is their postal one."""

    name: str
    website: str
    address: str | None = None


class Links(NamedTuple):
    """Where to go from a message; what must be said has no link to unsubscribe from it, `confirm` only the question."""

    unsubscribe: str | None = None
    preferences: str | None = None
    confirm: str | None = None


SHOP = Shop("Weinhaus am Markt", "https://shop.example/", "Am Markt 1, 50667 Köln")
UNSUBSCRIBE = "https://shop.example/unsubscribe/preview"
PREFERENCES = "https://shop.example/preferences/preview"
CONFIRM = "https://shop.example/confirm/preview"


class Given(NamedTuple):
    """A gift before it is put in words."""

    value: CouponValue | PointsBenefit
    code: str | None = None
    valid_until: dt.datetime | None = None

    def to(self, reader: Reader) -> Gift:
        return formats.gift(self.value, reader, currency="EUR", code=self.code, valid_until=self.valid_until)


COUPON = Given(
    PercentageVoucher.model_validate({"kind": "percentage_voucher", "percent": "10", "minimum": "30.00"}),
    "GIFT-7K2M-9QF4-T3HJ",
    dt.datetime(2026, 12, 25, tzinfo=dt.UTC),
)
POINTS = Given(PointsBenefit(kind="points", points=100))

SAMPLES: Mapping[Kind, Mapping[str, Any]] = MappingProxyType(
    {
        "welcome": {"available": 200},
        "occasion": {"gift": COUPON},
        "anniversary": {"gift": POINTS, "years": 3},
        "points_digest": {"awarded": 114, "activated": 80, "available": 1280, "pending": 34},
        "points_expiring": {"points": 80, "on": dt.date(2027, 1, 31), "available": 1280},
        "tier_reached": {"tier": "Gold", "before": "Silver"},
        "tier_dropping": {
            "tier": "Gold",
            "to": "Silver",
            "on": dt.date(2027, 1, 1),
            "missing": 220,
            "counts": "points",
        },
        "referral_rewarded": {"gift": POINTS, "rung": 5},
        "pair_waiting": {"gift": COUPON, "code": "4T3H-B7KM", "until": dt.date(2026, 12, 23)},
        "coupon_expiring": {"gift": COUPON},
        "confirm_consent": {"channel": "email", "purpose": "offers", "until": dt.date(2026, 12, 7)},
    }
)
"""The variables of each kind beside those of every message."""

BARE: Mapping[str, Any] = MappingProxyType(
    {
        "gift": POINTS,
        "rung": None,
        "years": 1,
        "pending": 0,
        "awarded": 0,
        "activated": 0,
        "before": None,
        "purpose": "account",
    }
)
"""What the same variables are where there is little to tell."""


def samples(kind: Kind, people: Sequence[Salutation], to: Reader) -> list[dict[str, Any]]:
    """Return what a message of a kind may be rendered with: much to tell, and little, to one of two people each."""
    unsubscribe = UNSUBSCRIBE if is_promotional(kind) else None
    confirm = CONFIRM if kind == "confirm_consent" else None
    known, unknown = ({"language": to.language, "salutation": each, "preheader": ""} for each in people)
    rich = _in_words(SAMPLES[kind], to)
    bare = _in_words({name: BARE.get(name, value) for name, value in SAMPLES[kind].items()}, to)
    return [
        {**known, "shop": SHOP, "links": Links(unsubscribe, PREFERENCES, confirm), **rich},
        {**unknown, "shop": SHOP._replace(address=None), "links": Links(unsubscribe, confirm=confirm), **bare},
    ]


def _in_words(values: Mapping[str, Any], to: Reader) -> dict[str, Any]:
    return {name: value.to(to) if isinstance(value, Given) else value for name, value in values.items()}


def is_promotional(kind: Kind) -> bool:
    """Tell whether a message of a kind has to offer the way out of it."""
    return purpose(kind) in PROMOTIONAL
