"""What coupons are worth for a basket, whether they may be used, and what becomes of a use of one (rule 27)."""

import datetime as dt
import secrets
from collections.abc import Iterator, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from shared import codes
from shared.contracts.coupons import CouponValue, FreeArticle, MoneyVoucher, PercentageVoucher, Shipping

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
    "budget-exhausted",
]


class Refused(NamedTuple):
    """Why a coupon is not taken, or stays as it is."""

    reason: Reason


def draw(prefix: str | None = None) -> str:
    """Return a new code: `XMAS-7K2M-9QF4-T3HJ`."""
    return codes.code("".join(secrets.choice(codes.ALPHABET) for _ in range(codes.DRAWN)), prefix)


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
    """What is about to be paid; `reference` tells it from every other one."""

    reference: str
    currency: str
    lines: tuple[Line, ...]
    shipping: Decimal = ZERO
    customer_id: str | None = None


class Budget(NamedTuple):
    """What a shared code may be used for at most, in all and by each customer."""

    uses: int | None = None
    amount: Decimal | None = None
    per_customer: int | None = None


class Used(NamedTuple):
    """What of a budget is taken by uses that are reserved or redeemed."""

    uses: int = 0
    amount: Decimal = ZERO
    by_customer: int = 0


class Coupon(NamedTuple):
    """A coupon as it was issued; a shared one has a budget, a personal one its customer. It ends before `valid_until`."""

    code: str
    value: CouponValue
    valid_from: dt.datetime | None = None
    valid_until: dt.datetime | None = None
    categories: frozenset[str] = frozenset()
    stacks: bool = False
    customer_id: str | None = None
    budget: Budget | None = None


class Priced(NamedTuple):
    """What a coupon takes off a basket, or why it does not."""

    code: str
    worth: Decimal
    refused: Refused | None = None


def priced(coupons: Sequence[tuple[Coupon, Used]], basket: Basket, now: dt.datetime) -> list[Priced]:
    """Return what each coupon takes off a basket that they are used for together.

    Where one does not stack none but the first is taken; minimums are judged before any coupon.
    """
    order = {kind: place for place, kind in enumerate(ORDER)}
    found, left = dict[str, Priced](), basket
    for coupon, used in sorted(coupons, key=lambda pair: order[pair[0].value.kind]):
        is_first = coupon.code == coupons[0][0].code
        refused = _alone(coupons, is_first=is_first) or refusal(coupon, basket, now)
        worth = ZERO if refused else worth_of(coupon, left)
        refused = refused or over_budget(coupon.budget, used, worth, basket.customer_id)
        found[coupon.code] = Priced(coupon.code, ZERO if refused else worth, refused)
        left = _reduced(left, coupon, found[coupon.code].worth)
    return [found[coupon.code] for coupon, _ in coupons]


def _alone(coupons: Sequence[tuple[Coupon, Used]], *, is_first: bool) -> Refused | None:
    is_mixed = len(coupons) > 1 and not all(coupon.stacks for coupon, _ in coupons)
    return Refused("coupon-not-combinable") if is_mixed and not is_first else None


def refusal(coupon: Coupon, basket: Basket, now: dt.datetime) -> Refused | None:
    """Return why a coupon does not fit a basket, whoever else uses it."""
    if coupon.valid_from is not None and now < coupon.valid_from:
        return Refused("coupon-not-yet-valid")
    if coupon.valid_until is not None and coupon.valid_until <= now:
        return Refused("coupon-expired")
    # a till that knows no customer takes whoever brings the code
    if coupon.customer_id is not None and basket.customer_id not in {None, coupon.customer_id}:
        return Refused("coupon-of-another")
    return _unfit(coupon, basket)


def _unfit(coupon: Coupon, basket: Basket) -> Refused | None:
    value = coupon.value
    if isinstance(value, FreeArticle):
        return None
    if isinstance(value, MoneyVoucher) and value.currency != basket.currency:
        return Refused("currency-differs")
    goods = sum((line.amount for line in eligible(coupon, basket)), ZERO)
    if (basket.shipping if isinstance(value, Shipping) else goods) <= 0:
        return Refused("nothing-eligible")
    return Refused("minimum-missed") if goods < value.minimum else None


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


def over_budget(budget: Budget | None, used: Used, worth: Decimal, customer_id: str | None) -> Refused | None:
    """Return why a shared code has nothing left for one more use of that worth."""
    if budget is None:
        return None
    if budget.per_customer is not None:
        if customer_id is None:
            return Refused("customer-missing")
        if used.by_customer >= budget.per_customer:
            return Refused("customer-had-it")
    has_uses = budget.uses is None or used.uses < budget.uses
    has_money = budget.amount is None or used.amount + worth <= budget.amount
    return None if has_uses and has_money else Refused("budget-exhausted")


# What becomes of a use


Status = Literal["issued", "reserved", "redeemed", "voided", "expired"]


class Use(NamedTuple):
    """A use of a coupon: a single-use one has one in its life, a shared code one for each basket.

    `basket` names whose it is while it is reserved or redeemed.
    """

    status: Status = "issued"
    valid_until: dt.datetime | None = None
    basket: str | None = None
    reserved_until: dt.datetime | None = None


ENDED: dict[Status, Refused] = {
    "redeemed": Refused("coupon-redeemed"),
    "voided": Refused("coupon-voided"),
    "expired": Refused("coupon-expired"),
}


def standing(use: Use, now: dt.datetime) -> Use:
    """Return a use as it is at an instant, whether or not a job has seen to it yet, or saw to it later.

    A reservation ends in its time, a coupon that nobody keeps in its own; a basket that keeps one may still pay with it.
    """
    if use.reserved_until is not None and use.reserved_until <= now:
        return standing(_changed(use, "issued"), now)
    if use.status not in {"issued", "expired"}:
        return use
    is_over = use.valid_until is not None and use.valid_until <= now
    return _changed(use, "expired" if is_over else "issued")


def _changed(use: Use, status: Status, basket: str | None = None, reserved_until: dt.datetime | None = None) -> Use:
    return Use(status, use.valid_until, basket, reserved_until)


def reserve(use: Use, basket: str, until: dt.datetime, now: dt.datetime) -> Use | Refused:
    """Keep a coupon for a basket; the same basket keeps it for longer."""
    return _kept_from(use, basket, now) or _changed(use, "reserved", basket, until)


def redeem(use: Use, basket: str, now: dt.datetime) -> Use | Refused:
    """Take a coupon for a basket that is paid; again for the same one changes nothing."""
    if use.status == "redeemed" and use.basket == basket:
        return use
    return _kept_from(use, basket, now) or _changed(use, "redeemed", basket)


def release(use: Use, basket: str, now: dt.datetime) -> Use | Refused:
    """Give back what was kept for a basket; again, or for a basket that kept nothing, it changes nothing."""
    return _kept_from(use, basket, now) or standing(_changed(use, "issued"), now)


def _kept_from(use: Use, basket: str, now: dt.datetime) -> Refused | None:
    current = standing(use, now)
    if current.status == "reserved" and current.basket != basket:
        return Refused("coupon-reserved")
    return ENDED.get(current.status)


def give_back(use: Use, basket: str, now: dt.datetime) -> Use:
    """Give a coupon back whose purchase was refunded whole; one that another took, or nobody, stays as it is."""
    is_theirs = use.status == "redeemed" and use.basket == basket
    return standing(_changed(use, "issued") if is_theirs else use, now)


def void(use: Use, now: dt.datetime) -> Use | Refused:
    """End a coupon that nobody has used and nobody keeps; one that expired too, as no till took it either."""
    current = standing(use, now)
    if current.status == "reserved":
        return Refused("coupon-reserved")
    return ENDED["redeemed"] if current.status == "redeemed" else _changed(use, "voided")
