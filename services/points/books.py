"""The part of the books that a batch touches, and what the batch has changed in it so far; plain values, no I/O, no clock."""

import datetime as dt
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from services.points.programme import Programme, Versions
from services.points.records import (
    Account,
    ActionGiven,
    Adjustment,
    Entry,
    Gift,
    Grant,
    Listing,
    Purchase,
    Redemption,
    Refund,
    RewardClaim,
    Settlement,
)
from services.points.rules.earning import Use
from services.points.rules.lots import Lot
from services.points.rules.tiers import Counts
from shared.requests import Answers

PurchaseKey = tuple[str, str]
RefundKey = tuple[str, str, str]
GrantKey = tuple[str, str]


@dataclass(slots=True)
class Progress:
    """What a day's purchases count towards a tier."""

    points: int = 0
    spend: Decimal = Decimal(0)


@dataclass(slots=True)
class Changes:
    """What a batch adds to the books, in the order in which it is to be written."""

    accounts: list[Account] = field(default_factory=list)
    cards: dict[str, tuple[str | None, dt.datetime]] = field(default_factory=dict)
    owned_cards: dict[str, tuple[str, dt.datetime]] = field(default_factory=dict)
    purchases: list[Purchase] = field(default_factory=list)
    retried_refunds: list[RefundKey] = field(default_factory=list)
    refunds: dict[RefundKey, Refund] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    lots: list[tuple[str, Lot]] = field(default_factory=list)
    allocations: dict[tuple[str, int, int], int] = field(default_factory=dict)
    """Points that a debit took of a lot, or a restoration gave back: by customer, and the sequences of both."""
    adjustments: dict[str, Adjustment] = field(default_factory=dict)
    """New or decided."""
    given_by_hand: dict[tuple[str, dt.date], int] = field(default_factory=dict)
    actions: list[ActionGiven] = field(default_factory=list)
    events: list[tuple[str, str]] = field(default_factory=list)
    outbox: list[tuple[str, str, str]] = field(default_factory=list)
    late_refusals: list[tuple[Refund, str, str]] = field(default_factory=list)
    progress: dict[tuple[str, dt.date], Progress] = field(default_factory=dict)
    uses: dict[tuple[str, str], Use] = field(default_factory=dict)
    tier_changes: list[tuple[str, int, dt.date, str, str, str]] = field(default_factory=list)
    merges: list[tuple[str, str]] = field(default_factory=list)
    erased: list[str] = field(default_factory=list)
    """All ids of everybody who was erased."""
    withheld: set[str] = field(default_factory=set)
    """The keys under which the world is owed something of them."""

    changed_accounts: dict[str, Account] = field(default_factory=dict)
    changed_standings: dict[str, Account] = field(default_factory=dict)
    changed_purchases: dict[PurchaseKey, Purchase] = field(default_factory=dict)
    changed_refunds: dict[RefundKey, Refund] = field(default_factory=dict)
    changed_lots: dict[tuple[str, int], Lot] = field(default_factory=dict)
    redemptions: dict[str, Redemption] = field(default_factory=dict)
    """New or changed."""
    settlements: list[Settlement] = field(default_factory=list)
    gifts: list[Gift] = field(default_factory=list)
    new_grants: dict[GrantKey, Grant] = field(default_factory=dict)
    changed_grants: dict[GrantKey, Grant] = field(default_factory=dict)
    new_rewards: dict[str, Listing] = field(default_factory=dict)
    changed_rewards: dict[str, Listing] = field(default_factory=dict)
    claims: dict[str, RewardClaim] = field(default_factory=dict)
    """New or changed."""

    def allocate(self, customer_id: str, debit_sequence: int, lot_sequence: int, points: int) -> None:
        """Add to what a debit took of a lot; a debt may take more of the same lot once points are given back to it."""
        key = customer_id, debit_sequence, lot_sequence
        self.allocations[key] = self.allocations.get(key, 0) + points


@dataclass(slots=True)
class Books:
    """`accounts` holds an account under its customer's id and under every id that was merged into it; `merged` all those
    ids, of accounts from whose past something may be refunded.

    `lots` holds open lots only of customers who may be debited or of whom something is due, with those that `redemptions`
    were taken from; of accounts on which something is due all open holds are there. `debts` are the debits that lots
    did not meet in full, oldest first: (entry sequence, points missing). `counts` is there for all customers where the
    programme has tiers, `days` (what each day's purchases count) for those whose review is late or at hand, `uses` and
    `budgets` where it has capped campaigns. `rewards` are those that are claimed, changed or freed; `coupons` holds
    claims under their codes, `live_claims` how many each customer has of each of those rewards.
    `budgets` where it has capped campaigns. `given_by_hand` is what each API key gave today that gives in the batch,
    `actions` what those accounts were given whose customers may do something in it, under the name of the account that
    they go on in. `secrets` decide the draws of campaigns; without one, nothing is drawn.
    """

    now: dt.datetime
    versions: Versions
    serials: deque[int]
    accounts: dict[str, Account] = field(default_factory=dict)
    merged: dict[str, list[str]] = field(default_factory=dict)
    cards: dict[str, str | None] = field(default_factory=dict)
    awaited_cards: set[str] = field(default_factory=set)
    purchases: dict[PurchaseKey, Purchase] = field(default_factory=dict)
    parked: dict[str, list[Purchase]] = field(default_factory=dict)
    refunds: dict[RefundKey, Refund] = field(default_factory=dict)
    waiting: dict[PurchaseKey, list[Refund]] = field(default_factory=dict)
    lots: dict[str, list[Lot]] = field(default_factory=dict)
    redemptions: dict[str, Redemption] = field(default_factory=dict)
    adjustments: dict[str, Adjustment] = field(default_factory=dict)
    given_by_hand: dict[str, int] = field(default_factory=dict)
    actions: dict[tuple[str, str], ActionGiven] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)
    """Every name in the batch of somebody who was erased."""
    grants: dict[GrantKey, Grant] = field(default_factory=dict)
    secrets: Mapping[str, bytes] = field(default_factory=dict)
    debts: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    counts: dict[str, Counts] = field(default_factory=dict)
    days: dict[str, list[tuple[dt.date, Decimal]]] = field(default_factory=dict)
    uses: dict[str, dict[str, Use]] = field(default_factory=dict)
    budgets: dict[str, Use] = field(default_factory=dict)
    rewards: dict[str, Listing] = field(default_factory=dict)
    claims: dict[str, RewardClaim] = field(default_factory=dict)
    coupons: dict[str, RewardClaim] = field(default_factory=dict)
    live_claims: dict[str, dict[str, int]] = field(default_factory=dict)
    events: set[tuple[str, str]] = field(default_factory=set)
    answers: Answers = field(default_factory=Answers)
    changes: Changes = field(default_factory=Changes)

    version: int = field(init=False)
    programme: Programme = field(init=False)
    """The one that holds now: for whatever is not about a purchase of its own day."""
    outdated: frozenset[int] = field(init=False)
    """The versions under which an account was settled that is to be looked at again."""
    today: dt.date = field(init=False)

    def __post_init__(self) -> None:
        current = self.versions.at(self.now)
        self.version, self.programme = current.version, current.programme
        self.outdated = self.versions.outdated(self.now)
        self.today = self.programme.local_day(self.now)


def is_due(account: Account, now: dt.datetime, outdated: frozenset[int]) -> bool:
    """Whether there may be something to book on an account: its date has come, or other tiers or dates hold since."""
    if account.status == "erased":
        return False
    return (account.due_at is not None and account.due_at <= now) or account.settled_under in outdated
