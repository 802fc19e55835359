"""Outcomes as HTTP answers: the JSON that is sent, and stored where the request has a key."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import orjson

from services.notifications.commands import Outcome
from services.notifications.records import Coupon
from shared.errors import MEDIA_TYPE, InvalidField, problem
from shared.requests import Answer

REFUSALS = {
    "address-unknown": 404,
    "code-taken": 409,
    "code-unknown": 404,
    "coupon-expired": 409,
    "coupon-redeemed": 409,
    "coupon-reserved": 409,
    "coupon-voided": 409,
    "consent-ahead": 422,
    "customer-erased": 410,
}
"""The HTTP status of each refusal by the rules."""


def refusal(outcome: Outcome) -> Answer:
    code, detail = outcome.code or "", outcome.detail or ""
    fields = [InvalidField(pointer=outcome.pointer, code=code, detail=detail)] if outcome.pointer else []
    status = REFUSALS[code]
    return Answer(status, problem(status, code, detail, fields, **outcome.more).body(), MEDIA_TYPE)


def render_coupon(outcomes: Sequence[Outcome]) -> Answer:
    (outcome,) = outcomes
    if outcome.coupon is None or outcome.now is None:
        return refusal(outcome)
    body = orjson.dumps(coupon_view(outcome.coupon, outcome.now), option=orjson.OPT_UTC_Z)
    return Answer(201 if outcome.is_new else 200, body)


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
        "issued_at": coupon.issued_at,
        "valid_until": coupon.valid_until,
        "reserved_until": held,
        "shop_id": coupon.shop_id,
        "invoice_number": coupon.invoice_number,
        "ended_at": coupon.ended_at if status == coupon.status else coupon.valid_until,
        "reason": coupon.reason,
    }
