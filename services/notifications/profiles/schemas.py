"""What the API takes and answers about customers; every model carries an example that works."""

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.notifications.segments import Segment, SegmentName
from shared.contracts.coupons import ONLY_THESE, Language
from shared.contracts.values import CustomerId, Day, DayOfLife, Flag, Whole
from shared.documents import TimeZone

Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=200)]
Email = Annotated[str, StringConstraints(pattern=r"^[!-?A-~]+@[!-?A-~]+$", max_length=254)]
Phone = Annotated[str, StringConstraints(pattern=r"^\+?[0-9 ()./-]{3,40}$")]
ChannelName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$", max_length=32)]
DateName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,60}$")]
Liked = Flag | Annotated[Whole, Field(ge=-(2**31), le=2**31 - 1)] | Text | Annotated[list[Text], Field(max_length=50)]

PROFILE: dict[str, Any] = {
    "salutation": "Frau Dr.",
    "given_name": "Anna",
    "family_name": "Muster",
    "language": "de",
    "time_zone": "Europe/Berlin",
    "birthday": "1984-02-29",
    "email": "anna@example.com",
    "phone": "+49 30 1234567",
    "preferred_channel": "email",
    "preferences": {"colour": "red", "grapes": ["Riesling", "Silvaner"], "organic": True},
    "own_dates": {"wedding": "2012-06-16"},
    "joined_on": "2020-03-01",
}
HISTORY: dict[str, Any] = {
    "tier": "Silver",
    "balance": {"available": 320, "pending": 40},
    "purchases": 7,
    "turnover": {"amount": "412.50", "currency": "EUR"},
    "first_purchase_at": "2025-01-07T16:20:00Z",
    "last_purchase_at": "2026-11-21T09:15:00Z",
    "bought": [{"category": "wine", "purchases": 5, "last_at": "2026-11-21T09:15:00Z"}],
    "card_numbers": ["2990000000422"],
}


def example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [values]})


class Profile(BaseModel):
    """A profile as a whole: what is left out is not known, except since when somebody is a customer, which stays."""

    model_config = example(**PROFILE)

    salutation: Text | None = None
    given_name: Text | None = None
    family_name: Text | None = None
    language: Language | None = None
    time_zone: TimeZone | None = None
    birthday: DayOfLife | None = None
    email: Email | None = None
    phone: Phone | None = None
    preferred_channel: ChannelName | None = None
    preferences: Annotated[dict[DateName, Liked], Field(max_length=50, json_schema_extra=ONLY_THESE)] = {}
    """What they like, for segments and templates."""
    own_dates: Annotated[dict[DateName, DayOfLife], Field(max_length=20, json_schema_extra=ONLY_THESE)] = {}
    """Days of their own beside the birthday, which occasions may be about."""
    joined_on: Day | None = None


class ProfileView(BaseModel):
    """What is known of a customer themselves."""

    model_config = example(customer_id="c-42", **PROFILE)

    customer_id: CustomerId
    salutation: str | None
    given_name: str | None
    family_name: str | None
    language: str | None
    time_zone: str | None
    birthday: dt.date | None
    email: str | None
    phone: str | None
    preferred_channel: str | None
    preferences: dict[str, Any]
    own_dates: dict[str, dt.date]
    joined_on: dt.date | None


class Standing(BaseModel):
    """Points that can be spent, and those that wait; `available` below zero is a debt."""

    available: int
    pending: int


class Turnover(BaseModel):
    """What was bought in the programme's currency, less refunds."""

    amount: Decimal
    currency: str


class BoughtCategory(BaseModel):
    """How often something of a category was bought, and when last."""

    category: str
    purchases: int
    last_at: dt.datetime


class CustomerView(ProfileView):
    """A customer: the profile, and in short what they bought."""

    model_config = example(customer_id="c-42", **PROFILE, **HISTORY)

    tier: str | None
    balance: Standing
    purchases: int
    turnover: Turnover
    first_purchase_at: dt.datetime | None
    last_purchase_at: dt.datetime | None
    bought: list[BoughtCategory]
    card_numbers: list[str]


FILTER: dict[str, Any] = {
    "all": [
        {"field": "tier", "in": ["Silver", "Gold"]},
        {"field": "bought", "in": ["wine"], "within_days": 365},
        {"not": {"field": "last_purchase", "within_days": 60}},
    ]
}


class SegmentDraft(Segment):
    """A filter: `all`, `any` and `not` over what is known of a customer."""

    model_config = example(filter=FILTER)


class SegmentView(Segment):
    """A segment as it is saved."""

    model_config = example(name="regulars-away", filter=FILTER, saved_at="2026-11-23T09:15:00Z", saved_by="marketing")

    name: SegmentName
    saved_at: dt.datetime
    saved_by: str


class SegmentPage(BaseModel):
    """A page of segments."""

    data: list[SegmentView]
    next_cursor: str | None


class SegmentPreview(BaseModel):
    """How many customers a filter holds for now, and the first of them by their ids."""

    model_config = example(count=1, customers=[{"customer_id": "c-42", **PROFILE, **HISTORY}])

    count: int
    customers: list[CustomerView]


class CustomerPage(BaseModel):
    """A page of customers."""

    model_config = example(data=[{"customer_id": "c-42", **PROFILE, **HISTORY}], next_cursor=None)

    data: list[CustomerView]
    next_cursor: str | None
