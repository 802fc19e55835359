"""The part of the books that a batch touches, as it was loaded and locked; decisions change it, and note what is to be saved."""

import datetime as dt
from dataclasses import dataclass, field
from uuid import UUID

from services.notifications.programme import Programme, Versions
from services.notifications.records import (
    AddressKey,
    ConsentKey,
    Coupon,
    Customer,
    Notification,
    Sale,
    SaleKey,
    Use,
    UseKey,
)
from services.notifications.rules.consent import Consent, Standing
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
    new_notifications: dict[UUID, Notification] = field(default_factory=dict)
    notifications: dict[UUID, Notification] = field(default_factory=dict)
    consents: dict[ConsentKey, Consent] = field(default_factory=dict)
    standings: dict[AddressKey, Standing] = field(default_factory=dict)
    outbox: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Books:
    """What was loaded: `coupons` by id, `by_code` those that have one; `uses` of the codes and invoices that are named."""

    now: dt.datetime
    versions: Versions
    customers: dict[str, Customer] = field(default_factory=dict)
    coupons: dict[str, Coupon] = field(default_factory=dict)
    by_code: dict[str, Coupon] = field(default_factory=dict)
    uses: dict[UseKey, Use] = field(default_factory=dict)
    sales: dict[SaleKey, Sale] = field(default_factory=dict)
    refunds: set[RefundKey] = field(default_factory=set)
    notifications: dict[UUID, Notification] = field(default_factory=dict)
    consents: dict[ConsentKey, Consent] = field(default_factory=dict)
    standings: dict[AddressKey, Standing] = field(default_factory=dict)
    answers: Answers = field(default_factory=Answers)
    changes: Changes = field(default_factory=Changes)

    @property
    def programme(self) -> Programme:
        """The one that holds now."""
        return self.versions.at(self.now).programme

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

    def change(self, customer: Customer) -> None:
        """Note that a customer changed."""
        if customer.customer_id not in self.changes.new_customers:
            self.changes.customers[customer.customer_id] = customer

    def keep_notification(self, notification: Notification) -> None:
        """Note that a notification is new, or changed."""
        key = notification.notification_id
        if key not in self.notifications:
            self.changes.new_notifications[key] = notification
        elif key not in self.changes.new_notifications:
            self.changes.notifications[key] = notification
        self.notifications[key] = notification

    def keep_consent(self, key: ConsentKey, consent: Consent) -> None:
        self.consents[key] = self.changes.consents[key] = consent

    def keep_standing(self, key: AddressKey, standing: Standing) -> None:
        self.standings[key] = self.changes.standings[key] = standing

    def keep(self, coupon: Coupon) -> None:
        """Note that a coupon changed."""
        if coupon.coupon_id not in self.changes.new_coupons:
            self.changes.coupons[coupon.coupon_id] = coupon
