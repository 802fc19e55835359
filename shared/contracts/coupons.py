"""What a coupon gives, as services say it to each other: on which terms one is to be issued."""

import datetime as dt
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from shared.contracts.values import Currency, Identifier, Money, Whole

Percent = Annotated[Money, Field(gt=0, le=100)]
CodePrefix = Annotated[str, StringConstraints(pattern=r"^[A-HJ-NP-Z2-9]{1,8}$")]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$")]
Title = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=200)]
ONLY_THESE = {"additionalProperties": False}


class FreeArticle(BaseModel):
    """An article that the till gives away for the code."""

    kind: Literal["free_article"]
    sku: Identifier


class PercentageVoucher(BaseModel):
    """So many percent off a purchase."""

    kind: Literal["percentage_voucher"]
    percent: Percent
    minimum: Money = Decimal(0)


class MoneyVoucher(BaseModel):
    """So much off a purchase."""

    kind: Literal["money_voucher"]
    amount: Annotated[Money, Field(gt=0)]
    currency: Currency
    minimum: Money = Decimal(0)


class Shipping(BaseModel):
    """A delivery that costs nothing."""

    kind: Literal["shipping"]
    minimum: Money = Decimal(0)


CouponValue = Annotated[FreeArticle | PercentageVoucher | MoneyVoucher | Shipping, Field(discriminator="kind")]


class CouponTerms(BaseModel):
    """A coupon that is still to be issued: good for `valid_days` after the day of its issue, without them always."""

    value: CouponValue
    valid_days: Annotated[Whole, Field(ge=0, le=3650)] | None = None
    code_prefix: CodePrefix | None = None
    titles: Annotated[dict[Language, Title], Field(max_length=50, json_schema_extra=ONLY_THESE)] = {}


class PointsBenefit(BaseModel):
    """Points, booked by whoever keeps points, once for each `reward_id`."""

    kind: Literal["points"]
    points: Annotated[Whole, Field(ge=1, le=10**9)]
    expires_on: dt.date | None = None


class CouponBenefit(BaseModel):
    """A coupon, issued by whoever keeps coupons, once for each `reward_id`."""

    kind: Literal["coupon"]
    coupon: CouponTerms


Benefit = Annotated[PointsBenefit | CouponBenefit, Field(discriminator="kind")]
"""What a customer gets for something."""
