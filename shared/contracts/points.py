"""What the points service says on `loyalty.points`."""

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

from shared.contracts.envelope import Envelope
from shared.contracts.values import CardNumber, CustomerId, Identifier

Sequence = Annotated[str, StringConstraints(pattern=r"^[0-9]{20}$")]


class Balance(BaseModel):
    """A customer's points directly after the event; `available` below zero is a debt."""

    available: int
    pending: int
    held: int


class BreakdownLine(BaseModel):
    """How much of the points a rule gave or took."""

    rule: str
    points: int


class PointsBooked(BaseModel):
    """An entry: `points` is signed, as in the ledger, and the breakdown adds up to it."""

    customer_id: CustomerId
    points: int
    balance: Balance
    breakdown: list[BreakdownLine]
    entry_sequence: int
    occurred_at: dt.datetime


class PointsAwarded(PointsBooked):
    """Points for a purchase, by the programme version that is named."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "c-42",
                    "balance": {"available": 320, "pending": 0, "held": 0},
                    "entry_sequence": 7,
                    "occurred_at": "2026-11-23T09:15:00Z",
                    "points": 114,
                    "breakdown": [{"rule": "base", "points": 114}],
                    "shop_id": "webshop-de",
                    "invoice_number": "R-2026-000123",
                    "programme_version": 1,
                }
            ]
        }
    )

    shop_id: Identifier
    invoice_number: Identifier
    programme_version: int


class PointsReversed(PointsAwarded):
    """Points clawed back because a purchase was refunded, by the version that awarded them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "c-42",
                    "balance": {"available": 320, "pending": 0, "held": 0},
                    "entry_sequence": 7,
                    "occurred_at": "2026-11-23T09:15:00Z",
                    "points": -34,
                    "breakdown": [{"rule": "clawback", "points": -34}],
                    "shop_id": "webshop-de",
                    "invoice_number": "R-2026-000123",
                    "programme_version": 1,
                    "refund_id": "G-2026-000017",
                }
            ]
        }
    )

    refund_id: Identifier


class PointsAdjusted(PointsBooked):
    """Points by hand, or a debt that was written off."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "c-42",
                    "balance": {"available": 320, "pending": 0, "held": 0},
                    "entry_sequence": 7,
                    "occurred_at": "2026-11-23T09:15:00Z",
                    "points": 50,
                    "breakdown": [{"rule": "adjustment", "points": 50}],
                    "reason": "goodwill",
                    "adjustment_id": "7d1f8f0e-5d2b-4f86-9a59-0d9f7f9b8f11",
                }
            ]
        }
    )

    reason: str
    adjustment_id: str | None = None


class AccountOpened(BaseModel):
    """A customer has an account now, and this card."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "c-42",
                    "card_number": "2990000000422",
                    "enrolled_at": "2026-11-23T09:15:00Z",
                    "balance": {"available": 0, "pending": 0, "held": 0},
                }
            ]
        }
    )

    customer_id: CustomerId
    card_number: CardNumber
    enrolled_at: dt.datetime
    balance: Balance


class SequencedEnvelope(Envelope):
    """`sequence` counts the customer's events on this topic from 1 without a gap."""

    subject: CustomerId
    time: dt.datetime
    sequence: Sequence


class PointsAwardedEvent(SequencedEnvelope):
    """Points were awarded for a purchase."""

    type: Literal["loyalty.points.awarded.v1"]
    data: PointsAwarded


class PointsReversedEvent(SequencedEnvelope):
    """Points were clawed back for a refund."""

    type: Literal["loyalty.points.reversed.v1"]
    data: PointsReversed


class PointsAdjustedEvent(SequencedEnvelope):
    """Points were credited or debited by hand."""

    type: Literal["loyalty.points.adjusted.v1"]
    data: PointsAdjusted


class AccountOpenedEvent(SequencedEnvelope):
    """An account was opened."""

    type: Literal["loyalty.account.opened.v1"]
    data: AccountOpened


EVENTS: TypeAdapter[Any] = TypeAdapter(
    Annotated[
        PointsAwardedEvent | PointsReversedEvent | PointsAdjustedEvent | AccountOpenedEvent,
        Field(discriminator="type"),
    ]
)
