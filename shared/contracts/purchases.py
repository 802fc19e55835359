"""What shops say: a purchase was completed, a purchase was refunded."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.envelope import Envelope
from shared.contracts.values import CardNumber, Currency, CustomerId, Flag, Identifier, Instant, Money, Whole

ZERO = Decimal(0)


class PurchaseLine(BaseModel):
    """One line of an invoice; `amount` is its gross sum after its discounts."""

    sku: Identifier
    category: Identifier | None = None
    quantity: Whole | Money = 1
    amount: Money


class PurchaseCompleted(BaseModel):
    """A paid purchase; `total` is gross, after discounts, with shipping and what gift cards or points paid in it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "shop_id": "webshop-de",
                    "invoice_number": "R-2026-000123",
                    "customer_id": "c-42",
                    "occurred_at": "2026-11-23T10:15:00+01:00",
                    "channel": "web",
                    "currency": "EUR",
                    "total": "119.00",
                    "tax": "19.00",
                    "shipping": "4.90",
                    "gift_cards": "0.00",
                    "points_paid": "0.00",
                    "discount": "10.00",
                    "lines": [{"sku": "A-1", "category": "wine", "quantity": 2, "amount": "114.10"}],
                    "coupon_codes": ["XMAS-7K2M-9QF4-T3HB"],
                    "promoted": False,
                }
            ]
        }
    )

    shop_id: Identifier
    invoice_number: Identifier
    customer_id: CustomerId | None = None
    card_number: CardNumber | None = None
    occurred_at: Instant | None = None
    channel: Identifier | None = None
    currency: Currency
    total: Money
    tax: Money = ZERO
    shipping: Money = ZERO
    gift_cards: Money = ZERO
    points_paid: Money = ZERO
    discount: Money = ZERO
    lines: Annotated[list[PurchaseLine], Field(max_length=2_000, default_factory=list)]
    coupon_codes: Annotated[list[Identifier], Field(max_length=50, default_factory=list)]
    referral_code: Identifier | None = None
    companion_id: CustomerId | None = None
    redemption_ids: Annotated[list[Identifier], Field(max_length=50, default_factory=list)]
    promoted: Flag = False


class RefundRequest(BaseModel):
    """What is taken back of a purchase; `amount` is the value taken back, however it was paid."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"refund_id": "G-2026-000017", "currency": "EUR", "amount": "33.33", "reason": "did not fit"}]
        }
    )

    refund_id: Identifier
    currency: Currency
    amount: Money
    customer_id: CustomerId | None = None
    occurred_at: Instant | None = None
    lines: Annotated[list[PurchaseLine], Field(max_length=2_000, default_factory=list)]
    kind: Literal["money", "store_credit"] = "money"
    reason: Annotated[str, Field(max_length=500)] | None = None
    shipping: Money = ZERO
    gift_cards: Money = ZERO
    points_paid: Money | None = None
    """Where it is not said: the purchase's share, in proportion to what has been refunded in all."""


class PurchaseRefunded(RefundRequest):
    """A refund, named by `(shop_id, invoice_number, refund_id)`; it may arrive before its purchase."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "shop_id": "webshop-de",
                    "invoice_number": "R-2026-000123",
                    "refund_id": "G-2026-000017",
                    "currency": "EUR",
                    "amount": "33.33",
                    "occurred_at": "2026-11-25T09:00:00+01:00",
                    "reason": "did not fit",
                }
            ]
        }
    )

    shop_id: Identifier
    invoice_number: Identifier


class PurchaseCompletedEvent(Envelope):
    """`loyalty.purchase.completed.v1` on `loyalty.purchases`."""

    type: Literal["loyalty.purchase.completed.v1"]
    data: PurchaseCompleted


class PurchaseRefundedEvent(Envelope):
    """`loyalty.purchase.refunded.v1` on `loyalty.purchases`."""

    type: Literal["loyalty.purchase.refunded.v1"]
    data: PurchaseRefunded
