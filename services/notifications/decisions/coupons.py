"""The life of a coupon: issued once, reserved for a basket, taken by one purchase, void or over (rule 27)."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

import orjson

from services.notifications.books import Books
from services.notifications.commands import (
    IssueCoupon,
    Outcome,
    RedeemCoupon,
    ReleaseCoupon,
    ReserveCoupon,
    SettleCoupon,
    VoidCoupon,
    refused,
)
from services.notifications.decisions.events import emit
from services.notifications.decisions.news import drop
from services.notifications.decisions.pricing import NOTHING, beside, judge, refuse, reprice, terms_of
from services.notifications.decisions.shared_codes import redeem_shared, release_shared, reserve_shared
from services.notifications.records import Coupon, Use
from services.notifications.rules.coupons import valid_until

UTC = ZoneInfo("UTC")
"""Whose days count until the time zones of customers are known here."""

ENDED = {
    "redeemed": "a till has taken it",
    "voided": "it was taken back",
    "expired": "it is over",
}


def issue_coupon(books: Books, command: IssueCoupon) -> Outcome:
    known = books.coupons.get(command.coupon_id)
    if known is not None:
        return _answer(books, known, is_new=False)
    if command.code in books.by_code or command.code in books.shared:
        return refused("code-taken", f"{command.code} is another coupon's code", "/code")
    until = command.valid_until
    if command.valid_days is not None:
        until = valid_until(books.now, command.valid_days, UTC)
    coupon = Coupon(
        command.coupon_id,
        command.customer_id,
        command.origin,
        "issued",
        command.code,
        command.value,
        command.titles,
        books.now,
        until,
        categories=command.categories,
        stacks=command.stacks,
    )
    books.coupons[coupon.coupon_id] = books.changes.new_coupons[coupon.coupon_id] = coupon
    books.by_code[command.code] = coupon
    details: dict[str, Any] = {
        "value": orjson.Fragment(command.value),
        "valid_until": until,
        "categories": orjson.Fragment(command.categories),
        "stacks": command.stacks,
    }
    if command.occasion is not None:
        details["occasion"] = command.occasion
    emit(books, coupon.customer_id, "coupon.issued", {"coupon_id": coupon.coupon_id, "code": coupon.code, **details})
    _take_for_earliest(books, coupon)
    return _answer(books, coupon)


def _take_for_earliest(books: Books, coupon: Coupon) -> None:
    """Let the first purchase have it that named its code before it was heard of."""
    waiting = [use for use in books.uses.values() if use.code == coupon.code and use.status == "unknown"]
    for use in sorted(waiting, key=lambda each: (each.occurred_at, each.key)):
        use_coupon(books, coupon, use)


def void_coupon(books: Books, command: VoidCoupon) -> Outcome:
    """Take a coupon back; whether or not that could be, its end is said, so that whoever waits for it knows."""
    coupon = books.coupons.get(command.coupon_id)
    if coupon is None:
        return _void_unheard(books, command)
    if coupon.status in {"redeemed", "voided"}:
        return _answer(books, coupon, is_new=False)
    _end(books, coupon, "voided", command.reason)
    return _answer(books, coupon)


def _void_unheard(books: Books, command: VoidCoupon) -> Outcome:
    coupon = Coupon(
        command.coupon_id, command.customer_id, command.origin, "issued", command.code, None, "{}", books.now
    )
    books.coupons[coupon.coupon_id] = books.changes.new_coupons[coupon.coupon_id] = coupon
    if coupon.code is not None:
        books.by_code[coupon.code] = coupon
    _end(books, coupon, "voided", command.reason)
    return _answer(books, coupon)


def settle_coupon(books: Books, command: SettleCoupon) -> Outcome:
    """Answer with the coupon: what was due on it is booked already, as on every one of the batch."""
    coupon = books.by_code.get(command.code)
    return Outcome("ignored") if coupon is None else _answer(books, coupon, is_new=False)


def lapse(books: Books, coupon: Coupon) -> None:
    """Book what time alone brings: a basket's time is over, the coupon's time is over."""
    found = coupon.status_at(books.now)
    if found == coupon.status:
        return
    if found == "expired":
        _end(books, coupon, "expired", "time-over")
    else:
        _free(books, coupon)


# At the till


def reserve_coupon(books: Books, command: ReserveCoupon) -> Outcome:
    """Keep it for a basket; the same basket keeps it for longer."""
    shared, coupon = books.shared.get(command.code), books.by_code.get(command.code)
    if shared is not None:
        return reserve_shared(books, shared, command)
    if coupon is None:
        return unknown(command.code)
    has_it = coupon.status == "reserved" and coupon.reservation == command.reservation
    if coupon.status != "issued" and not has_it:
        return not_free(coupon)
    if coupon.valid_until is not None and coupon.valid_until <= books.now:
        # or it could be kept for ever
        return refused("coupon-expired", ENDED["expired"])
    found = judge(terms_of(coupon), NOTHING, command.basket, beside(books, command.code, command.reservation))
    if found.refused is not None:
        return refuse(found.refused)
    coupon.status, coupon.reservation = "reserved", command.reservation
    coupon.reserved_until = books.now + dt.timedelta(seconds=command.seconds)
    books.keep(coupon)
    return _answer(books, coupon, is_new=not has_it, worth=found.worth)


def release_coupon(books: Books, command: ReleaseCoupon) -> Outcome:
    shared, coupon = books.shared.get(command.code), books.by_code.get(command.code)
    if shared is not None:
        return release_shared(books, shared, command)
    if coupon is None:
        return unknown(command.code)
    if coupon.status == "reserved" and coupon.reservation != command.reservation:
        return not_free(coupon)
    if coupon.status != "reserved":
        return _answer(books, coupon, is_new=False)
    _free(books, coupon)
    lapse(books, coupon)
    return _answer(books, coupon)


def redeem_coupon(books: Books, command: RedeemCoupon) -> Outcome:
    key = command.shop_id, command.invoice_number
    sale = books.sales.get(key)
    if sale is not None and sale.is_taken_back:
        return refused("purchase-refunded", "the purchase was taken back as a whole")
    shared, coupon = books.shared.get(command.code), books.by_code.get(command.code)
    if shared is not None:
        found = redeem_shared(books, shared, command)
    else:
        found = unknown(command.code) if coupon is None else _redeem(books, coupon, command)
    if found.is_new and sale is None:
        # it is there from now on, so that its refund and its codes find each other
        books.sale(key)
    return found


def _redeem(books: Books, coupon: Coupon, command: RedeemCoupon) -> Outcome:
    key = command.shop_id, command.invoice_number
    if _is_taken_by(coupon, *key):
        return _answer(books, coupon, worth=books.uses[command.code, *key].amount, is_new=False)
    has_it = coupon.status == "reserved" and coupon.reservation == command.reservation
    if coupon.status != "issued" and not has_it:
        return not_free(coupon)
    others = beside(books, command.code, command.reservation, key)
    found = judge(terms_of(coupon), NOTHING, command.basket, others)
    if found.refused is not None:
        return refuse(found.refused)
    customer_id = command.basket.customer_id if command.basket else None
    reprice(books, key, found.beside)
    use_coupon(books, coupon, Use(command.code, *key, "unknown", books.now, customer_id, found.worth))
    return _answer(books, coupon, worth=found.worth)


def use_coupon(books: Books, coupon: Coupon, use: Use) -> None:
    """Let a purchase have a coupon that is free, or note that it named one which is not."""
    if _is_taken_by(coupon, use.shop_id, use.invoice_number):
        use.status = "redeemed"
    elif coupon.status in {"issued", "reserved"}:
        use.status = "redeemed"
        coupon.shop_id, coupon.invoice_number = use.shop_id, use.invoice_number
        _end(books, coupon, "redeemed", None)
    else:
        use.status, use.reason = "conflict", f"coupon-{coupon.status}"
    books.keep_use(use)


def free_coupon(books: Books, coupon: Coupon, use: Use) -> None:
    """Give a coupon back whose purchase was taken back as a whole, where the programme does; unless its own time is over."""
    if not books.programme.coupons.full_refund_frees:
        books.keep_used(use)
        return
    use.status = "freed"
    books.keep_use(use)
    if _is_taken_by(coupon, use.shop_id, use.invoice_number):
        coupon.shop_id = coupon.invoice_number = coupon.ended_at = None
        _free(books, coupon)
        lapse(books, coupon)


def _is_taken_by(coupon: Coupon, shop_id: str, invoice_number: str) -> bool:
    return coupon.status == "redeemed" and (coupon.shop_id, coupon.invoice_number) == (shop_id, invoice_number)


def _free(books: Books, coupon: Coupon) -> None:
    coupon.status, coupon.reservation, coupon.reserved_until = "issued", None, None
    books.keep(coupon)


def _end(books: Books, coupon: Coupon, status: Literal["redeemed", "voided", "expired"], reason: str | None) -> None:
    coupon.status, coupon.ended_at, coupon.reason = status, books.now, reason
    coupon.reservation = coupon.reserved_until = None
    books.keep(coupon)
    drop(books, coupon.customer_id, "coupon_expiring", coupon.coupon_id, f"coupon-{status}")
    if coupon.code is None:
        return
    claim = {"claim_id": coupon.coupon_id} if coupon.origin == "reward" else {}
    place = (
        {} if coupon.invoice_number is None else {"shop_id": coupon.shop_id, "invoice_number": coupon.invoice_number}
    )
    data = {"coupon_id": coupon.coupon_id, "code": coupon.code, **claim, **place}
    emit(books, coupon.customer_id, f"coupon.{status}", data)


def unknown(code: str) -> Outcome:
    return refused("code-unknown", f"there is no coupon {code}")


def not_free(coupon: Coupon) -> Outcome:
    if coupon.status == "reserved":
        return refused("coupon-reserved", "another basket has it", until=coupon.reserved_until)
    return refused(f"coupon-{coupon.status}", ENDED[coupon.status])


def _answer(books: Books, coupon: Coupon, *, is_new: bool = True, worth: Decimal | None = None) -> Outcome:
    # as it is now, whatever the same batch makes of it
    return Outcome("booked" if is_new else "repeated", coupon=replace(coupon), worth=worth, now=books.now)
