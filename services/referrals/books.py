"""The part of the books that a batch touches, as it was loaded and locked; decisions change it, and note what is to be saved."""

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

from services.referrals.programme import Programme, Versions
from services.referrals.records import (
    Code,
    Commission,
    Customer,
    Line,
    Listing,
    Pair,
    PairReward,
    Partner,
    Payout,
    Purchase,
    PurchaseKey,
    Referral,
    Refund,
    RefundKey,
    Reward,
    TermsVersion,
)
from services.referrals.rules.claims import Counts
from shared.requests import Answers

DAY = dt.timedelta(days=1)


@dataclass(slots=True)
class Changes:
    """What a batch has decided, for `save`; what is under a key is written once, as it is at the end."""

    new_customers: dict[str, Customer] = field(default_factory=dict)
    customers: dict[str, Customer] = field(default_factory=dict)
    merged: dict[str, str] = field(default_factory=dict)
    """Who goes on as whom, and with them those who had gone on as them."""
    cards: dict[str, str] = field(default_factory=dict)
    new_purchases: dict[PurchaseKey, Purchase] = field(default_factory=dict)
    purchases: dict[PurchaseKey, Purchase] = field(default_factory=dict)
    new_refunds: dict[RefundKey, Refund] = field(default_factory=dict)
    refunds: dict[RefundKey, Refund] = field(default_factory=dict)
    new_codes: dict[str, Code] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    shares: dict[tuple[str, str, dt.date], int] = field(default_factory=dict)
    new_referrals: dict[str, Referral] = field(default_factory=dict)
    referrals: dict[str, Referral] = field(default_factory=dict)
    rewards: dict[str, Reward] = field(default_factory=dict)
    new_offers: dict[str, Listing] = field(default_factory=dict)
    changed_offers: dict[str, Listing] = field(default_factory=dict)
    reserved: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """How many more places in the budget of an offer are held."""
    pairs: dict[str, Pair] = field(default_factory=dict)
    pair_rewards: dict[str, PairReward] = field(default_factory=dict)
    partners: dict[str, Partner] = field(default_factory=dict)
    terms: list[TermsVersion] = field(default_factory=list)
    commissions: dict[tuple[str, PurchaseKey], Commission] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    payouts: list[Payout] = field(default_factory=list)
    outbox: list[tuple[str, str, str]] = field(default_factory=list)
    erased: list[str] = field(default_factory=list)
    """All names of everybody who was erased."""


@dataclass(slots=True)
class Books:
    """What was loaded. A customer stands under each name that the batch knows them by, also those they were merged from.

    `purchases` holds those that are named, and all of friends whose referral may change: `sales` by customer. `referrals`
    holds those that are named and the live ones of friends, and of everybody up the chain of those whose codes are claimed;
    `rewards` theirs, and what referrers have from the ladder. `given` counts rewards of referrers by month, `rewarded` their
    referrals that are rewarded now, `counts` earlier claims by referrer, `from_address` by address.

    `pairs` holds those that are named and those of customers whose purchases may matter to them, `pairs_of` their ids by
    customer; `pair_counts` counts those that a customer is of now, by customer and offer, `most_pairs` the most that any is.

    Partners are locked too: `commissions` are those of a referral, `booked` is what their lines come to up to the end of
    a month.
    """

    now: dt.datetime
    versions: Versions
    customers: dict[str, Customer] = field(default_factory=dict)
    merged: dict[str, list[str]] = field(default_factory=dict)
    cards: dict[str, str] = field(default_factory=dict)
    cards_of: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    purchases: dict[PurchaseKey, Purchase] = field(default_factory=dict)
    sales: dict[str, dict[PurchaseKey, Purchase]] = field(default_factory=dict)
    parked: dict[str, list[Purchase]] = field(default_factory=dict)
    refunds: dict[RefundKey, Refund] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    codes_of: dict[str, dict[str, Code]] = field(default_factory=dict)
    referrals: dict[str, Referral] = field(default_factory=dict)
    live: dict[str, Referral] = field(default_factory=dict)
    rewards: dict[str, dict[str, Reward]] = field(default_factory=lambda: defaultdict(dict))
    ladder: dict[str, dict[str, Reward]] = field(default_factory=lambda: defaultdict(dict))
    given: dict[tuple[str, dt.date], int] = field(default_factory=lambda: defaultdict(int))
    rewarded: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    counts: dict[str, Counts] = field(default_factory=dict)
    from_address: dict[bytes, int] = field(default_factory=lambda: defaultdict(int))
    offers: dict[str, Listing] = field(default_factory=dict)
    most_pairs: dict[str, int] = field(default_factory=dict)
    pairs: dict[str, Pair] = field(default_factory=dict)
    pairs_of: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    pair_counts: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    pair_rewards: dict[str, dict[str, PairReward]] = field(default_factory=lambda: defaultdict(dict))
    partners: dict[str, Partner] = field(default_factory=dict)
    commissions: dict[str, dict[PurchaseKey, Commission]] = field(default_factory=lambda: defaultdict(dict))
    booked: dict[tuple[str, dt.date], Decimal] = field(default_factory=dict)
    payouts: dict[tuple[str, dt.date], Payout] = field(default_factory=dict)
    answers: Answers = field(default_factory=Answers)
    changes: Changes = field(default_factory=Changes)

    programme: Programme = field(init=False)
    """The one that holds now."""

    def __post_init__(self) -> None:
        self.programme = self.versions.at(self.now).programme

    def customer(self, name: str) -> Customer:
        """Return a customer under any of their names; one that nobody has heard of begins here."""
        found = self.customers.get(name)
        if found is None:
            found = Customer(name)
            self.customers[name] = self.changes.new_customers[name] = found
        return found

    def is_erased(self, name: str | None) -> bool:
        found = self.customers.get(name or "")
        return found is not None and found.erased

    def keep(self, customer: Customer) -> None:
        """Note that a customer changed."""
        if customer.customer_id not in self.changes.new_customers:
            self.changes.customers[customer.customer_id] = customer

    def count(self, referral: Referral, claims: int) -> None:
        """Let what follows in the batch see a claim on a referrer, or see it no more."""
        if referral.referrer_id is None:
            return
        referrer = self.customer(referral.referrer_id).customer_id
        within_day = claims if referral.received_at > self.now - DAY else 0
        within_month = claims if self.programme.month(referral.received_at) == self.programme.month(self.now) else 0
        more = Counts(within_day=within_day, within_month=within_month)
        self.counts[referrer] = self.counts.get(referrer, Counts()).plus(more)

    def up_the_chain(self, name: str) -> frozenset[str]:
        """Return who referred a customer, who referred that one, and so on."""
        found: set[str] = set()
        while (referral := self.live.get(name)) is not None and referral.referrer_id is not None:
            name = self.customer(referral.referrer_id).customer_id
            if name in found:
                break
            found.add(name)
        return frozenset(found)

    def names(self, customer: Customer) -> frozenset[str]:
        """Return all names that a customer is known by."""
        return frozenset([customer.customer_id, *self.merged.get(customer.customer_id, ())])

    def programme_of(self, referral: Referral) -> Programme:
        return self.versions.number(referral.programme_version).programme
