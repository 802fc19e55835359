"""What coupons are worth for a basket, and whether they may be used for it (rule 27)."""

import datetime as dt
import secrets
from collections.abc import Iterator, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from shared import codes
from shared.contracts.coupons import CouponValue, FreeArticle, PercentageVoucher, Shipping

ZERO = Decimal(0)
ONE = Decimal(1)
CENT = Decimal("0.01")
PERCENT = Decimal(100)

ORDER = ("free_article", "percentage_voucher", "money_voucher", "shipping")
"""In this order coupons are taken off a basket: shares before sums, so that a sum is not cut by a share."""

Reason = Literal[
    "coupon-not-yet-valid",
    "coupon-expired",
    "coupon-reserved",
    "coupon-redeemed",
    "coupon-voided",
    "coupon-of-another",
    "coupon-not-combinable",
    "currency-differs",
    "nothing-eligible",
    "minimum-missed",
    "customer-missing",
    "customer-had-it",
    "basket-missing",
    "budget-exhausted",
]


class Refused(NamedTuple):
    """Why a coupon is not taken, or stays as it is."""

    reason: Reason


def draw(prefix: str | None = None) -> str:
    """Return a new code: `XMAS-7K2M-9QF4-T3HJ`."""
    return codes.code("".join(secrets.choice(codes.ALPHABET) for _ in range(codes.DRAWN)), prefix)


def spelled(text: str) -> str:
    """Return a code as it is kept, whatever its case, blanks and dashes were; a word that a shop chose has no dashes."""
    return codes.spelled(text) or "".join(text.replace("-", "").split()).upper() or text


def valid_until(issued_at: dt.datetime, valid_days: int | None, zone: ZoneInfo) -> dt.datetime | None:
    """Return the end of the last local day of a coupon that is good for so many days after that of its issue."""
    if valid_days is None:
        return None
    day = issued_at.astimezone(zone).date() + dt.timedelta(days=valid_days + 1)
    return dt.datetime.combine(day, dt.time(), zone).astimezone(dt.UTC)


# What it is worth


class Line(NamedTuple):
    """A line of a basket; `amount` is gross, after the shop's own discounts."""

    amount: Decimal
    sku: str | None = None
    category: str | None = None
    quantity: Decimal = ONE


class Basket(NamedTuple):
    """What is about to be paid."""

    currency: str
    lines: tuple[Line, ...]
    shipping: Decimal = ZERO
    customer_id: str | None = None


class Budget(NamedTuple):
    """What a shared code may be used for at most, in all and by each customer; `amount` is in units of `currency`."""

    uses: int | None = None
    amount: Decimal | None = None
    per_customer: int | None = None
    currency: str | None = None


class Used(NamedTuple):
    """What of a budget is taken by uses that are reserved or redeemed, this basket's own left out."""

    uses: int = 0
    amount: Decimal = ZERO
    by_customer: int = 0


class Coupon(NamedTuple):
    """What a coupon asks of a basket; a shared one has a budget, a personal one its customer."""

    code: str
    value: CouponValue
    categories: frozenset[str] = frozenset()
    stacks: bool = False
    customer_id: str | None = None
    budget: Budget | None = None


class Priced(NamedTuple):
    """What a coupon takes off a basket, or why it does not."""

    code: str
    worth: Decimal
    refused: Refused | None = None


def admitted(coupons: Sequence[tuple[Coupon, Used]]) -> Refused | None:
    """Return why the last of some coupons is not taken, where nothing is known of the basket."""
    coupon, used = coupons[-1]
    return _alone(coupons, is_first=len(coupons) == 1) or over_budget(coupon.budget, used, None, None)


def priced(coupons: Sequence[tuple[Coupon, Used]], basket: Basket) -> list[Priced]:
    """Return what each coupon takes off a basket that they are used for together.

    Where one does not stack none but the first is taken; minimums are judged before any coupon.
    """
    order = {kind: place for place, kind in enumerate(ORDER)}
    found, left = dict[str, Priced](), basket
    for coupon, used in sorted(coupons, key=lambda pair: order[pair[0].value.kind]):
        is_first = coupon.code == coupons[0][0].code
        refused = _alone(coupons, is_first=is_first) or refusal(coupon, basket)
        worth = ZERO if refused else worth_of(coupon, left)
        refused = refused or over_budget(coupon.budget, used, worth, basket.customer_id)
        found[coupon.code] = Priced(coupon.code, ZERO if refused else worth, refused)
        left = _reduced(left, coupon, found[coupon.code].worth)
    return [found[coupon.code] for coupon, _ in coupons]


def estimated(coupons: Sequence[Coupon], basket: Basket) -> dict[str, Decimal]:
    """Return what coupons took off a basket that is paid, whether or not it should have had them."""
    order = {kind: place for place, kind in enumerate(ORDER)}
    found, left = dict[str, Decimal](), basket
    for coupon in sorted(coupons, key=lambda each: order[each.value.kind]):
        found[coupon.code] = ZERO if _is_foreign(coupon, basket) else worth_of(coupon, left)
        left = _reduced(left, coupon, found[coupon.code])
    return found


def _alone(coupons: Sequence[tuple[Coupon, Used]], *, is_first: bool) -> Refused | None:
    is_mixed = len(coupons) > 1 and not all(coupon.stacks for coupon, _ in coupons)
    return Refused("coupon-not-combinable") if is_mixed and not is_first else None


def refusal(coupon: Coupon, basket: Basket) -> Refused | None:
    """Return why a coupon does not fit a basket, whoever else uses it."""
    value = coupon.value
    # a till that knows no customer takes whoever brings the code
    if coupon.customer_id is not None and basket.customer_id not in {None, coupon.customer_id}:
        return Refused("coupon-of-another")
    if _is_foreign(coupon, basket):
        return Refused("currency-differs")
    if isinstance(value, FreeArticle):
        return None
    goods = sum((line.amount for line in eligible(coupon, basket)), ZERO)
    if (basket.shipping if isinstance(value, Shipping) else goods) <= 0:
        return Refused("nothing-eligible")
    return Refused("minimum-missed") if goods < value.minimum else None


def _is_foreign(coupon: Coupon, basket: Basket) -> bool:
    currencies = {coupon.budget.currency if coupon.budget else None, getattr(coupon.value, "currency", None)}
    return not currencies <= {None, basket.currency}


def eligible(coupon: Coupon, basket: Basket) -> Iterator[Line]:
    """Yield the lines that a coupon counts."""
    return (line for line in basket.lines if _counts(coupon, line))


def _counts(coupon: Coupon, line: Line) -> bool:
    if isinstance(coupon.value, FreeArticle):
        return line.sku == coupon.value.sku
    return not coupon.categories or line.category in coupon.categories


def worth_of(coupon: Coupon, basket: Basket) -> Decimal:
    """Return what a coupon that fits takes off a basket: never more than there is, rounded to cents once."""
    value = coupon.value
    if isinstance(value, Shipping):
        return basket.shipping
    if isinstance(value, FreeArticle):
        # one that lies in no basket yet is given away beside it
        return _cents(min((line.amount / max(line.quantity, ONE) for line in eligible(coupon, basket)), default=ZERO))
    goods = sum((line.amount for line in eligible(coupon, basket)), ZERO)
    if isinstance(value, PercentageVoucher):
        return _cents(goods * value.percent / PERCENT)
    return min(value.amount, _cents(goods))


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


def _reduced(basket: Basket, coupon: Coupon, worth: Decimal) -> Basket:
    """The basket that is left for the next coupon, this one's worth spread over the lines that it counts."""
    if isinstance(coupon.value, Shipping):
        return basket._replace(shipping=basket.shipping - worth)
    goods = sum((line.amount for line in eligible(coupon, basket)), ZERO)
    if not worth or not goods:
        return basket
    lines = (
        line._replace(amount=line.amount - worth * line.amount / goods) if _counts(coupon, line) else line
        for line in basket.lines
    )
    return basket._replace(lines=tuple(lines))


def before_discount(basket: Basket, discount: Decimal) -> Basket:
    """Return the basket of which the lines show what was left after a discount on them all, in proportion."""
    goods = sum((line.amount for line in basket.lines), ZERO)
    if not goods:
        return basket
    lines = (line._replace(amount=line.amount * (goods + discount) / goods) for line in basket.lines)
    return basket._replace(lines=tuple(lines))


def over_budget(budget: Budget | None, used: Used, worth: Decimal | None, customer_id: str | None) -> Refused | None:
    """Return why a shared code has nothing left for one more use of that worth; none: nobody knows it."""
    if budget is None:
        return None
    if budget.per_customer is not None:
        if customer_id is None:
            return Refused("customer-missing")
        if used.by_customer >= budget.per_customer:
            return Refused("customer-had-it")
    if budget.uses is not None and used.uses >= budget.uses:
        return Refused("budget-exhausted")
    if budget.amount is None:
        return None
    if worth is None:
        return Refused("basket-missing")
    return Refused("budget-exhausted") if used.amount + worth > budget.amount else None
