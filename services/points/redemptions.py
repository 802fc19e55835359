"""Spending points over REST: at once, or held, captured and let go; and given back."""

import datetime as dt
import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi import Request as HttpRequest

from services.points import queries
from services.points.answers import balance_view, redemption_view, render_redemption, render_settlement
from services.points.commands import CaptureHold, Redeem, ReleaseHold, ReverseRedemption, SettlePurchase
from services.points.records import Redemption
from services.points.routes import service_of
from services.points.schemas import (
    Capture,
    RedemptionPage,
    RedemptionView,
    Reversal,
    SettlementAnswer,
    SettlementRequest,
    Spending,
)
from shared.asking import Cursor, Limit, RequiredKey, Segment, as_json, ask, page
from shared.auth import Guarded, needs
from shared.contracts.values import CustomerId
from shared.errors import ProblemError, problem_responses
from shared.http import decode_cursor

router = APIRouter(prefix="/v1", route_class=Guarded, tags=["redemptions"])

READ, WRITE = needs("redemptions:read"), needs("redemptions:write")
REUSED = "idempotency-key-reused"
UNKNOWN: dict[int, list[str]] = {404: ["redemption-unknown"]}
DONE_BEFORE: dict[int | str, dict[str, Any]] = {200: {"model": RedemptionView, "description": "it was so already"}}


@router.post(
    "/redemptions",
    response_model=RedemptionView,
    status_code=201,
    openapi_extra=WRITE,
    summary="Spend points, at once or as a hold with a time limit",
    responses=problem_responses(
        {404: ["account-unknown"], 409: ["insufficient-points", "account-blocked", "account-closed", REUSED]}
    ),
)
async def redeem(http: HttpRequest, asked: Spending, key: RequiredKey) -> Response:
    command = Redeem(
        str(uuid.uuid4()),
        asked.customer_id,
        asked.points,
        service_of(http).clock(),
        asked.hold_seconds,
        asked.shop_id,
        asked.invoice_number,
    )
    return await ask(http, command, render_redemption, key)


@router.post(
    "/redemptions/{redemption_id:segment}/capture",
    response_model=RedemptionView,
    status_code=201,
    openapi_extra=WRITE,
    summary="Spend what is held, or a part of it",
    responses={
        200: {"model": RedemptionView, "description": "the purchase that it paid for has captured it"},
        **problem_responses(UNKNOWN | {409: ["capture-exceeds-hold", "redemption-not-held", REUSED]}),
    },
)
async def capture(http: HttpRequest, redemption_id: Segment, asked: Capture, key: RequiredKey) -> Response:
    return await ask(http, CaptureHold(redemption_id, asked.points, asked.final), render_redemption, key)


@router.post(
    "/redemptions/{redemption_id:segment}/release",
    response_model=RedemptionView,
    status_code=201,
    openapi_extra=WRITE,
    summary="Let go what is held",
    responses={**DONE_BEFORE, **problem_responses(UNKNOWN | {409: ["redemption-not-held", REUSED]})},
)
async def release(http: HttpRequest, redemption_id: Segment, key: RequiredKey) -> Response:
    return await ask(http, ReleaseHold(redemption_id), render_redemption, key)


@router.post(
    "/redemptions/{redemption_id:segment}/reverse",
    response_model=RedemptionView,
    status_code=201,
    openapi_extra=WRITE,
    summary="Give spent points back, to the lots they came from",
    responses=problem_responses(
        UNKNOWN | {409: ["reversal-exceeds-redemption", "redemption-paid-purchase", "redemption-for-reward", REUSED]}
    ),
)
async def reverse(http: HttpRequest, redemption_id: Segment, asked: Reversal, key: RequiredKey) -> Response:
    return await ask(http, ReverseRedemption(redemption_id, asked.points, asked.reason), render_redemption, key)


@router.post(
    "/purchases/{shop_id:segment}/{invoice_number:segment}/settlements",
    response_model=SettlementAnswer,
    status_code=201,
    openapi_extra=WRITE,
    summary="Pay a past purchase with points; the shop gives the money back",
    responses=problem_responses(
        {
            404: ["purchase-unknown"],
            409: [
                "insufficient-points",
                "settlement-exceeds-purchase",
                "points-do-not-pay",
                "purchase-unclaimed",
                "account-blocked",
                "account-closed",
                REUSED,
            ],
            422: ["points-do-not-fit"],
        }
    ),
)
async def settle_purchase(
    http: HttpRequest, shop_id: Segment, invoice_number: Segment, asked: SettlementRequest, key: RequiredKey
) -> Response:
    now = service_of(http).clock()
    command = SettlePurchase(str(uuid.uuid4()), shop_id, invoice_number, asked.points, now)
    return await ask(http, command, render_settlement, key)


@router.get(
    "/redemptions/{redemption_id:segment}",
    response_model=RedemptionView,
    openapi_extra=READ,
    summary="A redemption as it stands",
    responses=problem_responses(UNKNOWN),
)
async def get_redemption(http: HttpRequest, redemption_id: Segment) -> Response:
    points = service_of(http)
    async with points.engine.connect() as connection:
        found = await queries.redemption(connection, redemption_id)
    if found is None:
        raise ProblemError(404, "redemption-unknown", f"there is no redemption {redemption_id}")
    account = await points.account(found.customer_id)
    view = redemption_view(_as_of(found, points.clock()))
    return as_json(view | {"balance": account["balance"] if account else balance_view(None)})


@router.get(
    "/redemptions",
    response_model=RedemptionPage,
    openapi_extra=READ,
    summary="A customer's redemptions, the newest first",
    responses=problem_responses({422: ["cursor-invalid"]}),
)
async def list_redemptions(
    http: HttpRequest, customer_id: Annotated[CustomerId, Query()], limit: Limit = 50, cursor: Cursor = None
) -> Response:
    points = service_of(http)
    before = decode_cursor(cursor, int)[0] if cursor else queries.LAST
    async with points.engine.connect() as connection:
        found = await queries.redemptions(connection, customer_id, before=before, limit=limit + 1)
    rows = [redemption_view(_as_of(each, points.clock())) | {"sequence": each.sequence} for each in found]
    return page(rows, limit, "sequence")


def _as_of(redemption: Redemption, now: dt.datetime) -> Redemption:
    """Show a hold whose time is over as what it is, though nobody has settled it yet."""
    if redemption.held and redemption.hold_until is not None and redemption.hold_until <= now:
        redemption.held, redemption.status = 0, "captured" if redemption.captured else "timed_out"
    return redemption
