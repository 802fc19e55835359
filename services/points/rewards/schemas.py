"""What the API takes and answers about rewards; every model carries an example that works."""

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.points.catalogue import Kind, Reward
from services.points.schemas import BALANCE, BalanceView, Reason
from shared.contracts.values import CustomerId

RewardId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]
MemberNumber = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=64)]

REWARD: dict[str, Any] = {
    "texts": {
        "de": {"title": "5 Euro Gutschein", "terms": "Ab 20 Euro Einkaufswert."},
        "en": {"title": "5 euros off", "terms": "For purchases from 20 euros on."},
    },
    "default_language": "de",
    "picture_url": "https://shop.example/pictures/five-euros.jpg",
    "value": {"kind": "money_voucher", "amount": "5.00", "currency": "EUR", "minimum": "20.00"},
    "points": 500,
    "stock": 200,
    "per_customer": 2,
    "coupon_days": 90,
    "code_prefix": "FUENF",
}


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [values]})


class RewardDraft(Reward):
    """A reward for the catalogue, under an id of the shop's."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reward_id": "five-euros", **REWARD}]})

    reward_id: RewardId


class RewardChange(Reward):
    """A reward as it shall be from now on; what was claimed of it keeps its price and its code."""

    model_config = ConfigDict(json_schema_extra={"examples": [REWARD | {"stock": 500}]})


def reward_of(said: Reward) -> Reward:
    """Return the reward of what was said about it: by value alone, so that a default is the same said or left out."""
    return Reward.model_construct(**{name: getattr(said, name) for name in Reward.model_fields})


class RewardView(Reward):
    """A reward as it stands in the catalogue."""

    model_config = ConfigDict(json_schema_extra={"examples": []})

    reward_id: str
    claimed: int = Field(description="claims that were not cancelled")
    stock_left: int | None
    created_at: dt.datetime
    retired_at: dt.datetime | None


class RewardPage(BaseModel):
    """A page of the catalogue, by ids."""

    data: list[RewardView]
    next_cursor: str | None


class ObstacleView(BaseModel):
    """Why a reward can't be had now, under the code with which a claim would be refused."""

    model_config = ConfigDict(extra="allow")

    code: str
    detail: str


class OfferView(BaseModel):
    """A reward as a customer sees it: at their price, in their language, with whatever keeps them from it."""

    reward_id: str
    kind: Kind
    value: dict[str, Any]
    language: str
    title: str
    description: str
    terms: str
    picture_url: str | None
    points: int
    missing_points: int = Field(description="how far the customer is from its price")
    claimable: bool
    obstacles: list[ObstacleView]
    stock_left: int | None
    claims: int = Field(description="that this customer has of it")
    claims_left: int | None
    valid_from: dt.datetime | None = Field(description="for this customer's tier")
    valid_until: dt.datetime | None


class OfferPage(BaseModel):
    """A page of what a customer can get, by ids."""

    data: list[OfferView]
    next_cursor: str | None


class Claiming(BaseModel):
    """Who claims a reward; of a partner's, with the number of their membership there."""

    model_config = _example(customer_id="c-42")

    customer_id: CustomerId
    member_number: MemberNumber | None = None


class ClaimView(BaseModel):
    """A claim as it stands; its code is good until `valid_until`."""

    model_config = _example(
        claim_id="2c1f4b52-6f0e-4bd6-9d58-6f0f5b0c7a11",
        customer_id="c-42",
        reward_id="five-euros",
        redemption_id="0b7a4f6e-2f3c-4a53-9d0e-6a1f0f6f1c11",
        kind="money_voucher",
        points=500,
        status="claimed",
        claimed_at="2026-11-23T09:15:00Z",
        code="FUENF-7K2M-9QF4-T3HJ",
        valid_until="2027-02-21T23:00:00Z",
        member_number=None,
        units=None,
        ended_at=None,
        reason=None,
        balance=BALANCE,
    )

    claim_id: str
    customer_id: str
    reward_id: str
    redemption_id: str
    kind: Kind
    points: int
    status: Literal["claimed", "cancelling", "cancelled", "fulfilled"]
    claimed_at: dt.datetime
    code: str | None
    valid_until: dt.datetime | None
    member_number: str | None
    units: int | None = Field(description="what a partner gives")
    ended_at: dt.datetime | None = Field(description="fulfilled or cancelled")
    reason: str | None
    balance: BalanceView | None = Field(default=None, description="after it; not in lists")
    number: int | None = Field(default=None, description="its place among all claims; in lists")


class ClaimPage(BaseModel):
    """A page of claims, the newest first."""

    data: list[ClaimView]
    next_cursor: str | None


class ClaimEnding(Reason):
    """Why a claim ends; it stands in the audit trail and on the claim."""

    model_config = _example(reason="ordered by mistake")


class SettlementLine(BaseModel):
    """What one claim asks of the partner."""

    claim_id: str
    member_number: str
    points: int
    units: int
    claimed_at: dt.datetime
    status: Literal["claimed", "fulfilled"]


class SettlementPage(BaseModel):
    """A page of what a partner is to give, the oldest first; the sums are those of the whole span."""

    reward_id: str
    partner: str
    unit: str
    claims: int
    units: int
    data: list[SettlementLine]
    next_cursor: str | None
