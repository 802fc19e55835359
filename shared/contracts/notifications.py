"""What the notifications service says of coupons, as far as others act on it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from shared.contracts.envelope import Envelope
from shared.contracts.values import CustomerId, Identifier, Instant


class CouponEnded(BaseModel):
    """A coupon that nobody can use any more; of a reward, with its claim."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "code": "XMAS-7K2M-9QF4-T3HJ",
                    "customer_id": "c-42",
                    "claim_id": "2c1f4b52-6f0e-4bd6-9d58-6f0f5b0c7a11",
                    "occurred_at": "2026-11-23T09:15:00Z",
                }
            ]
        }
    )

    code: Identifier
    customer_id: CustomerId
    claim_id: Identifier | None = None
    occurred_at: Instant | None = None


class CouponRedeemedEvent(Envelope):
    """`loyalty.coupon.redeemed.v1` on `loyalty.notifications`: a till took it."""

    type: Literal["loyalty.coupon.redeemed.v1"]
    data: CouponEnded


class CouponVoidedEvent(Envelope):
    """`loyalty.coupon.voided.v1` on `loyalty.notifications`: no till will take it, and none has."""

    type: Literal["loyalty.coupon.voided.v1"]
    data: CouponEnded
