"""Coupons over REST: issued by hand, and checked, reserved, redeemed and released at tills; it decides nothing."""

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Annotated, Any, get_args

import orjson
from fastapi import APIRouter, Query, Response, status
from fastapi import Request as HttpRequest

from services.notifications import queries
from services.notifications.answers import basket_view, coupon_view, money, render_coupon
from services.notifications.asking import REUSED, service_of
from services.notifications.commands import (
    IssueCoupon,
    RedeemCoupon,
    ReleaseCoupon,
    ReserveCoupon,
    VoidCoupon,
)
from services.notifications.coupons.checking import Checked, checked
from services.notifications.coupons.schemas import (
    Check,
    CheckAnswer,
    CheckMany,
    ChecksAnswer,
    CouponIssue,
    CouponPage,
    CouponView,
    Redemption,
    Release,
    Reservation,
    Voiding,
)
from services.notifications.records import Coupon, SharedCode
from services.notifications.rules.coupons import Reason, draw, spelled
from shared.asking import Cursor, KeyHeader, Limit, RequiredKey, Segment, as_json, ask, page
from shared.auth import Guarded, caller, needs
from shared.contracts.values import CustomerId
from shared.errors import ProblemError, problem_responses
from shared.guessing import Guesses
from shared.http import decode_cursor

router = APIRouter(prefix="/v1", route_class=Guarded, tags=["coupons"])

READ, WRITE, ISSUE = needs("coupons:read"), needs("coupons:write"), needs("coupons:issue")
NOT_FREE = [*get_args(Reason), REUSED]
GUESSED: dict[int, list[str]] = {429: ["guesses-too-many"]}
UNKNOWN: dict[int, list[str]] = {404: ["code-unknown"], **GUESSED}
ZERO = Decimal(0)


def guesses_of(http: HttpRequest) -> Guesses:
    guesses: Guesses = http.app.state.guesses
    return guesses


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
        categories=orjson.dumps(terms.categories).decode(),
        stacks=terms.stacks,
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
    responses=problem_responses(UNKNOWN),
)
async def get_coupon(http: HttpRequest, code: Segment) -> Response:
    async with looking_up(http):
        found = await _found(http, code)
    now = service_of(http).clock()
    return as_json(coupon_view(found, now) if isinstance(found, Coupon) else basket_view(found, now))


@router.post(
    "/coupons/check",
    response_model=ChecksAnswer,
    openapi_extra=READ,
    summary="What each of several codes takes off a basket that they are used for together, or why not; changes nothing",
    responses=problem_responses(GUESSED),
)
async def check_many(http: HttpRequest, asked: CheckMany) -> Response:
    found = await _checked(http, asked.codes, asked)
    worths = [each.worth for each in found if each.worth is not None]
    total = None if asked.basket is None else money(sum(worths, ZERO))
    return as_json({"data": [{"code": each.code, **_check_view(each)} for each in found], "worth": total})


@router.post(
    "/coupons/{code:segment}/check",
    response_model=CheckAnswer,
    openapi_extra=READ,
    summary="Whether it can be used for a basket, what it takes off, or why not; changes nothing",
    responses=problem_responses(GUESSED),
)
async def check(http: HttpRequest, code: Segment, asked: Check) -> Response:
    (found,) = await _checked(http, [code], asked)
    return as_json(_check_view(found))


@router.post(
    "/coupons/{code:segment}/reserve",
    response_model=CouponView,
    status_code=201,
    openapi_extra=WRITE,
    summary="Keep it for a basket, with a time limit",
    responses={
        200: {"model": CouponView, "description": "the basket has it already"},
        **problem_responses(UNKNOWN | {409: NOT_FREE}),
    },
)
async def reserve(http: HttpRequest, code: Segment, asked: Reservation, key: KeyHeader = None) -> Response:
    command = ReserveCoupon(spelled(code), asked.reservation, asked.seconds, asked.plain())
    return await _at_till(http, command, key)


@router.post(
    "/coupons/{code:segment}/redeem",
    response_model=CouponView,
    status_code=201,
    openapi_extra=WRITE,
    summary="Take it for a purchase, once however many tills try",
    responses={
        200: {"model": CouponView, "description": "this purchase has it already"},
        **problem_responses(UNKNOWN | {409: ["purchase-refunded", *NOT_FREE]}),
    },
)
async def redeem(http: HttpRequest, code: Segment, asked: Redemption, key: KeyHeader = None) -> Response:
    command = RedeemCoupon(spelled(code), asked.shop_id, asked.invoice_number, asked.reservation, asked.plain())
    return await _at_till(http, command, key)


@router.post(
    "/coupons/{code:segment}/release",
    response_model=CouponView,
    status_code=201,
    openapi_extra=WRITE,
    summary="Give it back that a basket has: the payment failed",
    responses={
        200: {"model": CouponView, "description": "no basket has it"},
        **problem_responses(UNKNOWN | {409: ["coupon-reserved", REUSED]}),
    },
)
async def release(http: HttpRequest, code: Segment, asked: Release, key: KeyHeader = None) -> Response:
    return await _at_till(http, ReleaseCoupon(spelled(code), asked.reservation), key)


@router.post(
    "/coupons/{code:segment}/void",
    response_model=CouponView,
    status_code=201,
    openapi_extra=ISSUE,
    summary="Take it back, unless a till has taken it",
    responses={
        200: {"model": CouponView, "description": "it had ended before"},
        **problem_responses(UNKNOWN | {409: ["code-shared", REUSED]}),
    },
)
async def void(http: HttpRequest, code: Segment, why: Voiding, key: KeyHeader = None) -> Response:
    async with looking_up(http):
        found = await _found(http, code)
    if isinstance(found, SharedCode):
        raise ProblemError(409, "code-shared", f"{found.code} is a code for everybody; it is ended, for all of them")
    command = VoidCoupon(found.coupon_id, found.customer_id, found.origin, why.reason)
    return await ask(http, command, render_coupon, key)


async def _found(http: HttpRequest, code: str) -> Coupon | SharedCode:
    async with service_of(http).engine.connect() as connection:
        found = await queries.coupon(connection, spelled(code))
        if found is not None:
            return found
        shared = await queries.shared_code(connection, spelled(code), service_of(http).clock())
    if shared is None:
        raise ProblemError(404, "code-unknown", f"there is no coupon {code}")
    return shared


async def _checked(http: HttpRequest, codes: Sequence[str], asked: Check) -> list[Checked]:
    guesses, name = guesses_of(http), caller(http).name
    guesses.refuse(name)
    async with service_of(http).engine.connect() as connection:
        found = await checked(
            connection,
            list(dict.fromkeys(map(spelled, codes))),
            asked.plain(),
            reservation=asked.reservation,
            now=service_of(http).clock(),
        )
    for each in found:
        if each.reason == "code-unknown":
            guesses.count(name)
    return found


def _check_view(found: Checked) -> dict[str, Any]:
    worth = None if found.worth is None else money(found.worth)
    shown = None if found.coupon is None else found.coupon | {"worth": worth}
    return {"usable": found.reason is None, "reason": found.reason, "worth": worth, "coupon": shown}


async def _at_till(
    http: HttpRequest, command: ReserveCoupon | RedeemCoupon | ReleaseCoupon, key: str | None
) -> Response:
    guesses, name = guesses_of(http), caller(http).name
    guesses.refuse(name)
    answer = await ask(http, command, render_coupon, key)
    if answer.status_code == status.HTTP_404_NOT_FOUND:
        guesses.count(name)
    return answer


@asynccontextmanager
async def looking_up(http: HttpRequest) -> AsyncIterator[None]:
    """Count a code that is not there as a guess, and refuse whoever guessed too often."""
    guesses, name = guesses_of(http), caller(http).name
    guesses.refuse(name)
    try:
        yield
    except ProblemError as error:
        if error.status_code == status.HTTP_404_NOT_FOUND:
            guesses.count(name)
        raise
