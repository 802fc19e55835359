"""What stands in the books: customers, their coupons, and the purchases that named codes; plain values, locked for a batch."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Origin = Literal["reward", "referral", "pair", "hand"]
CouponStatus = Literal["issued", "reserved", "redeemed", "voided", "expired"]
UseStatus = Literal["redeemed", "conflict", "unknown", "freed"]
SharedStatus = Literal["upcoming", "open", "ended", "expired"]
SaleKey = tuple[str, str]
KeptKey = tuple[str, str]
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
    categories: str = "[]"
    stacks: bool = False

    def status_at(self, now: dt.datetime) -> CouponStatus:
        """Return its state at an instant, whether or not what time brings was booked.

        A reservation ends in its time, a coupon that nobody keeps in its own; a basket that keeps one may still pay with it.
        """
        is_kept = self.reserved_until is not None and now < self.reserved_until
        if self.status not in {"issued", "reserved"} or is_kept:
            return self.status
        is_over = self.valid_until is not None and self.valid_until <= now
        return "expired" if is_over else "issued"


@dataclass(slots=True)
class Use:
    """A purchase that named a code."""

    code: str
    shop_id: str
    invoice_number: str
    status: UseStatus
    occurred_at: dt.datetime
    customer_id: str | None = None
    amount: Decimal | None = None
    reason: str | None = None

    @property
    def key(self) -> UseKey:
        return self.code, self.shop_id, self.invoice_number

    @property
    def sale_key(self) -> SaleKey:
        return self.shop_id, self.invoice_number


@dataclass(slots=True)
class SharedCode:
    """A code for everybody, locked for the batch; `uses` and `amount` are of what is redeemed or reserved."""

    code: str
    value: str
    titles: str
    categories: str
    stacks: bool
    refund_frees: bool
    most_uses: int | None
    most_amount: Decimal | None
    currency: str | None
    most_per_customer: int | None
    uses: int
    amount: Decimal
    valid_from: dt.datetime | None
    valid_until: dt.datetime | None
    created_at: dt.datetime
    ended_at: dt.datetime | None = None
    reason: str | None = None

    def status_at(self, now: dt.datetime) -> SharedStatus:
        """Return its state at an instant."""
        if self.ended_at is not None and self.ended_at <= now:
            return "ended"
        if self.valid_until is not None and self.valid_until <= now:
            return "expired"
        return "upcoming" if self.valid_from is not None and now < self.valid_from else "open"


@dataclass(slots=True)
class Kept:
    """A use of a shared code that is kept for a basket."""

    code: str
    reservation: str
    reserved_until: dt.datetime
    customer_id: str | None = None
    amount: Decimal | None = None

    @property
    def key(self) -> KeptKey:
        return self.code, self.reservation


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
