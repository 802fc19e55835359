"""Outcomes as HTTP answers: the JSON that is sent, and stored where the request has a key."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, get_args

import orjson

from services.notifications.commands import Outcome
from services.notifications.records import Coupon, Kept, Notification, SharedCode, Use
from services.notifications.rules import coupons as rules
from shared.errors import MEDIA_TYPE, InvalidField, problem
from shared.requests import Answer

CENT = Decimal("0.01")

REFUSALS = {
    "address-unknown": 404,
    "code-taken": 409,
    "code-unknown": 404,
    "birthday-in-future": 422,
    "consent-ahead": 422,
    "customer-erased": 410,
    "email-invalid": 422,
    "notification-not-failed": 409,
    "notification-unsaid": 409,
    "segment-needed": 409,
    "purchase-refunded": 409,
    "segment-unknown": 404,
    **dict.fromkeys(get_args(rules.Reason), 409),
}
"""The HTTP status of each refusal by the rules."""


def refusal(outcome: Outcome) -> Answer:
    code, detail = outcome.code or "", outcome.detail or ""
    fields = [InvalidField(pointer=outcome.pointer, code=code, detail=detail)] if outcome.pointer else []
    status = REFUSALS[code]
    return Answer(status, problem(status, code, detail, fields, **outcome.more).body(), MEDIA_TYPE)


def render_coupon(outcomes: Sequence[Outcome]) -> Answer:
    (outcome,) = outcomes
    if outcome.now is None:
        return refusal(outcome)
    if outcome.shared is not None:
        return answered(outcome, basket_view(outcome.shared, outcome.now, outcome.use, outcome.kept))
    if outcome.coupon is None:
        return refusal(outcome)
    return answered(outcome, coupon_view(outcome.coupon, outcome.now) | {"worth": _money(outcome.worth)})


def render_shared(outcomes: Sequence[Outcome]) -> Answer:
    (outcome,) = outcomes
    if outcome.shared is None or outcome.now is None:
        return refusal(outcome)
    return answered(outcome, shared_view(outcome.shared, outcome.now))


def answered(outcome: Outcome, view: dict[str, Any]) -> Answer:
    """Return what is there now as an answer: 201 where it is new, 200 where it was so already."""
    return Answer(201 if outcome.is_new else 200, orjson.dumps(view, option=orjson.OPT_UTC_Z))


def render_notification(outcomes: Sequence[Outcome]) -> Answer:
    outcome = outcomes[0]
    if outcome.notification is None:
        return refusal(outcome)
    return answered(outcome, notification_view(outcome.notification))


def notification_view(notification: Notification) -> dict[str, Any]:
    """Return a notification as answers show it."""
    return {
        "notification_id": str(notification.notification_id),
        "customer_id": notification.customer_id,
        "subject": notification.subject,
        "status": notification.status,
        "purpose": notification.purpose,
        "channel": notification.channel,
        "reason": notification.reason,
        "due_at": notification.due_at,
        "until": notification.until,
        "said_at": notification.said_at,
        "coupon_id": notification.coupon_id,
    }


def coupon_view(coupon: Coupon, now: dt.datetime) -> dict[str, Any]:
    """Return a coupon as answers show it, whether or not what time brings was booked."""
    status = coupon.status_at(now)
    held = coupon.reserved_until if status == "reserved" else None
    return {
        "coupon_id": coupon.coupon_id,
        "code": coupon.code,
        "customer_id": coupon.customer_id,
        "origin": coupon.origin,
        "status": status,
        "value": None if coupon.value is None else orjson.loads(coupon.value),
        "titles": orjson.loads(coupon.titles),
        "categories": orjson.loads(coupon.categories),
        "stacks": coupon.stacks,
        "worth": None,
        "issued_at": coupon.issued_at,
        "valid_from": None,
        "valid_until": coupon.valid_until,
        "reserved_until": held,
        "shop_id": coupon.shop_id,
        "invoice_number": coupon.invoice_number,
        "ended_at": coupon.valid_until if status == "expired" else coupon.ended_at,
        "reason": coupon.reason,
    }


TILL_STATUS = {"upcoming": "issued", "open": "issued", "ended": "voided", "expired": "expired"}
"""What tills are told of a code for everybody, in the words for personal ones."""


def basket_view(
    shared: SharedCode, now: dt.datetime, use: Use | None = None, kept: Kept | None = None
) -> dict[str, Any]:
    """Return what a basket has of a code for everybody, in the form of a coupon of its own."""
    has = use or kept
    customer_id, amount = (None, None) if has is None else (has.customer_id, has.amount)
    status = TILL_STATUS[shared.status_at(now)] if has is None else "redeemed" if use else "reserved"
    return {
        "coupon_id": None,
        "code": shared.code,
        "customer_id": customer_id,
        "origin": "shared",
        "status": status,
        **_terms(shared),
        "worth": _money(amount),
        "issued_at": shared.created_at,
        "valid_from": shared.valid_from,
        "valid_until": shared.valid_until,
        "reserved_until": kept and kept.reserved_until,
        "shop_id": use and use.shop_id,
        "invoice_number": use and use.invoice_number,
        "ended_at": use.occurred_at if use else shared.ended_at,
        "reason": shared.reason,
    }


def shared_view(shared: SharedCode, now: dt.datetime) -> dict[str, Any]:
    """Return a code for everybody as staff see it, with what of its budget is used."""
    most = shared.most_amount
    return {
        "code": shared.code,
        "status": shared.status_at(now),
        **_terms(shared),
        "refund_frees": shared.refund_frees,
        "budget": {
            "uses": shared.most_uses,
            "money": None if most is None else {"amount": money(most), "currency": shared.currency},
            "per_customer": shared.most_per_customer,
        },
        "used": {"uses": shared.uses, "amount": _money(shared.amount)},
        "created_at": shared.created_at,
        "valid_from": shared.valid_from,
        "valid_until": shared.valid_until,
        "ended_at": shared.ended_at,
        "reason": shared.reason,
    }


def _terms(shared: SharedCode) -> dict[str, Any]:
    return {
        "value": orjson.loads(shared.value),
        "titles": orjson.loads(shared.titles),
        "categories": orjson.loads(shared.categories),
        "stacks": shared.stacks,
    }


def use_view(use: Use) -> dict[str, Any]:
    """Return what became of a purchase's code."""
    return {
        "shop_id": use.shop_id,
        "invoice_number": use.invoice_number,
        "status": use.status,
        "reason": use.reason,
        "customer_id": use.customer_id,
        "worth": _money(use.amount),
        "occurred_at": use.occurred_at,
    }


def money(amount: Decimal) -> str:
    """Return an amount in cents, or in as many decimals as it has."""
    cents = amount.quantize(CENT)
    return f"{cents if cents == amount else amount.normalize():f}"


def _money(amount: Decimal | None) -> str | None:
    return None if amount is None else money(amount)
