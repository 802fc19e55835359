"""The part of the books that a batch touches, as it was loaded and locked; decisions change it, and note what is to be saved."""

import datetime as dt
from dataclasses import dataclass, field

from services.notifications.records import Coupon, Customer, Sale, SaleKey, Use, UseKey
from shared.requests import Answers

RefundKey = tuple[str, str, str]


@dataclass(slots=True)
class Changes:
    """What a batch has decided, for `save`; what is under a key is written once, as it is at the end."""

    new_customers: dict[str, Customer] = field(default_factory=dict)
    customers: dict[str, Customer] = field(default_factory=dict)
    new_coupons: dict[str, Coupon] = field(default_factory=dict)
    coupons: dict[str, Coupon] = field(default_factory=dict)
    new_uses: dict[UseKey, Use] = field(default_factory=dict)
    uses: dict[UseKey, Use] = field(default_factory=dict)
    new_sales: dict[SaleKey, Sale] = field(default_factory=dict)
    sales: dict[SaleKey, Sale] = field(default_factory=dict)
    refunds: list[RefundKey] = field(default_factory=list)
    outbox: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Books:
    """What was loaded: `coupons` by id, `by_code` those that have one; `uses` of the codes and invoices that are named."""

    now: dt.datetime
    customers: dict[str, Customer] = field(default_factory=dict)
    coupons: dict[str, Coupon] = field(default_factory=dict)
    by_code: dict[str, Coupon] = field(default_factory=dict)
    uses: dict[UseKey, Use] = field(default_factory=dict)
    sales: dict[SaleKey, Sale] = field(default_factory=dict)
    refunds: set[RefundKey] = field(default_factory=set)
    answers: Answers = field(default_factory=Answers)
    changes: Changes = field(default_factory=Changes)

    def customer(self, name: str) -> Customer:
        """Return a customer; one that nobody has heard of begins here."""
        found = self.customers.get(name)
        if found is None:
            found = self.customers[name] = self.changes.new_customers[name] = Customer(name)
        return found

    def keep_use(self, use: Use) -> None:
        """Note that a use is new, or changed."""
        if use.key not in self.uses:
            self.changes.new_uses[use.key] = use
        elif use.key not in self.changes.new_uses:
            self.changes.uses[use.key] = use
        self.uses[use.key] = use

    def keep(self, coupon: Coupon) -> None:
        """Note that a coupon changed."""
        if coupon.coupon_id not in self.changes.new_coupons:
            self.changes.coupons[coupon.coupon_id] = coupon
