"""Benefits as the notifications programme has them: those of the contract, and what a coupon asks of a basket."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from shared.contracts import coupons
from shared.contracts.values import Flag, Identifier
from shared.documents import Document, Fault


class FreeArticle(Document, coupons.FreeArticle):
    """An article that the till gives away for the code."""


class PercentageVoucher(Document, coupons.PercentageVoucher):
    """So many percent off a purchase."""


class MoneyVoucher(Document, coupons.MoneyVoucher):
    """So much off a purchase."""


class Shipping(Document, coupons.Shipping):
    """A delivery that costs nothing."""


class CouponTerms(Document, coupons.CouponTerms):
    """A coupon that is still to be issued: good for `valid_days` after the day of its issue, without them always."""

    value: Annotated[FreeArticle | PercentageVoucher | MoneyVoucher | Shipping, Field(discriminator="kind")]
    categories: Annotated[list[Identifier], Field(max_length=500)] = []
    """Only lines of these count; without any, all do."""
    stacks: Flag = False
    """Whether others that stack may be used beside it."""


class PointsBenefit(Document, coupons.PointsBenefit):
    """Points, booked by whoever keeps points."""


class CouponBenefit(Document, coupons.CouponBenefit):
    """A personal coupon."""

    coupon: CouponTerms


Benefit = Annotated[PointsBenefit | CouponBenefit, Field(discriminator="kind")]


def faults(pointer: str, benefit: Benefit | None, currency: str) -> Iterator[Fault]:
    """Return what does not fit a document that reckons in `currency`."""
    if isinstance(benefit, CouponBenefit) and isinstance(benefit.coupon.value, MoneyVoucher):
        found = benefit.coupon.value.currency
        if found != currency:
            detail = f"the coupon is in {found}, all else in {currency}"
            yield Fault(f"{pointer}/coupon/value/currency", "currency-differs", detail)
