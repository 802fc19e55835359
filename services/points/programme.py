"""The programme: the shop's rules as one document, validated as a whole; versions decide by the purchase's own time."""

import datetime as dt
from bisect import bisect_right
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from shared.contracts.values import Currency, Money

BEGINNING = dt.datetime(1, 1, 1, tzinfo=dt.UTC)
"""From when the first version is valid."""


def _above_zero(rate: Decimal) -> Decimal:
    if rate <= 0:
        message = "a rate must be above 0"
        raise ValueError(message)
    return rate


Rate = Annotated[
    Money,
    AfterValidator(_above_zero),
    WithJsonSchema({"type": "string", "pattern": r"^(?=.*[1-9])[0-9]{1,14}(\.[0-9]{1,4})?$", "examples": ["1"]}),
]


class EarnBase(BaseModel):
    """Which parts of a purchase's total earn points."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tax: bool = True
    shipping: bool = False
    gift_cards: bool = False
    points_paid: bool = False
    discount: bool = Field(default=False, description="true: points are earned on the price before discounts")


class Programme(BaseModel):
    """What a purchase earns and what happens when it is taken back."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rates: Annotated[dict[Currency, Rate], Field(min_length=1, json_schema_extra={"additionalProperties": False})] = {
        currency: Decimal(1) for currency in ("EUR", "GBP", "USD", "CHF")
    }
    """Points per unit of each currency; a purchase in another currency is refused."""
    minimum: Money = Decimal(0)
    """The least earn base that earns anything."""
    earn_base: EarnBase = EarnBase()
    enrol_buyers: bool = True
    """Whether a purchase of someone not enrolled enrols them."""
    claim_days: Annotated[int, Field(ge=0, le=3650)] = 30
    """How long after it happened a purchase of nobody can be claimed."""
    unmet_clawback: Literal["debt", "write_off"] = "debt"
    """What becomes of points taken back that were spent already."""
    store_credit_claws_back: bool = True


class Version(BaseModel):
    """A published programme; `version` counts from 1."""

    version: int
    valid_from: dt.datetime
    programme: Programme


class Versions:
    """All published versions, in the order of their validity."""

    def __init__(self, versions: list[Version]) -> None:
        # of two versions valid from the same instant the later one counts
        self._by_validity = sorted(versions, key=lambda each: (each.valid_from, each.version))
        self._starts = [each.valid_from for each in self._by_validity]
        self._by_number = {each.version: each for each in versions}
        self.latest = max(self._by_number)

    def at(self, instant: dt.datetime) -> Version:
        """Return the version whose rules hold for what happened at `instant`."""
        return self._by_validity[bisect_right(self._starts, instant) - 1]

    def number(self, version: int) -> Version:
        """Return a version by its number."""
        return self._by_number[version]
