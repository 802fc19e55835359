"""What the API takes and answers beside the events' own data; every model carries an example that works."""

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.referrals.benefits import Benefit
from services.referrals.programme import Programme
from services.referrals.records import CodeKind, ReferralStatus, RewardStatus, Side
from shared import programmes
from shared.contracts.values import CardNumber, CustomerId, Identifier, Instant


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [values]})


Line = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=200)]
Contact = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=320)]
Channel = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$", max_length=32)]

REFERRAL: dict[str, Any] = {
    "referral_id": "5d0c7e6a-0e0b-4f0c-9a2f-3f6d1f3c9a10",
    "code": "7K2M-9QFS",
    "friend_id": "c-43",
    "referrer_id": "c-42",
    "partner_id": None,
    "status": "claimed",
    "reason": None,
    "detail": None,
    "source": "rest",
    "programme_version": 1,
    "claimed_at": "2026-11-23T09:15:00Z",
    "received_at": "2026-11-23T09:15:00Z",
    "review_until": None,
    "decided_by": None,
    "qualifies_until": "2027-02-21T09:15:00Z",
    "qualified_at": None,
    "hold_until": None,
    "round": 0,
}


class Reason(BaseModel):
    """Why staff do it; it stands in the audit trail."""

    model_config = _example(reason="asked for by the customer")

    reason: Line


# Codes


class CodeRequest(BaseModel):
    """Whose code; with `vanity` one of their own choice beside the one that is drawn for them."""

    model_config = _example(customer_id="c-42")

    customer_id: CustomerId
    vanity: Annotated[str, StringConstraints(max_length=40)] | None = Field(
        default=None,
        description="4 to 20 letters and digits, not 8; case, blanks and dashes are forgiven, and an earlier one is retired",
        examples=["ANNA LOVES WINE"],
    )


class CodeView(BaseModel):
    """A code, and the link with it that is shared; one that is retired claims nothing."""

    model_config = _example(
        code="7K2M-9QFS",
        kind="generated",
        customer_id="c-42",
        partner_id=None,
        created_at="2026-11-23T09:15:00Z",
        retired_at=None,
        link="https://shop.example/?code=7K2M-9QFS",
    )

    code: str
    kind: CodeKind
    customer_id: str | None
    partner_id: str | None
    created_at: dt.datetime
    retired_at: dt.datetime | None
    link: str


class CodePage(BaseModel):
    """A page of a customer's codes, the oldest first."""

    data: list[CodeView]
    next_cursor: str | None


class TextView(BaseModel):
    """What a customer sends a friend, filled in; a chat message has no subject."""

    model_config = _example(
        code="7K2M-9QFS",
        link="https://shop.example/?code=7K2M-9QFS",
        language="en",
        channel="chat",
        subject=None,
        text="I like to shop here. My code for you: 7K2M-9QFS\nhttps://shop.example/?code=7K2M-9QFS",
    )

    code: str
    link: str
    language: str
    channel: Literal["mail", "chat"]
    subject: str | None
    text: str


class ShareRequest(BaseModel):
    """How a customer shared their code, in a word of the shop's own."""

    model_config = _example(channel="mail")

    channel: Channel


# Claims


class ClaimRequest(BaseModel):
    """A friend names who recommended the shop to them.

    E-mail, phone and address are used to tell whether both are one person; they are kept as keyed hashes only, and what is no
    e-mail address or phone number counts as not said. `address` is where the claim comes from: an IP address, or a postal one.
    """

    model_config = _example(code="7K2M-9QFS", customer_id="c-43", email="ben@shop.example", phone="+49 30 901820")

    code: Identifier
    customer_id: CustomerId = Field(description="the friend")
    email: Contact | None = None
    phone: Contact | None = None
    card_number: CardNumber | None = None
    address: Contact | None = None
    claimed_at: Instant | None = Field(default=None, description="when it happened; without, now")


class ClaimView(BaseModel):
    """A claim and what became of it.

    `review` waits for staff until `review_until`; `rejected` counts for nothing, `reason` says why; `claimed` waits for a
    purchase until `qualifies_until`; `qualified` waits until `hold_until`; `rewarded` is done, unless the purchase goes back.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [REFERRAL]})

    referral_id: str
    code: str
    friend_id: str
    referrer_id: str | None
    partner_id: str | None
    status: ReferralStatus
    reason: str | None = Field(description="a stable code, or what staff wrote")
    detail: str | None = Field(description="the reason in words, for people")
    source: Literal["rest", "purchase", "customer"]
    programme_version: int
    claimed_at: dt.datetime
    received_at: dt.datetime
    review_until: dt.datetime | None
    decided_by: str | None = Field(description="the name of the API key that accepted or rejected it, or `deadline`")
    qualifies_until: dt.datetime | None
    qualified_at: dt.datetime | None
    hold_until: dt.datetime | None
    round: int = Field(description="how often a purchase qualified it")


class ClaimPage(BaseModel):
    """A page of claims."""

    data: list[ClaimView]
    next_cursor: str | None


class RewardView(BaseModel):
    """What is due to a customer; `held` until `due_at`, `capped` for what is above the month's cap and never given."""

    model_config = _example(
        reward_id=f"{REFERRAL['referral_id']}/referrer/1",
        customer_id="c-42",
        referral_id=REFERRAL["referral_id"],
        side="referrer",
        status="held",
        reward={"kind": "points", "points": 500},
        rung=None,
        due_at="2026-12-07T09:15:00Z",
        decided_at="2026-11-23T10:00:00Z",
    )

    reward_id: str
    customer_id: str
    referral_id: str
    side: Side
    status: RewardStatus
    reward: Benefit
    rung: int | None = Field(description="of a bonus for so many recommendations")
    due_at: dt.datetime | None
    decided_at: dt.datetime


class QualifyingPurchase(BaseModel):
    """The purchase that counts; `amount` is what counts of it, `taken_back` what of that was refunded."""

    shop_id: str
    invoice_number: str
    occurred_at: dt.datetime
    currency: str
    amount: str
    taken_back: str


class ClaimLife(ClaimView):
    """A claim with its purchase and its rewards, also those that were taken back."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**REFERRAL, "purchase": None, "rewards": []}]})

    purchase: QualifyingPurchase | None
    rewards: list[RewardView]


# Customers


class ReferralCounts(BaseModel):
    """How many recommendations of a customer are in which state."""

    review: int
    claimed: int
    qualified: int
    rewarded: int
    rejected: int


class RewardSum(BaseModel):
    """So many rewards, and what their points come to."""

    rewards: int
    points: int


class CustomerView(BaseModel):
    """What a customer sees of their recommendations; under a name that was merged, of whom they go on as."""

    model_config = _example(
        customer_id="c-42",
        codes=[],
        referred_by=None,
        referrals={"review": 0, "claimed": 2, "qualified": 1, "rewarded": 4, "rejected": 1},
        given={"rewards": 5, "points": 2200},
        waiting={"rewards": 1, "points": 500},
        rewards=[],
    )

    customer_id: str
    codes: list[CodeView] = Field(description="those that are not retired")
    referred_by: ClaimView | None = Field(description="the recommendation that they came by")
    referrals: ReferralCounts
    given: RewardSum
    waiting: RewardSum
    rewards: list[RewardView] = Field(description="given and waiting, the newest 100 first")


# The programme


class ProgrammeDraft(programmes.Draft[Programme]):
    """A programme to be published; without `valid_from` it holds from now on."""

    model_config = _example(
        programme={
            "friend": {"kind": "points", "points": 300},
            "referrer": {"kind": "points", "points": 600},
            "minimum": "30.00",
            "ladder": [{"count": 5, "benefit": {"kind": "points", "points": 1500}}],
        }
    )


class ProgrammeView(programmes.View[Programme]):
    """A published programme; the first version is valid from the beginning of time."""


class VersionView(programmes.FullVersion[Programme]):
    """A published version, and who published it when."""


class DifferenceList(BaseModel):
    """Everything that differs."""

    model_config = _example(data=[{"pointer": "/minimum", "before": "20.00", "after": "30.00"}])

    data: list[programmes.DifferenceView]
