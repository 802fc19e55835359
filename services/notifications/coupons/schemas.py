"""What the API takes and answers about coupons; every model carries an example that works."""

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from services.notifications.benefits import CouponTerms
from services.notifications.records import CouponStatus, Origin, SharedStatus, UseStatus
from services.notifications.rules import coupons as rules
from shared.contracts.coupons import ONLY_THESE, CodePrefix, CouponValue, Language, Title
from shared.contracts.values import Currency, CustomerId, Flag, Identifier, Instant, Money, Whole

BasketName = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=128)]
Reason = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=200)]

VOUCHER = {"kind": "money_voucher", "amount": "5.00", "currency": "EUR", "minimum": "20.00"}

BASKET = {
    "currency": "EUR",
    "lines": [{"sku": "A-1", "category": "wine", "quantity": 2, "amount": "114.10"}],
    "shipping": "4.90",
    "customer_id": "c-42",
}

COUPON: dict[str, Any] = {
    "coupon_id": "3f0e9c1a-7a5e-4f9b-8a57-1c2f6f0d7b11",
    "code": "XMAS-7K2M-9QF4-T3HJ",
    "customer_id": "c-42",
    "origin": "hand",
    "status": "issued",
    "value": VOUCHER,
    "titles": {"en": "5 euros off"},
    "categories": ["wine"],
    "stacks": False,
    "worth": None,
    "issued_at": "2026-11-23T09:15:00Z",
    "valid_from": None,
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
    """A coupon as it is now: `value` says what it gives, `worth` what it takes off the basket that was asked about.

    Of a code for everybody (`origin: shared`) it says what that basket has.
    """

    model_config = _example(**COUPON)

    coupon_id: str | None
    code: str | None
    customer_id: str | None
    origin: Origin | Literal["shared"]
    status: CouponStatus
    value: CouponValue | None
    titles: dict[str, str]
    categories: list[str]
    stacks: bool
    worth: Money | None
    issued_at: dt.datetime
    valid_from: dt.datetime | None
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


# At the till


class BasketLine(BaseModel):
    """A line of a basket; `amount` is its gross sum, after the shop's own discounts and before any coupon."""

    sku: Identifier | None = None
    category: Identifier | None = None
    quantity: Whole | Money = 1
    amount: Money


class BasketView(BaseModel):
    """What is about to be paid, and by whom where that is known; shipping is gross."""

    currency: Currency
    lines: Annotated[list[BasketLine], Field(max_length=2_000)] = []
    shipping: Money = Decimal(0)
    customer_id: CustomerId | None = None

    def plain(self) -> rules.Basket:
        """Return it as the rules know it."""
        lines = (rules.Line(each.amount, each.sku, each.category, Decimal(each.quantity)) for each in self.lines)
        return rules.Basket(self.currency, tuple(lines), self.shipping, self.customer_id)


class AtTill(BaseModel):
    """A coupon and a basket; without `basket` only the coupon itself is judged."""

    basket: BasketView | None = None

    def plain(self) -> rules.Basket | None:
        return None if self.basket is None else self.basket.plain()


class Check(AtTill):
    """The basket at the till, and under which name it keeps coupons already."""

    model_config = _example(basket=BASKET)

    reservation: BasketName | None = None


class CheckMany(Check):
    """Several codes for one basket; of those that do not stack the first is taken."""

    model_config = _example(codes=["XMAS-7K2M-9QF4-T3HJ", "SUMMER26"], basket=BASKET)

    codes: Annotated[list[Identifier], Field(min_length=1, max_length=20)]


class CheckAnswer(BaseModel):
    """Whether the coupon can be used here and now, and what it takes off the basket; `reason` says why not."""

    model_config = _example(usable=True, reason=None, worth="5.00", coupon=COUPON)

    usable: bool
    reason: Literal["code-unknown"] | rules.Reason | None
    worth: Money | None
    coupon: CouponView | None


class CodeAnswer(CheckAnswer):
    """What became of one of several codes."""

    model_config = _example(code="XMAS-7K2M-9QF4-T3HJ", usable=True, reason=None, worth="5.00", coupon=COUPON)

    code: str


class ChecksAnswer(BaseModel):
    """The codes in the order in which they were named, and what all that can be used take off the basket together."""

    data: list[CodeAnswer]
    worth: Money | None


class Reservation(AtTill):
    """Keep the coupon for this basket, by its name among those of all shops; it is free again when the time is over."""

    model_config = _example(reservation="basket-4711", seconds=600, basket=BASKET)

    reservation: BasketName
    seconds: Annotated[Whole, Field(ge=1, le=86_400)] = 900


class Redemption(AtTill):
    """Take the coupon for this purchase; one that a basket has needs its `reservation`."""

    model_config = _example(
        shop_id="webshop-de", invoice_number="R-2026-000123", reservation="basket-4711", basket=BASKET
    )

    shop_id: Identifier
    invoice_number: Identifier
    reservation: BasketName | None = None


class Release(BaseModel):
    """Give the coupon back that this basket has."""

    model_config = _example(reservation="basket-4711")

    reservation: BasketName


class Voiding(BaseModel):
    """Why the coupon is taken back."""

    model_config = _example(reason="issued by mistake")

    reason: Reason


class UseView(BaseModel):
    """A purchase that named the code; `reason` says why it could not have it, though it was paid, or that it
    keeps it, though it was refunded.
    """

    model_config = _example(
        shop_id="webshop-de",
        invoice_number="R-2026-000123",
        status="conflict",
        reason="budget-exhausted",
        customer_id="c-42",
        worth="5.00",
        occurred_at="2026-11-23T09:15:00Z",
    )

    shop_id: str
    invoice_number: str
    status: UseStatus
    reason: rules.Reason | Literal["purchase-refunded"] | None
    customer_id: str | None
    worth: Money | None = Field(description="what it took off, as far as a basket tells")
    occurred_at: dt.datetime


class UsePage(BaseModel):
    """A page of purchases that named a code, by shop and invoice."""

    data: list[UseView]
    next_cursor: str | None


# Codes for everybody


def _a_word(text: str) -> str:
    return rules.spelled(text)


SharedWord = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 -]{1,30}[A-Za-z0-9]$"), AfterValidator(_a_word)
]

SHARED: dict[str, Any] = {
    "value": {"kind": "percentage_voucher", "percent": "10", "minimum": "20.00"},
    "titles": {"en": "10 % off wine"},
    "categories": ["wine"],
    "stacks": True,
    "refund_frees": True,
    "budget": {"uses": 500, "money": {"amount": "2500.00", "currency": "EUR"}, "per_customer": 1},
    "valid_from": "2026-06-01T00:00:00Z",
    "valid_until": "2036-09-01T00:00:00Z",
}


class Sum(BaseModel):
    """So much money."""

    amount: Annotated[Money, Field(gt=0)]
    currency: Currency


class SharedBudget(BaseModel):
    """What a code may be used for at most, in all and by each customer; what is left out has no end."""

    uses: Annotated[Whole, Field(ge=1, le=10**9)] | None = None
    money: Sum | None = None
    per_customer: Annotated[Whole, Field(ge=1, le=10**6)] | None = None


class SharedDraft(BaseModel):
    """A code for everybody: a word of the shop's, whatever its case, or without `code` one that is drawn."""

    model_config = _example(code="Summer-26", **SHARED)

    code: SharedWord | None = None
    code_prefix: CodePrefix | None = None
    value: CouponValue
    titles: Annotated[dict[Language, Title], Field(max_length=50, json_schema_extra=ONLY_THESE)] = {}
    categories: Annotated[list[Identifier], Field(max_length=500)] = []
    """Only lines of these count; without any, all do."""
    stacks: Flag = False
    """Whether others that stack may be used beside it."""
    refund_frees: Flag | None = None
    """Whether a purchase that is refunded as a whole makes room for another use; left out, as the programme says."""
    budget: SharedBudget = SharedBudget()
    valid_from: Instant | None = None
    valid_until: Instant | None = None


class UsedView(BaseModel):
    """What of a budget is used: redeemed, or kept for baskets."""

    uses: int
    amount: Money


class SharedView(BaseModel):
    """A code for everybody, and what of its budget is used."""

    model_config = _example(
        code="SUMMER26",
        status="open",
        used={"uses": 17, "amount": "81.30"},
        created_at="2026-05-20T09:00:00Z",
        ended_at=None,
        reason=None,
        **SHARED,
    )

    code: str
    status: SharedStatus
    value: CouponValue
    titles: dict[str, str]
    categories: list[str]
    stacks: bool
    refund_frees: bool
    budget: SharedBudget
    used: UsedView
    created_at: dt.datetime
    valid_from: dt.datetime | None
    valid_until: dt.datetime | None
    ended_at: dt.datetime | None
    reason: str | None


class SharedPage(BaseModel):
    """A page of codes for everybody, by the code."""

    data: list[SharedView]
    next_cursor: str | None


class SharedEnd(BaseModel):
    """Why nobody can use the code any more."""

    model_config = _example(reason="the summer is over")

    reason: Reason
