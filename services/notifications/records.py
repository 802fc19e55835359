"""What stands in the books: customers, their coupons, and the purchases that named codes; plain values, locked for a batch."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Origin = Literal["reward", "referral", "pair", "hand"]
CouponStatus = Literal["issued", "reserved", "redeemed", "voided", "expired"]
UseStatus = Literal["redeemed", "conflict", "unknown", "freed"]
SaleKey = tuple[str, str]
UseKey = tuple[str, str, str]


@dataclass(slots=True)
class Customer:
    """A customer, locked for the batch."""

    customer_id: str
    event_sequence: int = 0


@dataclass(slots=True)
class Coupon:
    """A coupon; `value` and `titles` are the contract's documents as JSON. One that was void before it came has no code."""

    coupon_id: str
    customer_id: str
    origin: Origin
    status: CouponStatus
    code: str | None
    value: str | None
    titles: str
    issued_at: dt.datetime
    valid_until: dt.datetime | None = None
    reservation: str | None = None
    reserved_until: dt.datetime | None = None
    shop_id: str | None = None
    invoice_number: str | None = None
    ended_at: dt.datetime | None = None
    reason: str | None = None

    def status_at(self, now: dt.datetime) -> CouponStatus:
        """Return its state at an instant, whether or not what time brings was booked."""
        if self.status not in {"issued", "reserved"}:
            return self.status
        if self.valid_until is not None and self.valid_until <= now:
            return "expired"
        if self.reserved_until is not None and self.reserved_until <= now:
            return "issued"
        return self.status


@dataclass(slots=True)
class Use:
    """A purchase that named a code."""

    code: str
    shop_id: str
    invoice_number: str
    status: UseStatus
    occurred_at: dt.datetime

    @property
    def key(self) -> UseKey:
        return self.code, self.shop_id, self.invoice_number


@dataclass(slots=True)
class Sale:
    """A purchase that named codes, or one of which only refunds have come."""

    shop_id: str
    invoice_number: str
    total: Decimal | None = None
    refunded: Decimal = Decimal(0)

    @property
    def key(self) -> SaleKey:
        return self.shop_id, self.invoice_number

    @property
    def is_taken_back(self) -> bool:
        return self.total is not None and self.total > 0 and self.refunded >= self.total
