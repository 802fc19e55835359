"""Coupons over REST: issued by hand, and checked, reserved, redeemed and released at tills; it decides nothing."""

import uuid
from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Response
from fastapi import Request as HttpRequest

from services.notifications import queries
from services.notifications.answers import coupon_view, render_coupon
from services.notifications.commands import (
    IssueCoupon,
    RedeemCoupon,
    ReleaseCoupon,
    ReserveCoupon,
    VoidCoupon,
)
from services.notifications.records import Coupon
from services.notifications.rules.baskets import why_not
from services.notifications.rules.coupons import draw
from services.notifications.schemas import (
    Check,
    CheckAnswer,
    CouponIssue,
    CouponPage,
    CouponView,
    Redemption,
    Release,
    Reservation,
    Voiding,
)
from services.notifications.service import NotificationsService
from shared import codes
from shared.asking import Cursor, KeyHeader, Limit, RequiredKey, Segment, as_json, ask, page
from shared.auth import Guarded, needs
from shared.contracts.values import CustomerId
from shared.errors import ProblemError, problem_responses
from shared.http import decode_cursor

router = APIRouter(prefix="/v1", route_class=Guarded, tags=["coupons"])

READ, WRITE, ISSUE = needs("coupons:read"), needs("coupons:write"), needs("coupons:issue")
REUSED = "idempotency-key-reused"
NOT_FREE = ["coupon-expired", "coupon-redeemed", "coupon-reserved", "coupon-voided", REUSED]


def service_of(http: HttpRequest) -> NotificationsService:
    notifications: NotificationsService = http.app.state.service
    return notifications


@router.post(
    "/coupons",
    response_model=CouponView,
    status_code=201,
    openapi_extra=ISSUE,
    summary="Issue a coupon by hand",
    responses=problem_responses({409: ["code-taken", REUSED]}),
)
async def issue(http: HttpRequest, asked: CouponIssue, key: RequiredKey) -> Response:
    terms = asked.terms
    command = IssueCoupon(
        str(uuid.uuid4()),
        asked.customer_id,
        "hand",
        draw(terms.code_prefix),
        terms.value.model_dump_json(),
        orjson.dumps(terms.titles).decode(),
        terms.valid_days,
    )
    return await ask(http, command, render_coupon, key)


@router.get("/coupons", response_model=CouponPage, openapi_extra=READ, summary="A customer's coupons")
async def list_coupons(
    http: HttpRequest, customer_id: Annotated[CustomerId, Query()], limit: Limit = 50, cursor: Cursor = None
) -> Response:
    after = decode_cursor(cursor, str)[0] if cursor else ""
    async with service_of(http).engine.connect() as connection:
        found = await queries.coupons(connection, customer_id, after=after, limit=limit + 1)
    now = service_of(http).clock()
    return page([coupon_view(each, now) for each in found], limit, "coupon_id")


@router.get(
    "/coupons/{code:segment}",
    response_model=CouponView,
    openapi_extra=READ,
    summary="A coupon by its code, however it is spelled",
    responses=problem_responses({404: ["code-unknown"]}),
)
async def get_coupon(http: HttpRequest, code: Segment) -> Response:
    found = await _coupon(http, code)
    if found is None:
        raise ProblemError(404, "code-unknown", f"there is no coupon {code}")
    return as_json(coupon_view(found, service_of(http).clock()))


@router.post(
    "/coupons/{code:segment}/check",
    response_model=CheckAnswer,
    openapi_extra=READ,
    summary="Whether it can be used for a basket, and why not; changes nothing",
    responses=problem_responses(),
)
async def check(http: HttpRequest, code: Segment, basket: Check) -> Response:
    found, now = await _coupon(http, code), service_of(http).clock()
    if found is None:
        return as_json({"usable": False, "reason": "code-unknown", "coupon": None})
    shown = coupon_view(found, now)
    has_it = basket.reservation is not None and found.reservation == basket.reservation
    value = shown["value"] or {}
    reason = why_not(shown["status"], value, total=basket.total, currency=basket.currency, has_it=has_it)
    return as_json({"usable": reason is None, "reason": reason, "coupon": shown})


@router.post(
    "/coupons/{code:segment}/reserve",
    response_model=CouponView,
    status_code=201,
    openapi_extra=WRITE,
    summary="Keep it for a basket, with a time limit",
    responses={
        200: {"model": CouponView, "description": "the basket has it already"},
        **problem_responses({404: ["code-unknown"], 409: NOT_FREE}),
    },
)
async def reserve(http: HttpRequest, code: Segment, asked: Reservation, key: KeyHeader = None) -> Response:
    return await ask(http, ReserveCoupon(_spelled(code), asked.reservation, asked.seconds), render_coupon, key)


@router.post(
    "/coupons/{code:segment}/redeem",
    response_model=CouponView,
    status_code=201,
    openapi_extra=WRITE,
    summary="Take it for a purchase, once however many tills try",
    responses={
        200: {"model": CouponView, "description": "this purchase has it already"},
        **problem_responses({404: ["code-unknown"], 409: NOT_FREE}),
    },
)
async def redeem(http: HttpRequest, code: Segment, asked: Redemption, key: KeyHeader = None) -> Response:
    command = RedeemCoupon(_spelled(code), asked.shop_id, asked.invoice_number, asked.reservation)
    return await ask(http, command, render_coupon, key)


@router.post(
    "/coupons/{code:segment}/release",
    response_model=CouponView,
    status_code=201,
    openapi_extra=WRITE,
    summary="Give it back that a basket has: the payment failed",
    responses={
        200: {"model": CouponView, "description": "no basket has it"},
        **problem_responses({404: ["code-unknown"], 409: ["coupon-reserved", REUSED]}),
    },
)
async def release(http: HttpRequest, code: Segment, asked: Release, key: KeyHeader = None) -> Response:
    return await ask(http, ReleaseCoupon(_spelled(code), asked.reservation), render_coupon, key)


@router.post(
    "/coupons/{code:segment}/void",
    response_model=CouponView,
    status_code=201,
    openapi_extra=ISSUE,
    summary="Take it back, unless a till has taken it",
    responses={
        200: {"model": CouponView, "description": "it had ended before"},
        **problem_responses({404: ["code-unknown"], 409: [REUSED]}),
    },
)
async def void(http: HttpRequest, code: Segment, why: Voiding, key: KeyHeader = None) -> Response:
    found = await _coupon(http, code)
    if found is None:
        raise ProblemError(404, "code-unknown", f"there is no coupon {code}")
    command = VoidCoupon(found.coupon_id, found.customer_id, found.origin, why.reason)
    return await ask(http, command, render_coupon, key)


async def _coupon(http: HttpRequest, code: str) -> Coupon | None:
    async with service_of(http).engine.connect() as connection:
        return await queries.coupon(connection, _spelled(code))


def _spelled(code: str) -> str:
    return codes.spelled(code) or code
