"""Codes for everybody over REST: made, looked at and ended by staff."""

import orjson
from fastapi import APIRouter, Response
from fastapi import Request as HttpRequest

from services.notifications import queries
from services.notifications.answers import render_shared, shared_view
from services.notifications.asking import REUSED, service_of
from services.notifications.commands import CreateShared, EndShared
from services.notifications.coupons.routes import ISSUE, READ, UNKNOWN, known
from services.notifications.coupons.schemas import SharedDraft, SharedEnd, SharedPage, SharedView
from services.notifications.records import Coupon
from services.notifications.rules.coupons import draw, spelled
from shared.asking import Cursor, KeyHeader, Limit, RequiredKey, Segment, as_json, ask, page
from shared.auth import Guarded
from shared.contracts.coupons import MoneyVoucher
from shared.errors import ProblemError, field_error, problem_responses
from shared.http import decode_cursor

router = APIRouter(prefix="/v1", route_class=Guarded, tags=["shared codes"])


@router.post(
    "/coupons/shared",
    response_model=SharedView,
    status_code=201,
    openapi_extra=ISSUE,
    summary="Make a code for everybody, with a budget",
    responses=problem_responses({409: ["code-taken", REUSED], 422: ["currency-differs", "validity-empty"]}),
)
async def create_shared(http: HttpRequest, asked: SharedDraft, key: RequiredKey) -> Response:
    _refuse_unfit(asked)
    budget, most = asked.budget, asked.budget.money
    command = CreateShared(
        asked.code or draw(asked.code_prefix),
        asked.value.model_dump_json(),
        orjson.dumps(asked.titles).decode(),
        orjson.dumps(asked.categories).decode(),
        asked.stacks,
        asked.refund_frees,
        budget.uses,
        None if most is None else most.amount,
        None if most is None else most.currency,
        budget.per_customer,
        asked.valid_from,
        asked.valid_until,
    )
    return await ask(http, command, render_shared, key)


@router.get(
    "/coupons/shared",
    response_model=SharedPage,
    openapi_extra=READ,
    summary="All codes for everybody, by the code",
    responses=problem_responses({422: ["cursor-invalid"]}),
)
async def list_shared(http: HttpRequest, limit: Limit = 50, cursor: Cursor = None) -> Response:
    after, now = decode_cursor(cursor, str)[0] if cursor else "", service_of(http).clock()
    async with service_of(http).engine.connect() as connection:
        found = await queries.shared_codes(connection, now, after=after, limit=limit + 1)
    return page([shared_view(each, now) for each in found], limit, "code")


@router.get(
    "/coupons/shared/{shared_code:segment}",
    response_model=SharedView,
    openapi_extra=READ,
    summary="A code for everybody, and what of its budget is used",
    responses=problem_responses(UNKNOWN),
)
async def get_shared(http: HttpRequest, shared_code: Segment) -> Response:
    found = await known(http, shared_code)
    if isinstance(found, Coupon):
        raise ProblemError(404, "code-unknown", f"{found.code} is a coupon of one customer")
    return as_json(shared_view(found, service_of(http).clock()))


@router.post(
    "/coupons/shared/{shared_code:segment}/end",
    response_model=SharedView,
    status_code=201,
    openapi_extra=ISSUE,
    summary="Let nobody use it any more, except baskets that keep it",
    responses={
        200: {"model": SharedView, "description": "it had been ended before"},
        **problem_responses({404: ["code-unknown"], 409: [REUSED]}),
    },
)
async def end_shared(http: HttpRequest, shared_code: Segment, why: SharedEnd, key: KeyHeader = None) -> Response:
    return await ask(http, EndShared(spelled(shared_code), why.reason), render_shared, key)


def _refuse_unfit(asked: SharedDraft) -> None:
    if asked.valid_from and asked.valid_until and asked.valid_until <= asked.valid_from:
        raise field_error("/valid_until", "validity-empty", "it ends before it begins")
    most = asked.budget.money
    if most and isinstance(asked.value, MoneyVoucher) and most.currency != asked.value.currency:
        detail = f"the budget is in {most.currency}, the voucher in {asked.value.currency}"
        raise field_error("/budget/money/currency", "currency-differs", detail)
