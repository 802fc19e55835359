"""A partner's terms as one document: what a sale of their customers earns, which sales do, and how long it is held."""

import datetime as dt
from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated, Literal

from babel.numbers import is_currency
from pydantic import Field

from shared import documents
from shared.contracts.coupons import Percent
from shared.contracts.values import Currency, Instant, Money
from shared.documents import Days, Document, Fault, Months, Rate

USUAL_DIGITS = 2
DIGITS = (
    dict.fromkeys(
        [
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    )
    | dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3)
    | dict.fromkeys(["CLF", "UYW"], 4)
)
"""Currencies whose minor unit is no hundredth (ISO 4217); locale data has fewer digits where small coins went out of use."""


class Fixed(Document):
    """So much for each sale."""

    kind: Literal["fixed"]
    amount: Rate


class Share(Document):
    """So many percent of what counts of each sale."""

    kind: Literal["share"]
    percent: Percent


class Terms(Document):
    """What a partner is paid for; a referral keeps the terms under which it was claimed."""

    commission: Annotated[Fixed | Share, Field(discriminator="kind")]
    months: Months | None = None
    """Every sale earns within so many months of the claim; without it the first one, within the programme's window."""
    minimum: Money = Decimal(0)
    """What a sale must come to, without shipping, gift cards, and what points paid or was refunded."""
    hold_days: Days = 30
    """How long after a sale its commission waits: the time for returns."""
    currency: Currency = "EUR"
    """A sale in another one earns nothing."""
    valid_from: Instant | None = None
    valid_until: Instant | None = None

    def is_open(self, instant: dt.datetime) -> bool:
        """Tell whether a claim at that instant can lead to anything."""
        return (self.valid_from is None or self.valid_from <= instant) and (
            self.valid_until is None or instant < self.valid_until
        )


def payable(amount: Decimal, currency: str) -> Decimal:
    """Return an amount that can be paid: rounded half to even, to the currency's minor unit."""
    return amount.quantize(Decimal(1).scaleb(-DIGITS.get(currency, USUAL_DIGITS)), ROUND_HALF_EVEN)


# What can't be said of one field alone


def faults(terms: Terms) -> list[Fault]:
    """Return everything that does not fit together; terms with faults are never kept."""
    return [*_currency(terms), *_window(terms)]


def _currency(terms: Terms) -> Iterator[Fault]:
    if not is_currency(terms.currency):
        yield Fault("/currency", "currency-unknown", f"{terms.currency} is no currency")
    elif isinstance(terms.commission, Fixed) and terms.commission.amount != payable(
        terms.commission.amount, terms.currency
    ):
        detail = f"{terms.commission.amount} {terms.currency} can't be paid"
        yield Fault("/commission/amount", "amount-not-payable", detail)


def _window(terms: Terms) -> Iterator[Fault]:
    begins, ends = terms.valid_from, terms.valid_until
    if begins is not None and ends is not None and begins >= ends:
        yield Fault("/valid_until", "window-empty", "it ends before it begins")


# Versions


Version = documents.Version[Terms]
Versions = documents.Versions[Terms]
