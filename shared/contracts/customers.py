"""What the shop's customer records say: a customer was registered, changed or erased."""

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.envelope import Envelope
from shared.contracts.values import CardNumber, CustomerId, Identifier, Instant

Text = Annotated[str, Field(max_length=200)]


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
    consents: Annotated[list[dict[str, Any]], Field(max_length=100, default_factory=list)]
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
