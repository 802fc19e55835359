"""What the API takes and answers beside the events' own data; every model carries an example that works."""

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.notifications.programme import Programme
from services.notifications.records import CouponStatus, Origin
from shared import programmes
from shared.contracts.coupons import CouponTerms, CouponValue
from shared.contracts.values import CustomerId, Identifier, Money, Whole

Basket = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=128)]
Reason = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=200)]

VOUCHER = {"kind": "money_voucher", "amount": "5.00", "currency": "EUR", "minimum": "20.00"}


COUPON: dict[str, Any] = {
    "coupon_id": "3f0e9c1a-7a5e-4f9b-8a57-1c2f6f0d7b11",
    "code": "XMAS-7K2M-9QF4-T3HJ",
    "customer_id": "c-42",
    "origin": "hand",
    "status": "issued",
    "value": VOUCHER,
    "titles": {"en": "5 euros off"},
    "issued_at": "2026-11-23T09:15:00Z",
    "valid_until": "2026-12-24T00:00:00Z",
    "reserved_until": None,
    "shop_id": None,
    "invoice_number": None,
    "ended_at": None,
    "reason": None,
}


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [values]})


class CouponView(BaseModel):
    """A coupon as it is now; `value` says what it gives."""

    model_config = _example(**COUPON)

    coupon_id: str
    code: str | None
    customer_id: str
    origin: Origin
    status: CouponStatus
    value: CouponValue | None
    titles: dict[str, str]
    issued_at: dt.datetime
    valid_until: dt.datetime | None
    reserved_until: dt.datetime | None
    shop_id: str | None
    invoice_number: str | None
    ended_at: dt.datetime | None
    reason: str | None


class CouponPage(BaseModel):
    """A page of coupons."""

    data: list[CouponView]
    next_cursor: str | None


class CouponIssue(BaseModel):
    """A coupon by hand, on these terms."""

    model_config = _example(customer_id="c-42", terms={"value": VOUCHER, "valid_days": 30, "code_prefix": "XMAS"})

    customer_id: CustomerId
    terms: CouponTerms


class Check(BaseModel):
    """The basket at the till; without `total` only the coupon itself is looked at."""

    model_config = _example(total="49.90", currency="EUR")

    total: Money | None = None
    currency: Identifier | None = None
    reservation: Basket | None = None


class CheckAnswer(BaseModel):
    """Whether the coupon can be used here and now; `reason` says why not."""

    model_config = _example(usable=True, reason=None, coupon=COUPON)

    usable: bool
    reason: (
        Literal[
            "code-unknown",
            "coupon-expired",
            "coupon-redeemed",
            "coupon-reserved",
            "coupon-voided",
            "below-minimum",
            "other-currency",
        ]
        | None
    )
    coupon: CouponView | None


class Reservation(BaseModel):
    """Keep the coupon for this basket; it is free again when the time is over."""

    model_config = _example(reservation="basket-4711", seconds=600)

    reservation: Basket
    seconds: Annotated[Whole, Field(ge=1, le=86_400)] = 900


class Redemption(BaseModel):
    """Take the coupon for this purchase; one that a basket has needs its `reservation`."""

    model_config = _example(shop_id="webshop-de", invoice_number="R-2026-000123", reservation="basket-4711")

    shop_id: Identifier
    invoice_number: Identifier
    reservation: Basket | None = None


class Release(BaseModel):
    """Give the coupon back that this basket has."""

    model_config = _example(reservation="basket-4711")

    reservation: Basket


class Voiding(BaseModel):
    """Why the coupon is taken back."""

    model_config = _example(reason="issued by mistake")

    reason: Reason


# The programme


class ProgrammeDraft(programmes.Draft[Programme]):
    """A programme to be published; without `valid_from` it holds from now on."""

    model_config = _example(
        programme={
            "sender": {"name": "Weinhaus am Markt", "website": "https://shop.example/"},
            "frequency_cap": {"messages": 2, "days": 7},
            "messages": {"points_digest": {"template": "points_digest", "every": "month"}},
        }
    )


class ProgrammeView(programmes.View[Programme]):
    """A published programme; the first version is valid from the beginning of time."""


class VersionView(programmes.FullVersion[Programme]):
    """A published version, and who published it when."""


class DifferenceList(BaseModel):
    """Everything that differs."""

    model_config = _example(data=[{"pointer": "/frequency_cap/messages", "before": 3, "after": 2}])

    data: list[programmes.DifferenceView]
