"""What stands in the books: customers, purchases, codes, referrals and their rewards; plain values, locked for a batch."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple

from services.referrals.offers import Kind, Offer
from services.referrals.rules.commissions import following
from services.referrals.rules.qualifying import Sale
from services.referrals.terms import Terms, Versions
from shared.contracts.coupons import Language

CodeKind = Literal["generated", "vanity", "partner"]
PurchaseStatus = Literal["awaited", "unclaimed", "parked", "booked"]
ReferralStatus = Literal["review", "claimed", "qualified", "rewarded", "rejected"]
RewardStatus = Literal["held", "given", "cancelled", "reversed", "capped"]
PairStatus = Literal["invited", "accepted", "completed", "expired", "cancelled"]
CommissionStatus = Literal["held", "due", "reversed"]
Side = Literal["referrer", "friend"]

PurchaseKey = tuple[str, str]
RefundKey = tuple[str, str, str]

ZERO = Decimal(0)


@dataclass(slots=True)
class Customer:
    """A customer, locked for the batch; contact data is kept as keyed hashes only."""

    customer_id: str
    event_sequence: int = 0
    first_purchase_at: dt.datetime | None = None
    tier: str | None = None
    email_hash: bytes | None = None
    phone_hash: bytes | None = None
    merged_into: str | None = None
    erased: bool = False


@dataclass(slots=True)
class Purchase:
    """A purchase as far as it matters here; `awaited` is one of which only a refund has come.

    Of `total`, `amount` counts, and of that `taken_back` was refunded; `refunded` of the total was.
    """

    shop_id: str
    invoice_number: str
    status: PurchaseStatus = "awaited"
    customer_id: str | None = None
    card_number: str | None = None
    occurred_at: dt.datetime | None = None
    currency: str | None = None
    total: Decimal = ZERO
    points_paid: Decimal = ZERO
    amount: Decimal = ZERO
    refunded: Decimal = ZERO
    taken_back: Decimal = ZERO
    companion_id: str | None = None
    referral_code: str | None = None

    @property
    def key(self) -> PurchaseKey:
        return self.shop_id, self.invoice_number

    @property
    def sale(self) -> Sale | None:
        """The purchase as rules judge it; none where it has not come."""
        if self.occurred_at is None or self.currency is None:
            return None
        # of what was taken back as a whole nothing is left, whatever parts its refunds named
        gone = max(self.taken_back, self.amount - (self.total - self.refunded))
        return Sale(
            self.occurred_at, self.shop_id, self.invoice_number, self.currency, self.amount, gone, self.companion_id
        )


@dataclass(slots=True)
class Refund:
    """A refund; one that came before its purchase waits for it."""

    shop_id: str
    invoice_number: str
    refund_id: str
    currency: str
    amount: Decimal
    shipping: Decimal
    gift_cards: Decimal
    points_paid: Decimal | None
    status: Literal["waiting", "booked", "refused"] = "waiting"
    arrival: int = 0

    @property
    def key(self) -> RefundKey:
        return self.shop_id, self.invoice_number, self.refund_id


class Code(NamedTuple):
    """What friends claim with: a customer's, or a partner's."""

    code: str
    kind: CodeKind
    customer_id: str | None
    partner_id: str | None
    created_at: dt.datetime
    retired_at: dt.datetime | None = None


@dataclass(slots=True)
class Referral:
    """A claim and what became of it; `round` counts how often a purchase qualified it."""

    referral_id: str
    code: str
    friend_id: str
    referrer_id: str | None
    partner_id: str | None
    programme_version: int
    source: str
    claimed_at: dt.datetime
    received_at: dt.datetime
    status: ReferralStatus
    reason: str | None = None
    address_hash: bytes | None = None
    qualifies_until: dt.datetime | None = None
    review_until: dt.datetime | None = None
    shop_id: str | None = None
    invoice_number: str | None = None
    qualified_at: dt.datetime | None = None
    hold_until: dt.datetime | None = None
    round: int = 0
    decided_by: str | None = None
    terms_version: int | None = None
    commissions_due_at: dt.datetime | None = None

    @property
    def is_live(self) -> bool:
        return self.status != "rejected"

    @property
    def has_qualified(self) -> bool:
        return self.status in {"qualified", "rewarded"}

    @property
    def due_at(self) -> dt.datetime | None:
        """When something is to be done about it though nothing is heard."""
        due = [each for each in (self.life_due_at, self.commissions_due_at) if each is not None]
        return min(due, default=None)

    @property
    def life_due_at(self) -> dt.datetime | None:
        """When its own life goes on, whatever it earns a partner."""
        if self.status == "review":
            return self.review_until
        return self.hold_until if self.status == "qualified" else None


@dataclass(slots=True)
class Reward:
    """What is due to a customer; `benefit` is the contract's document as JSON, `month` the one whose cap it counts in."""

    reward_id: str
    customer_id: str
    referral_id: str
    side: Side
    round: int
    status: RewardStatus
    benefit: str
    month: dt.date
    decided_at: dt.datetime
    rung: int | None = None


@dataclass(slots=True)
class Listing:
    """An offer for two; so many pairs hold a place in its budget, from their acceptance until they end with nothing."""

    offer_id: str
    offer: Offer
    created_at: dt.datetime
    reserved: int = 0
    retired_at: dt.datetime | None = None


class Pair(NamedTuple):
    """An existing customer and a friend, what they were offered when it began, and what became of it.

    The purchases are those by which each met the condition; `round` counts how often both did.
    """

    pair_id: str
    offer_id: str
    code: str
    referrer_id: str
    friend_id: str | None
    kind: Kind
    currency: str
    minimum: Decimal
    days: int
    new_friends_only: bool
    benefit: str
    link: str
    status: PairStatus
    invited_at: dt.datetime
    expires_at: dt.datetime
    accepted_at: dt.datetime | None = None
    completed_at: dt.datetime | None = None
    referrer_shop_id: str | None = None
    referrer_invoice_number: str | None = None
    friend_shop_id: str | None = None
    friend_invoice_number: str | None = None
    round: int = 0
    reason: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it waits for something, and ends by itself where that does not come."""
        return self.status in {"invited", "accepted"}

    @property
    def is_reserved(self) -> bool:
        """Whether it holds a place in the budget of its offer."""
        return self.status in {"accepted", "completed"}

    def counts(self, now: dt.datetime) -> bool:
        """Tell whether it is one of those that a customer may have so many of."""
        return self.status == "completed" or (self.is_open and self.expires_at > now)


@dataclass(slots=True)
class PairReward:
    """What one of a pair got."""

    reward_id: str
    pair_id: str
    customer_id: str
    side: Side
    round: int
    status: Literal["given", "reversed"]
    decided_at: dt.datetime


# Partners


@dataclass(slots=True)
class Partner:
    """Who recommends the shop for money; `paid` is the sum of the payouts, `paid_through` the month of the last."""

    partner_id: str
    name: str
    language: Language
    versions: Versions
    created_at: dt.datetime
    event_sequence: int = 0
    line_number: int = 0
    paid: Decimal = ZERO
    paid_through: dt.date | None = None
    retired_at: dt.datetime | None = None

    @property
    def terms(self) -> Terms:
        """The newest."""
        return self.versions.number(self.versions.latest).programme

    @property
    def open_from(self) -> dt.date | None:
        """The first month that is not closed by a payout."""
        return None if self.paid_through is None else following(self.paid_through)


class TermsVersion(NamedTuple):
    """A partner's terms as they were set."""

    partner_id: str
    version: int
    valid_from: dt.datetime
    document: str
    set_by: str


@dataclass(slots=True)
class Commission:
    """What a sale earns a partner as things stand, which is the sum of its lines once it is due.

    Of the sale `sold` counts, and of that `refunded` was taken back. `round` is the place of its last becoming due among
    those of the referral, `month` that of its last line.
    """

    referral_id: str
    shop_id: str
    invoice_number: str
    partner_id: str
    occurred_at: dt.datetime
    hold_until: dt.datetime
    currency: str
    status: CommissionStatus = "reversed"
    amount: Decimal = ZERO
    sold: Decimal = ZERO
    refunded: Decimal = ZERO
    round: int = 0
    month: dt.date | None = None

    @property
    def key(self) -> PurchaseKey:
        return self.shop_id, self.invoice_number


class Line(NamedTuple):
    """A line of a statement, never changed; below 0 it takes back what stood on this statement or one before."""

    partner_id: str
    number: int
    month: dt.date
    amount: Decimal
    referral_id: str
    shop_id: str
    invoice_number: str
    reason: str
    sold: Decimal
    refunded: Decimal
    booked_at: dt.datetime


class Payout(NamedTuple):
    """What a partner was paid for everything up to the end of a month."""

    partner_id: str
    month: dt.date
    amount: Decimal
    currency: str
    reference: str
    paid_at: dt.datetime
    paid_by: str
