"""The part of the books that a batch touches, as it was loaded and locked; decisions change it, and note what is to be saved."""

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeVar
from uuid import UUID

from services.notifications.programme import Programme, Versions
from services.notifications.records import (
    AddressKey,
    Bought,
    ConsentKey,
    Coupon,
    Customer,
    Dispatch,
    Kept,
    KeptKey,
    Notification,
    OwnDate,
    Sale,
    SaleKey,
    SavedSegment,
    SharedCode,
    Use,
    UseKey,
    notification_id,
)
from services.notifications.rules.consent import Consent, Standing
from services.notifications.templates.document import Stored
from shared.requests import Answers

RefundKey = tuple[str, str, str]

Key = TypeVar("Key")
Record = TypeVar("Record")


@dataclass(slots=True)
class Changes:
    """What a batch has decided, for `save`; what is under a key is written once, as it is at the end."""

    new_customers: dict[str, Customer] = field(default_factory=dict)
    customers: dict[str, Customer] = field(default_factory=dict)
    merged: list[tuple[str, str]] = field(default_factory=list)
    cards: dict[str, str] = field(default_factory=dict)
    bought: dict[tuple[str, str], Bought] = field(default_factory=dict)
    own_dates: dict[tuple[str, str], OwnDate] = field(default_factory=dict)
    dropped_dates: set[tuple[str, str]] = field(default_factory=set)
    unplanned: set[tuple[str, str]] = field(default_factory=set)
    """Customers and subjects of which nothing that was planned is true any more."""
    segments: dict[str, SavedSegment] = field(default_factory=dict)
    dropped_segments: set[str] = field(default_factory=set)
    new_coupons: dict[str, Coupon] = field(default_factory=dict)
    coupons: dict[str, Coupon] = field(default_factory=dict)
    new_uses: dict[UseKey, Use] = field(default_factory=dict)
    uses: dict[UseKey, Use] = field(default_factory=dict)
    new_sales: dict[SaleKey, Sale] = field(default_factory=dict)
    sales: dict[SaleKey, Sale] = field(default_factory=dict)
    refunds: list[RefundKey] = field(default_factory=list)
    new_notifications: dict[UUID, Notification] = field(default_factory=dict)
    notifications: dict[UUID, Notification] = field(default_factory=dict)
    forgotten: list[tuple[UUID]] = field(default_factory=list)
    new_shared: dict[str, SharedCode] = field(default_factory=dict)
    shared: dict[str, SharedCode] = field(default_factory=dict)
    kept: dict[KeptKey, Kept] = field(default_factory=dict)
    no_longer_kept: set[KeptKey] = field(default_factory=set)
    new_dispatches: dict[UUID, Dispatch] = field(default_factory=dict)
    dispatches: dict[UUID, Dispatch] = field(default_factory=dict)
    consents: dict[ConsentKey, Consent] = field(default_factory=dict)
    standings: dict[AddressKey, Standing] = field(default_factory=dict)
    erased: list[str] = field(default_factory=list)
    """All names of everybody who was erased."""
    outbox: list[tuple[str, str, str]] = field(default_factory=list)


class Links(Protocol):
    """What makes the links of messages."""

    def unsubscribe(self, customer_id: str, channel: str, purpose: str) -> str: ...

    def preferences(self, customer_id: str) -> str: ...

    def confirm(self, customer_id: str, channel: str, purpose: str, asked_at: dt.datetime) -> str: ...


class House(NamedTuple):
    """How we speak to customers: what makes our links, where there are pages to lead to, and whether we deliver mail."""

    links: Links | None = None
    delivers_mail: bool = False


NO_HOUSE = House()


@dataclass(slots=True)
class Reach:
    """How customers may be reached, of those who are to be told something now.

    `hooks` are the channels that have one, `said` the instants of promotional messages of a customer.
    """

    hooks: frozenset[str] = frozenset()
    templates: Mapping[str, Stored] = field(default_factory=dict)
    said: dict[str, list[dt.datetime]] = field(default_factory=dict)


@dataclass(slots=True)
class Books:
    """What was loaded: `coupons` by id, `by_code` those that have one; `uses` of the codes and invoices that are named.

    `shared` are codes for everybody, `kept` what baskets keep of them, `had` how many uses of one a customer has. `customers` are
    under every name that they have; `parked` are purchases that wait for whose a card is.
    """

    now: dt.datetime
    versions: Versions
    customers: dict[str, Customer] = field(default_factory=dict)
    own_dates: dict[str, dict[str, OwnDate]] = field(default_factory=dict)
    cards: dict[str, str] = field(default_factory=dict)
    parked: dict[str, list[Sale]] = field(default_factory=dict)
    segments: dict[str, SavedSegment] = field(default_factory=dict)
    coupons: dict[str, Coupon] = field(default_factory=dict)
    by_code: dict[str, Coupon] = field(default_factory=dict)
    uses: dict[UseKey, Use] = field(default_factory=dict)
    sales: dict[SaleKey, Sale] = field(default_factory=dict)
    refunds: set[RefundKey] = field(default_factory=set)
    notifications: dict[UUID, Notification] = field(default_factory=dict)
    shared: dict[str, SharedCode] = field(default_factory=dict)
    kept: dict[KeptKey, Kept] = field(default_factory=dict)
    had: Counter[tuple[str, str]] = field(default_factory=Counter)
    digests: dict[str, Notification] = field(default_factory=dict)
    """The digest that is being gathered for a customer."""
    dispatches: dict[UUID, Dispatch] = field(default_factory=dict)
    house: House = NO_HOUSE
    reach: Reach = field(default_factory=Reach)
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

    def name(self, name: str) -> str:
        """Return the name that a customer goes by now."""
        return self.customer(name).customer_id

    def is_erased(self, name: str | None) -> bool:
        found = self.customers.get(name or "")
        return found is not None and found.erased_at is not None

    def keep_use(self, use: Use) -> None:
        """Note that a use is new, or changed."""
        _keep(use, use.key, self.uses, self.changes.new_uses, self.changes.uses)

    def change(self, customer: Customer) -> None:
        """Note that a customer changed."""
        if customer.customer_id not in self.changes.new_customers:
            self.changes.customers[customer.customer_id] = customer

    def keep_notification(self, notification: Notification) -> None:
        """Note that a notification is new, or changed."""
        key, changes = notification.notification_id, self.changes
        _keep(notification, key, self.notifications, changes.new_notifications, changes.notifications)

    def leave(self, gone: Customer, into: Customer) -> None:
        """Note that a customer goes on as another, under whose name all is found from now on; but an alias is left of them."""
        name, alias = gone.customer_id, Customer(gone.customer_id, gone.event_sequence, merged_into=into.customer_id)
        kept = self.changes.new_customers if name in self.changes.new_customers else self.changes.customers
        kept[name] = alias
        self.customers.update({each: into for each, customer in self.customers.items() if customer is gone})
        before = [(each, into.customer_id if target == name else target) for each, target in self.changes.merged]
        self.changes.merged = [*before, (name, into.customer_id)]

    def forget(self, notification: Notification) -> None:
        """Note that a notification is no more, as if it had never been planned."""
        key = notification.notification_id
        del self.notifications[key]
        self.changes.notifications.pop(key, None)
        if self.changes.new_notifications.pop(key, None) is None:
            self.changes.forgotten.append((key,))

    def message(self, customer_id: str, subject: str, reference: str) -> Notification | None:
        """Return what a customer is told about one thing, or was, be it under an earlier name."""
        names = self.customer(customer_id).customer_id, customer_id
        found = (self.notifications.get(notification_id(name, subject, reference)) for name in names)
        return next((each for each in found if each is not None), None)

    def keep_dispatch(self, dispatch: Dispatch) -> None:
        """Note that a dispatch is new, or changed."""
        key, changes = dispatch.notification_id, self.changes
        _keep(dispatch, key, self.dispatches, changes.new_dispatches, changes.dispatches)

    def keep_used(self, use: Use) -> None:
        """Note that a use stays one, though its purchase was taken back as a whole."""
        use.reason = "purchase-refunded"
        self.keep_use(use)

    def keep_consent(self, key: ConsentKey, consent: Consent) -> None:
        self.consents[key] = self.changes.consents[key] = consent

    def keep_standing(self, key: AddressKey, standing: Standing) -> None:
        self.standings[key] = self.changes.standings[key] = standing

    def keep(self, coupon: Coupon) -> None:
        """Note that a coupon changed."""
        if coupon.coupon_id not in self.changes.new_coupons:
            self.changes.coupons[coupon.coupon_id] = coupon

    def keep_shared(self, shared: SharedCode) -> None:
        """Note that a shared code changed."""
        if shared.code not in self.changes.new_shared:
            self.changes.shared[shared.code] = shared

    def keep_for(self, kept: Kept) -> None:
        """Note that a basket keeps a use of a shared code, or keeps it for longer."""
        self.kept[kept.key] = self.changes.kept[kept.key] = kept
        self.changes.no_longer_kept.discard(kept.key)

    def keep_no_longer(self, kept: Kept) -> None:
        """Note that a basket keeps nothing any more."""
        del self.kept[kept.key]
        self.changes.kept.pop(kept.key, None)
        self.changes.no_longer_kept.add(kept.key)

    def sale(self, key: SaleKey) -> Sale:
        """Return a purchase, and note that it changes; one that nobody has heard of begins here."""
        found = self.sales.get(key)
        if found is None:
            found = self.sales[key] = self.changes.new_sales[key] = Sale(*key)
        elif key not in self.changes.new_sales:
            self.changes.sales[key] = found
        return found


def _keep(
    record: Record, key: Key, known: dict[Key, Record], new: dict[Key, Record], changed: dict[Key, Record]
) -> None:
    """Note a record among the new ones where it was not known, else among those that changed."""
    if key not in known:
        new[key] = record
    elif key not in new:
        changed[key] = record
    known[key] = record
