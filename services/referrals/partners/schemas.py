"""What the API takes and answers about partners; every model carries an example that works."""

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.referrals.terms import Terms
from shared.contracts.coupons import Language, Title
from shared.contracts.values import Currency, Identifier

PartnerId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]
PartnerCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9 -]+$", min_length=4, max_length=40)]
Amount = Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,14}(\.[0-9]{1,4})?$")]
"""A decimal string; what a partner owes is below 0."""

TERMS: dict[str, Any] = {
    "commission": {"kind": "share", "percent": "7.5"},
    "months": 12,
    "minimum": "20.00",
    "hold_days": 30,
    "currency": "EUR",
}
LINE: dict[str, Any] = {
    "number": 1,
    "occurred_at": "2026-10-05T08:15:00Z",
    "shop_id": "webshop-de",
    "invoice_number": "R-2026-000123",
    "code": "WINEBLOG",
    "sold": "119.00",
    "refunded": "0.00",
    "percent": "7.5",
    "amount": "8.93",
    "reason": "due",
    "booked_at": "2026-11-04T08:16:00Z",
}
PAYOUT: dict[str, Any] = {
    "partner_id": "wine-blog",
    "month": "2026-11",
    "amount": "8.93",
    "currency": "EUR",
    "reference": "SEPA-2026-4711",
    "paid_at": "2026-12-03T10:00:00Z",
    "paid_by": "finance",
}


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [values]})


class PartnerDraft(BaseModel):
    """Somebody who recommends the shop for money, under an id of the shop's; statements are in their language."""

    model_config = _example(partner_id="wine-blog", name="The Wine Blog", language="en", terms=TERMS)

    partner_id: PartnerId
    name: Title
    language: Language = "en"
    terms: Terms


class TermsChange(BaseModel):
    """Terms for claims from now on; what was claimed before keeps its own."""

    model_config = _example(terms=TERMS | {"months": None})

    terms: Terms


class PartnerRetirement(BaseModel):
    """Why a partner is retired; it stands in the audit trail."""

    model_config = _example(reason="contract ended")

    reason: Title


class PartnerCodeWish(BaseModel):
    """A code of the partner's choice: 4 to 20 letters and digits, but not 8; without it one is drawn."""

    model_config = _example(vanity="WINEBLOG24")

    vanity: PartnerCode | None = None


class PayoutNote(BaseModel):
    """With what the partner was paid."""

    model_config = _example(reference="SEPA-2026-4711")

    reference: Identifier


class PartnerView(BaseModel):
    """A partner with the newest of their terms; statements up to `paid_through` are closed."""

    model_config = _example(
        partner_id="wine-blog",
        name="The Wine Blog",
        language="en",
        terms_version=1,
        terms=TERMS | {"valid_from": None, "valid_until": None},
        paid_through=None,
        created_at="2026-09-01T08:00:00Z",
        retired_at=None,
    )

    partner_id: str
    name: str
    language: str
    terms_version: int
    terms: Terms
    paid_through: str | None
    created_at: dt.datetime
    retired_at: dt.datetime | None


class PartnerPage(BaseModel):
    """A page of partners, by ids."""

    data: list[PartnerView]
    next_cursor: str | None


class PartnerCodeView(BaseModel):
    """A code that friends claim with."""

    model_config = _example(code="WINEBLOG24", created_at="2026-09-01T08:00:00Z", retired_at=None)

    code: str
    created_at: dt.datetime
    retired_at: dt.datetime | None


class PartnerCodeList(BaseModel):
    """All codes of a partner, in the order in which they were made."""

    data: list[PartnerCodeView]


class CommissionView(BaseModel):
    """What a sale earns as things stand: `paid` where the statement with its last line is."""

    model_config = _example(
        referral_id="5d0c7e6a-0e0b-4f0c-9a2f-3f6d1f3c9a10",
        shop_id="webshop-de",
        invoice_number="R-2026-000123",
        code="WINEBLOG",
        occurred_at="2026-10-05T08:15:00Z",
        currency="EUR",
        sold="119.00",
        refunded="0.00",
        status="held",
        amount="8.93",
        hold_until="2026-11-04T08:15:00Z",
        month=None,
    )

    referral_id: str
    shop_id: str
    invoice_number: str
    code: str
    occurred_at: dt.datetime
    currency: Currency
    sold: Amount
    refunded: Amount
    status: Literal["held", "due", "paid", "reversed"]
    amount: Amount
    hold_until: dt.datetime
    month: str | None = Field(description="of the statement with its last line")


class CommissionPage(BaseModel):
    """A page of a partner's commissions, those of the newest sales first."""

    data: list[CommissionView]
    next_cursor: str | None


class StatementLineView(BaseModel):
    """A commission that became due, or what was taken back of one; of a fixed amount there is no `percent`."""

    model_config = _example(**LINE)

    number: int
    occurred_at: dt.datetime
    shop_id: str
    invoice_number: str
    code: str
    sold: Amount
    refunded: Amount
    percent: Amount | None
    amount: Amount
    reason: str
    booked_at: dt.datetime


class PayoutView(BaseModel):
    """What a partner was paid for everything up to the end of a month."""

    model_config = _example(**PAYOUT)

    partner_id: str
    month: str
    amount: Amount
    currency: Currency
    reference: str
    paid_at: dt.datetime
    paid_by: str


class StatementView(BaseModel):
    """A month as a partner sees it: `open` while it lasts; what is below nothing at its end is `carried` to the next."""

    model_config = _example(
        partner_id="wine-blog",
        name="The Wine Blog",
        month="2026-11",
        time_zone="UTC",
        status="paid",
        currency="EUR",
        opening_balance="0.00",
        earned="8.93",
        taken_back="0.00",
        closing_balance="8.93",
        lines=[LINE],
        payout=PAYOUT,
    )

    partner_id: str
    name: str
    month: str
    time_zone: str
    status: Literal["open", "due", "carried", "paid"]
    currency: Currency
    opening_balance: Amount
    earned: Amount
    taken_back: Amount
    closing_balance: Amount
    lines: list[StatementLineView]
    payout: PayoutView | None = Field(description="perhaps of a later month, which covers this one with it")
