"""Coupons over REST: issued by hand, and checked, reserved, redeemed and released at tills; it decides nothing."""

import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, get_args

import orjson
from fastapi import APIRouter, Query, Response
from fastapi import Request as HttpRequest

from services.notifications import queries
from services.notifications.answers import basket_view, coupon_view, money, render_coupon, use_view
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
    UsePage,
    Voiding,
)
from services.notifications.records import Coupon, SharedCode, UseStatus
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
ZERO, NOT_FOUND = Decimal(0), 404


def guessing(http: HttpRequest) -> Callable[[], None]:
    """Refuse whoever guessed too often; answers what counts another guess of theirs."""
    guesses: Guesses = http.app.state.guesses
    name = caller(http).name
    guesses.refuse(name)
    return partial(guesses.count, name)


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
    found = await known(http, code)
    now = service_of(http).clock()
    return as_json(coupon_view(found, now) if isinstance(found, Coupon) else basket_view(found, now))


@router.get(
    "/coupons/{code:segment}/uses",
    response_model=UsePage,
    openapi_extra=READ,
    summary="The purchases that named it, and what became of each",
    responses=problem_responses(UNKNOWN | {422: ["cursor-invalid"]}),
)
async def list_uses(
    http: HttpRequest, code: Segment, status: UseStatus | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    shop, invoice = decode_cursor(cursor, str, str) if cursor else ("", "")
    name = (await known(http, code)).code or ""
    async with service_of(http).engine.connect() as connection:
        found = await queries.uses(connection, name, status, after=(shop, invoice), limit=limit + 1)
    return page([use_view(each) for each in found], limit, "shop_id", "invoice_number")


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
    found = await known(http, code)
    if isinstance(found, SharedCode):
        raise ProblemError(409, "code-shared", f"{found.code} is a code for everybody; it is ended, for all of them")
    command = VoidCoupon(found.coupon_id, found.customer_id, found.origin, why.reason)
    return await ask(http, command, render_coupon, key)


async def known(http: HttpRequest, text: str) -> Coupon | SharedCode:
    """Return what a caller names; what does not exist was a guess, since a word that a shop chose can be any."""
    guessed, code = guessing(http), spelled(text)
    async with service_of(http).engine.connect() as connection:
        found = await queries.coupon(connection, code)
        shared = None if found else await queries.shared_code(connection, code, service_of(http).clock())
    if (coupon := found or shared) is None:
        guessed()
        raise ProblemError(404, "code-unknown", f"there is no coupon {text}")
    return coupon


async def _checked(http: HttpRequest, codes: Sequence[str], asked: Check) -> list[Checked]:
    guessed, now = guessing(http), service_of(http).clock()
    names = list(dict.fromkeys(map(spelled, codes)))
    async with service_of(http).engine.connect() as connection:
        found = await checked(connection, names, asked.plain(), reservation=asked.reservation, now=now)
    for each in found:
        if each.reason == "code-unknown":
            guessed()
    return found


def _check_view(found: Checked) -> dict[str, Any]:
    worth = None if found.worth is None else money(found.worth)
    shown = None if found.coupon is None else found.coupon | {"worth": worth}
    return {"usable": found.reason is None, "reason": found.reason, "worth": worth, "coupon": shown}


async def _at_till(
    http: HttpRequest, command: ReserveCoupon | RedeemCoupon | ReleaseCoupon, key: str | None
) -> Response:
    guessed = guessing(http)
    answer = await ask(http, command, render_coupon, key)
    if answer.status_code == NOT_FOUND:
        guessed()
    return answer
