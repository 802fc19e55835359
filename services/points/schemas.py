"""What the API takes and answers beside the events' own data; every model carries an example that works."""

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.points.programme import Programme
from services.points.records import AdjustmentKind, EntryKind
from shared import programmes
from shared.contracts.values import CardNumber, CustomerId, Day, Flag, Identifier, Instant, Whole
from shared.documents import Name
from shared.errors import InvalidField


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [values]})


Line = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=200)]

BALANCE = {"available": 320, "pending": 0, "held": 0}


class BalanceView(BaseModel):
    """An account's points; `available` below zero is a debt that the next points repay."""

    available: int
    pending: int
    held: int


class TierView(BaseModel):
    """The customer's tier and what is missing to the next."""

    name: str
    since: dt.date
    next: str | None
    missing: int | None


class ExpiringView(BaseModel):
    """The points that expire next, at the end of that day."""

    points: int
    on: dt.date


class BreakdownLine(BaseModel):
    """How many points a rule gave; a cap may have cut it from more."""

    rule: str
    points: int
    capped_from: int | None = None


class PurchaseAnswer(BaseModel):
    """What a purchase earned, and the balance after it.

    `unclaimed` is a purchase of nobody, kept for its claim; `parked` one that came as an event and waits for the owner of
    its card.
    """

    model_config = _example(
        shop_id="webshop-de",
        invoice_number="R-2026-000123",
        customer_id="c-42",
        points=114,
        status="available",
        breakdown=[{"rule": "base", "points": 114}],
        balance=BALANCE,
        tier=None,
    )

    shop_id: str
    invoice_number: str
    customer_id: str | None
    points: int
    status: Literal["available", "pending", "unclaimed", "parked"]
    breakdown: list[BreakdownLine]
    balance: BalanceView | None
    tier: TierView | None
    redeemed: int = Field(default=0, description="points that paid for it, by the redemptions that it names")
    unpaid: int = Field(default=0, description="points that should have paid for it and were not there any more")


class PassedOverView(BaseModel):
    """A rule that gives nothing for a purchase, and why."""

    rule: str
    code: str
    detail: str


class PreviewAnswer(PurchaseAnswer):
    """What a purchase would earn; none of it can pay for this same purchase."""

    model_config = _example(
        shop_id="webshop-de",
        invoice_number="R-2026-000125",
        customer_id="c-42",
        points=114,
        status="available",
        breakdown=[{"rule": "base", "points": 114}],
        balance={"available": 434, "pending": 0, "held": 0},
        tier=None,
        spendable_points=320,
        passed_over=[{"rule": "wine week", "code": "window", "detail": "the purchase is outside its validity"}],
    )

    spendable_points: int = Field(description="what the customer has now to pay with")
    passed_over: list[PassedOverView] = Field(description="rules that gave nothing, and why")


class PurchaseView(PurchaseAnswer):
    """A purchase as it stands in the books; `awaited` is one of which only refunds have come so far."""

    model_config = ConfigDict(json_schema_extra={"examples": []})

    available_at: dt.datetime | None = Field(description="from when points that wait can be spent")
    status: Literal["available", "pending", "unclaimed", "parked", "awaited"]  # type: ignore[assignment]
    card_number: str | None
    currency: str | None
    total: str | None
    occurred_at: dt.datetime | None
    received_at: dt.datetime
    refunded: str
    settled: str = Field(description="paid with points afterwards")
    clawed_back: int
    recorded_by: str | None = Field(
        description="the name of the API key that it came with; none where it came on a topic"
    )
    refunds: list["RefundView"]


class RefundView(BaseModel):
    """A refund as it stands in the books; `points` were clawed back by it."""

    refund_id: str
    status: Literal["booked", "waiting", "refused"]
    amount: str
    points: int
    occurred_at: dt.datetime
    refused_code: str | None = None


class RefundAnswer(BaseModel):
    """What a refund took back; `waiting` until its purchase comes."""

    model_config = _example(
        shop_id="webshop-de",
        invoice_number="R-2026-000123",
        refund_id="1",
        customer_id="c-42",
        status="booked",
        points=34,
        balance=BALANCE,
    )

    shop_id: str
    invoice_number: str
    refund_id: str
    customer_id: str | None
    status: Literal["booked", "waiting"]
    points: int = Field(description="clawed back by this refund")
    balance: BalanceView | None


class Claim(BaseModel):
    """Who says that a purchase of nobody was theirs."""

    model_config = _example(customer_id="c-42")

    customer_id: CustomerId


class Enrolment(BaseModel):
    """A new account; without a card number it gets one of ours."""

    model_config = _example(customer_id="c-42")

    customer_id: CustomerId
    card_number: CardNumber | None = None
    enrolled_at: Instant | None = None


class AccountView(BaseModel):
    """A customer's account."""

    model_config = _example(
        customer_id="c-42",
        card_number="2990000000422",
        status="active",
        balance=BALANCE,
        lifetime_points=1280,
        tier=None,
        expiring_next=None,
        enrolled_at="2025-02-03T09:00:00Z",
    )

    customer_id: str
    card_number: str
    status: Literal["active", "blocked", "closed"]
    balance: BalanceView
    pool_id: str | None = Field(default=None, description="the household that the customer spends with")
    lifetime_points: int = Field(description="awarded for purchases, less what was clawed back")
    tier: TierView | None
    expiring_next: ExpiringView | None
    enrolled_at: dt.datetime


class Reason(BaseModel):
    """Why staff do it; it stands in the audit trail."""

    model_config = _example(reason="card reported stolen")

    reason: Line


class CardReplacement(Reason):
    """Another card; without a number it is one of ours."""

    model_config = _example(reason="lost", card_number="SHOP-4711")

    card_number: CardNumber | None = None


class Merge(Reason):
    """Where the account goes on."""

    model_config = _example(reason="enrolled twice", into="c-43")

    into: CustomerId


class TierGift(Reason):
    """A tier by hand until the end of a local day, or for good; without a tier, the floor is taken away."""

    model_config = _example(reason="invited by the owner", tier="Gold", until="2027-12-31")

    tier: Line | None = None
    until: Day | None = None


class EntryView(BaseModel):
    """A line of the statement."""

    sequence: int
    kind: EntryKind
    points: int
    available_after: int
    pending_after: int
    held_after: int
    reference: str
    occurred_at: dt.datetime
    recorded_at: dt.datetime


class EntryPage(BaseModel):
    """A page of the statement, newest first."""

    data: list[EntryView]
    next_cursor: str | None


class LotView(BaseModel):
    """Points that came together; `sequence` is that of the entry that brought them."""

    sequence: int
    points: int
    remaining: int
    earned_at: dt.datetime
    pending: bool = Field(description="can't be spent before `available_at`")
    available_at: dt.datetime | None
    expires_on: dt.date | None


class LotPage(BaseModel):
    """A page of the lots that still hold points, in the order in which they are spent."""

    data: list[LotView]
    next_cursor: str | None


class PurchasePage(BaseModel):
    """A page of purchases."""

    data: list[PurchaseView]
    next_cursor: str | None


class Adjustment(BaseModel):
    """Points by hand: a credit, or a debit where `points` is below zero."""

    model_config = _example(
        customer_id="c-42", points=50, kind="goodwill", reason="complaint 4711", note="parcel arrived late"
    )

    customer_id: CustomerId
    points: Annotated[Whole, Field(ge=-1_000_000_000, le=1_000_000_000)]
    kind: AdjustmentKind = "correction"
    reason: Line
    note: Annotated[str, StringConstraints(max_length=2_000, pattern=r"^[^\x00]*$")] | None = None
    expires_on: Day | None = Field(
        default=None, description="the last local day of a credit; without, it lives as long as the programme says"
    )
    allow_debt: Flag = Field(
        default=False, description="a correction may take more than is available; what is missing becomes a debt"
    )


class AdjustmentView(BaseModel):
    """Points by hand as they stand: booked, or above what a key may give in a day and not decided yet, or rejected."""

    model_config = _example(
        adjustment_id="7d1f8f0e-5d2b-4f86-9a59-0d9f7f9b8f11",
        customer_id="c-42",
        status="booked",
        kind="goodwill",
        points=50,
        reason="complaint 4711",
        note="parcel arrived late",
        expires_on=None,
        asked_by="desk-1",
        created_at="2026-11-23T09:15:00Z",
        decided_by=None,
        decided_at=None,
        entry_sequence=7,
        balance=BALANCE,
    )

    adjustment_id: str
    customer_id: str
    status: Literal["booked", "awaits_approval", "rejected"]
    kind: AdjustmentKind
    points: int
    reason: str
    note: str | None
    expires_on: dt.date | None
    asked_by: str = Field(description="the name of the API key that asked for it")
    created_at: dt.datetime
    decided_by: str | None = Field(description="the name of the API key that approved or rejected it")
    decided_at: dt.datetime | None
    entry_sequence: int | None = Field(description="none while nothing is booked")
    balance: BalanceView | None = Field(default=None, description="after it; not in lists")


class AdjustmentPage(BaseModel):
    """A page of points by hand, the newest first."""

    data: list[AdjustmentView]
    next_cursor: str | None


class ActionDone(BaseModel):
    """What a customer did, by the name that the programme has for it; `reference` is the caller's own."""

    model_config = _example(action="review", reference="review 4711")

    action: Name
    reference: Identifier | None = None


class ActionView(BaseModel):
    """What a customer was given for an action, the only time that it is given."""

    model_config = _example(
        customer_id="c-42",
        action="review",
        points=20,
        entry_sequence=8,
        occurred_at="2026-11-23T09:15:00Z",
        reference="review 4711",
        balance=BALANCE,
    )

    customer_id: str
    action: str
    points: int
    entry_sequence: int
    occurred_at: dt.datetime
    reference: str | None
    balance: BalanceView


HeldPoints = Annotated[Whole, Field(ge=1, le=10**12)]


class Spending(BaseModel):
    """Points to spend: at once, or with `hold_seconds` as a hold that is captured or released."""

    model_config = _example(
        customer_id="c-42", points=100, hold_seconds=600, shop_id="webshop-de", invoice_number="R-2026-000124"
    )

    customer_id: CustomerId
    points: HeldPoints
    hold_seconds: Annotated[Whole, Field(ge=1, le=30 * 86_400)] | None = None
    shop_id: Identifier | None = None
    invoice_number: Identifier | None = None


class Capture(BaseModel):
    """What to spend of a hold: all of it, or so many points; `final` frees the rest."""

    model_config = _example(points=60, final=True)

    points: HeldPoints | None = None
    final: Flag = True


class Reversal(Reason):
    """Why spent points are given back: all of them, or so many."""

    model_config = _example(reason="article was out of stock", points=40)

    points: HeldPoints | None = None


class RedemptionView(BaseModel):
    """A redemption as it stands: of its points so many are held, were spent, and of these given back."""

    model_config = _example(
        redemption_id="0b7a4f6e-2f3c-4a53-9d0e-6a1f0f6f1c11",
        customer_id="c-42",
        status="held",
        points=100,
        held=100,
        captured=0,
        restored=0,
        hold_until="2026-11-23T09:25:00Z",
        shop_id="webshop-de",
        invoice_number="R-2026-000124",
        created_at="2026-11-23T09:15:00Z",
        balance={"available": 220, "pending": 0, "held": 100},
    )

    redemption_id: str
    customer_id: str
    status: Literal["held", "captured", "released", "timed_out", "reversed"]
    points: int
    held: int
    captured: int
    restored: int
    hold_until: dt.datetime | None
    shop_id: str | None
    invoice_number: str | None
    created_at: dt.datetime
    claim_id: str | None = Field(default=None, description="of the reward that it paid for")
    balance: BalanceView | None = Field(default=None, description="after it; not in lists")
    sequence: int | None = Field(default=None, description="of the entry that took the points; in lists")


class SettlementRequest(BaseModel):
    """How many points shall pay for a past purchase."""

    model_config = _example(points=1000)

    points: HeldPoints


class SettlementAnswer(BaseModel):
    """What of a purchase was paid with points; the shop gives that amount back in money."""

    model_config = _example(
        redemption_id="0b7a4f6e-2f3c-4a53-9d0e-6a1f0f6f1c11",
        shop_id="webshop-de",
        invoice_number="R-2026-000123",
        customer_id="c-42",
        points=1000,
        amount="10.00",
        currency="EUR",
        clawed_back=10,
        balance=BALANCE,
    )

    redemption_id: str
    shop_id: str
    invoice_number: str
    customer_id: str
    points: int
    amount: str
    currency: str
    clawed_back: int = Field(description="of what the purchase had earned by the part that points pay now")
    balance: BalanceView


class GiftRequest(BaseModel):
    """Points of one customer for another."""

    model_config = _example(customer_id="c-42", to="c-43", points=100, note="happy birthday")

    customer_id: CustomerId
    to: CustomerId
    points: HeldPoints
    note: Line | None = None


class GiftAnswer(BaseModel):
    """What was given, and what the giver has left."""

    model_config = _example(
        gift_id="5a0b2f0e-91a8-4f1e-8f2a-7a4f5c0f1d22", customer_id="c-42", to="c-43", points=100, balance=BALANCE
    )

    gift_id: str
    customer_id: str
    to: str
    points: int
    balance: BalanceView


class PoolMember(BaseModel):
    """Who joins a household."""

    model_config = _example(customer_id="c-42")

    customer_id: CustomerId


class MemberView(BaseModel):
    """A member of a household, with their own points."""

    customer_id: str
    status: Literal["active", "blocked", "closed"]
    available: int
    pending: int
    held: int


class PoolView(BaseModel):
    """A household: each member earns for themselves and can spend what is available to all."""

    pool_id: str
    available: int
    members: list[MemberView]


class RedemptionPage(BaseModel):
    """A page of a customer's redemptions, the newest first."""

    data: list[RedemptionView]
    next_cursor: str | None


class ProgrammeDraft(programmes.Draft[Programme]):
    """A programme to be published; without `valid_from` it holds from now on."""

    model_config = _example(programme={"rates": {"EUR": "1", "CHF": "0.9"}, "minimum": "5.00"})


class ProgrammeView(programmes.View[Programme]):
    """A published programme; the first version is valid from the beginning of time."""


class VersionView(programmes.FullVersion[Programme]):
    """A published version, and who published it when."""


class DifferenceList(BaseModel):
    """Everything that differs; rules, campaigns and tiers are told apart by their names."""

    model_config = _example(data=[{"pointer": "/rates/EUR", "before": "1", "after": "2"}])

    data: list[programmes.DifferenceView]


class ProgrammeTrial(BaseModel):
    """A draft to be tried on past purchases.

    Each is judged by itself, with the tier of its day and as if no campaign had given anything yet.
    """

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"programme": {"rates": {"EUR": "2"}}, "largest": 5}]}
    )

    programme: Programme
    largest: Annotated[
        Whole, Field(ge=0, le=100, description="so many purchases of the largest difference are shown")
    ] = 10
    open_windows: Flag = Field(
        default=False, description="judge every rule as if it were valid at any time, also what begins later"
    )


class BeforeAfter(BaseModel):
    """Points by the programme that holds now, and by the draft."""

    before: int
    after: int


class RuleTrial(BeforeAfter):
    """What a line of the breakdowns came to in all."""

    rule: str


class PurchaseTrial(BaseModel):
    """A past purchase by both programmes; no breakdown where the draft has no rate for its currency."""

    shop_id: str
    invoice_number: str
    customer_id: str
    occurred_at: dt.datetime
    total: str
    currency: str
    points: BeforeAfter
    before: list[BreakdownLine]
    after: list[BreakdownLine] | None


class TrialSample(BaseModel):
    """What the draft would have changed for the newest purchases of the sample, about one in sixteen."""

    purchases: int
    changed: int
    refused: int = Field(description="the draft has no rate for their currency")
    points: BeforeAfter
    rules: list[RuleTrial]
    largest: list[PurchaseTrial]


class TrialAnswer(BaseModel):
    """What is wrong with a draft; where nothing is, what it would have changed."""

    against: int = Field(description="the version that holds now")
    faults: list[InvalidField]
    sample: TrialSample | None


class GivenView(BaseModel):
    """What a campaign gave; refunds take nothing off it."""

    points: int
    awards: int
    customers: int


class CapView(BaseModel):
    """Points and awards; none of what is not limited."""

    points: int | None
    awards: int | None


class DrawView(BaseModel):
    """A share of the purchases, drawn by a secret whose SHA-256 is the commitment."""

    share: str
    commitment: str


class CampaignView(BaseModel):
    """A campaign of the programme that holds now."""

    name: str
    state: Literal["coming", "early_access", "running", "used_up", "over"]
    early_from: dt.datetime | None = Field(description="when the tiers of its early access get it")
    valid_from: dt.datetime | None
    valid_until: dt.datetime | None
    given: GivenView
    budget: CapView | None
    left: CapView | None = Field(description="of the budget")
    draw: DrawView | None = Field(description="of a surprise")


class CampaignPage(BaseModel):
    """All campaigns of the programme."""

    data: list[CampaignView]
    next_cursor: str | None


class EventResult(BaseModel):
    """What became of one event."""

    id: str | None
    status: Literal["accepted", "duplicate", "skipped", "waiting", "rejected"]
    code: str | None = None
    detail: str | None = None


class EventResults(BaseModel):
    """One result per event, in their order."""

    model_config = _example(results=[{"id": "e-1", "status": "accepted", "code": None, "detail": None}])

    results: list[EventResult]
