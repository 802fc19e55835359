"""What the notifications service says of coupons and surveys, as far as others act on it."""

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from shared.contracts.coupons import FreeArticle, MoneyVoucher, PercentageVoucher, PointsBenefit, Shipping
from shared.contracts.envelope import Envelope
from shared.contracts.values import CustomerId, Flag, Identifier, Instant


class CouponEnded(BaseModel):
    """A coupon that nobody can use any more; of a reward, with its claim. One use of a code for everybody is `shared`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "code": "XMAS-7K2M-9QF4-T3HJ",
                    "customer_id": "c-42",
                    "coupon_id": "2c1f4b52-6f0e-4bd6-9d58-6f0f5b0c7a11",
                    "claim_id": "2c1f4b52-6f0e-4bd6-9d58-6f0f5b0c7a11",
                    "occurred_at": "2026-11-23T09:15:00Z",
                },
                {
                    "code": "SUMMER26",
                    "customer_id": "c-42",
                    "shared": True,
                    "shop_id": "webshop-de",
                    "invoice_number": "R-2026-000123",
                    "occurred_at": "2026-11-23T09:15:00Z",
                },
            ]
        }
    )

    code: Identifier
    customer_id: CustomerId
    coupon_id: Identifier | None = None
    claim_id: Identifier | None = None
    shared: Flag = False
    shop_id: Identifier | None = None
    invoice_number: Identifier | None = None
    occurred_at: Instant | None = None


class CouponRedeemedEvent(Envelope):
    """`loyalty.coupon.redeemed.v1` on `loyalty.notifications`: a till took it."""

    type: Literal["loyalty.coupon.redeemed.v1"]
    data: CouponEnded


class CouponVoidedEvent(Envelope):
    """`loyalty.coupon.voided.v1` on `loyalty.notifications`: no till will take it, and none has."""

    type: Literal["loyalty.coupon.voided.v1"]
    data: CouponEnded


class CouponExpiredEvent(Envelope):
    """`loyalty.coupon.expired.v1` on `loyalty.notifications`: its time is over, and no till has taken it."""

    type: Literal["loyalty.coupon.expired.v1"]
    data: CouponEnded


class CouponIssued(BaseModel):
    """A customer has a coupon; one of `kind: points` is points, which whoever keeps points books once for its `coupon_id`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "c-42",
                    "coupon_id": "3f0e9c1a-7a5e-4f9b-8a57-1c2f6f0d7b11",
                    "occasion": "birthday",
                    "value": {"kind": "points", "points": 100},
                    "occurred_at": "2026-11-23T09:15:00Z",
                }
            ]
        }
    )

    customer_id: CustomerId
    coupon_id: Identifier
    code: Identifier | None = None
    occasion: Identifier | None = None
    value: Annotated[
        PointsBenefit | FreeArticle | PercentageVoucher | MoneyVoucher | Shipping, Field(discriminator="kind")
    ]
    valid_until: dt.datetime | None = None
    categories: list[Identifier] = []
    """Only lines of these count; without any, all do."""
    stacks: Flag = False
    """Whether others that stack may be used beside it."""
    occurred_at: Instant | None = None


class SurveyAnswered(BaseModel):
    """A customer answered a survey; what they said stays with whoever asked."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"customer_id": "c-42", "survey": "autumn-2026", "occurred_at": "2026-11-23T09:15:00Z"}]
        }
    )

    customer_id: CustomerId
    survey: Identifier
    occurred_at: Instant | None = None


class CouponIssuedEvent(Envelope):
    """`loyalty.coupon.issued.v1` on `loyalty.notifications`: a customer has a coupon."""

    type: Literal["loyalty.coupon.issued.v1"]
    data: CouponIssued


class SurveyAnsweredEvent(Envelope):
    """`loyalty.survey.answered.v1` on `loyalty.notifications`: a customer answered a survey."""

    type: Literal["loyalty.survey.answered.v1"]
    data: SurveyAnswered


EVENTS: TypeAdapter[Any] = TypeAdapter(
    Annotated[
        CouponIssuedEvent | CouponRedeemedEvent | CouponVoidedEvent | CouponExpiredEvent, Field(discriminator="type")
    ]
)
"""What is said today."""
