"""What the API takes and answers about offers and pairs; every model carries an example that works."""

import datetime as dt
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.referrals.offers import Kind, Offer
from services.referrals.records import PairStatus
from shared.contracts.values import CustomerId

OfferId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]

OFFER: dict[str, Any] = {
    "texts": {
        "de": {"title": "Winter zu zweit", "description": "Kauft beide ein, und beide bekommen 200 Punkte."},
        "en": {"title": "Winter for two", "description": "Both of you buy, and both of you get 200 points."},
    },
    "default_language": "de",
    "kind": "each_buys",
    "benefit": {"kind": "points", "points": 200},
    "currency": "EUR",
    "minimum": "20.00",
    "days": 30,
    "budget": 500,
    "per_customer": 2,
    "link": "https://shop.example/?pair={code}",
}
PAIR: dict[str, Any] = {
    "pair_id": "9b1f0f4e-1f3c-4a51-9d7a-2f6f0c1f8f20",
    "offer_id": "winter-for-two",
    "kind": "each_buys",
    "code": "4T3H-B7KM",
    "link": "https://shop.example/?pair=4T3H-B7KM",
    "status": "accepted",
    "reason": None,
    "customer_id": "c-42",
    "friend_id": "c-43",
    "minimum": "20.00",
    "currency": "EUR",
    "benefit": {"kind": "points", "points": 200},
    "invited_at": "2026-11-23T09:15:00Z",
    "accepted_at": "2026-11-23T10:15:00Z",
    "expires_at": "2026-12-23T10:15:00Z",
    "completed_at": None,
    "purchase": None,
    "friend_purchase": None,
}


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [values]})


class OfferDraft(Offer):
    """An offer for two, under an id of the shop's."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"offer_id": "winter-for-two", **OFFER}]})

    offer_id: OfferId


class OfferChange(Offer):
    """An offer as it shall be from now on; pairs that began keep what it asked and gave."""

    model_config = ConfigDict(json_schema_extra={"examples": [OFFER | {"budget": 800}]})


def offer_of(said: Offer) -> Offer:
    """Return the offer of what was said about it: by value alone, so that a default is the same said or left out."""
    return Offer.model_construct(**{name: getattr(said, name) for name in Offer.model_fields})


class ObstacleView(BaseModel):
    """Why a pair can't begin now, under the code with which an invitation would be refused."""

    model_config = ConfigDict(extra="allow")

    code: str
    detail: str


class OfferForCustomer(BaseModel):
    """Whether an offer is open for a customer."""

    open: bool
    obstacles: list[ObstacleView]
    pairs: int = Field(description="that this customer is of")
    pairs_left: int | None
    valid_from: dt.datetime | None = Field(description="for this customer's tier")


class OfferView(Offer):
    """An offer as it stands."""

    model_config = ConfigDict(json_schema_extra={"examples": []})

    offer_id: str
    pairs: int = Field(description="that were accepted, and did not end with nothing")
    pairs_left: int | None
    created_at: dt.datetime
    retired_at: dt.datetime | None
    customer: OfferForCustomer | None = Field(default=None, description="where `customer_id` was asked for")


class OfferPage(BaseModel):
    """A page of offers, by ids."""

    data: list[OfferView]
    next_cursor: str | None


class Invitation(BaseModel):
    """Who invites; without `friend_id` it is for whoever comes with the code."""

    model_config = _example(offer_id="winter-for-two", customer_id="c-42", friend_id="c-43")

    offer_id: OfferId
    customer_id: CustomerId
    friend_id: CustomerId | None = None


class Acceptance(BaseModel):
    """Who accepts."""

    model_config = _example(friend_id="c-43")

    friend_id: CustomerId


class PurchasePlace(BaseModel):
    """Which purchase it is."""

    shop_id: str
    invoice_number: str


class PairView(BaseModel):
    """A pair as it stands: `customer_id` invited, `friend_id` was invited or accepted. Until `expires_at` it waits."""

    model_config = _example(**PAIR)

    pair_id: str
    offer_id: str
    kind: Kind
    code: str
    link: str
    status: PairStatus
    reason: str | None = Field(description="why it ended with nothing")
    customer_id: str
    friend_id: str | None
    minimum: str
    currency: str
    benefit: dict[str, Any] = Field(description="what each of the two gets")
    invited_at: dt.datetime
    accepted_at: dt.datetime | None
    expires_at: dt.datetime
    completed_at: dt.datetime | None
    purchase: PurchasePlace | None = Field(description="by which the customer did what was asked")
    friend_purchase: PurchasePlace | None = Field(description="by which the friend did; of a joint basket the same")
    number: int | None = Field(default=None, description="its place among all pairs; in lists")


class PairPage(BaseModel):
    """A page of pairs, the newest first."""

    data: list[PairView]
    next_cursor: str | None
