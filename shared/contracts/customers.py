"""What the shop's customer records say: a customer was registered, changed or erased."""

import datetime as dt
from typing import Annotated, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from shared.contracts.envelope import Envelope
from shared.contracts.values import CardNumber, CustomerId, Flag, Identifier, Instant

Text = Annotated[str, Field(max_length=200)]


STATUSES = {"granted": True, "withdrawn": False}


class Consent(BaseModel):
    """A yes or a no to messages of a purpose on a channel, with its proof: when it was said, how, and to which text.

    The purposes are `offers` and `account`; another one is kept by nobody here, and refuses nothing of the rest. A record that
    says `granted`, or `status` with `granted` or `withdrawn`, is read as well.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "channel": "email",
                    "purpose": "offers",
                    "given": True,
                    "how": "checkout",
                    "text": "newsletter/3",
                    "at": "2026-11-23T10:00:00+01:00",
                }
            ]
        }
    )

    channel: Text | None = None
    purpose: Text | None = None
    given: Annotated[Flag | None, Field(validation_alias=AliasChoices("given", "granted"))] = None
    status: Text | None = None
    how: Text | None = None
    text: Annotated[str | None, Field(max_length=2_000)] = None
    at: Instant | None = None

    @property
    def is_given(self) -> bool | None:
        """Whether it is a yes; none where that can't be told."""
        return STATUSES.get(self.status or "") if self.given is None else self.given


class Customer(BaseModel):
    """A customer as the shop knows them; each service keeps only the fields it is responsible for."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "c-43",
                    "card_number": "SHOP-000043",
                    "email": "kim@example.com",
                    "given_name": "Kim",
                    "language": "de",
                    "time_zone": "Europe/Berlin",
                    "registered_at": "2026-11-23T10:00:00+01:00",
                }
            ]
        }
    )

    customer_id: CustomerId
    card_number: CardNumber | None = None
    email: Text | None = None
    phone: Text | None = None
    salutation: Text | None = None
    given_name: Text | None = None
    family_name: Text | None = None
    birthday: dt.date | None = None
    language: Text | None = None
    time_zone: Text | None = None
    consents: Annotated[list[Consent], Field(max_length=100)] = []
    referral_code: Identifier | None = None
    registered_at: Instant | None = None


class CustomerErased(BaseModel):
    """Forget this customer."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"customer_id": "c-43"}]})

    customer_id: CustomerId


class CustomerWithheld(BaseModel):
    """Something that was not told any more."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"customer_id": "c-43"}]})

    customer_id: CustomerId


class CustomerRegisteredEvent(Envelope):
    """`loyalty.customer.registered.v1` on `loyalty.customers`."""

    type: Literal["loyalty.customer.registered.v1"]
    data: Customer


class CustomerUpdatedEvent(Envelope):
    """`loyalty.customer.updated.v1` on `loyalty.customers`."""

    type: Literal["loyalty.customer.updated.v1"]
    data: Customer


class CustomerErasedEvent(Envelope):
    """`loyalty.customer.erased.v1` on `loyalty.customers`."""

    type: Literal["loyalty.customer.erased.v1"]
    data: CustomerErased
