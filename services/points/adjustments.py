"""Points without a purchase over REST: by hand, with a second key above a limit, and for what customers did."""

import uuid
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from fastapi import Request as HttpRequest

from services.points import queries
from services.points.answers import adjustment_view, render_action, render_adjustment
from services.points.commands import AdjustBalance, ApproveAdjustment, GiveAction, RejectAdjustment
from services.points.routes import service_of
from services.points.schemas import ActionDone, ActionView, Adjustment, AdjustmentPage, AdjustmentView, Reason
from shared.asking import Cursor, KeyHeader, Limit, RequiredKey, Segment, as_json, ask, page
from shared.auth import Guarded, caller, needs
from shared.errors import ProblemError, field_error, problem_responses
from shared.http import decode_cursor

router = APIRouter(prefix="/v1", route_class=Guarded, tags=["adjustments"])

READ, WRITE, APPROVE = needs("adjustments:read"), needs("adjustments:write"), needs("adjustments:approve")
REUSED = "idempotency-key-reused"
UNKNOWN: dict[int, list[str]] = {404: ["adjustment-unknown"]}
DECIDED: dict[int | str, dict[str, Any]] = {200: {"model": AdjustmentView, "description": "it was so already"}}

Wanted = Annotated[Literal["booked", "awaits_approval", "rejected"] | None, Query()]


@router.post(
    "/adjustments",
    response_model=AdjustmentView,
    status_code=201,
    openapi_extra=WRITE,
    summary="Points by hand, with a reason; above what the key may give in a day they wait for another key",
    responses=problem_responses(
        {
            404: ["account-unknown"],
            409: ["insufficient-points", "account-closed", REUSED],
            422: ["points-zero", "debit-expires", "debit-no-correction", "expires-in-past"],
        }
    ),
)
async def adjust(http: HttpRequest, adjustment: Adjustment, key: RequiredKey) -> Response:
    _refuse_what_makes_no_sense(adjustment)
    command = AdjustBalance(
        adjustment_id=str(uuid.uuid4()),
        customer_id=adjustment.customer_id,
        points=adjustment.points,
        reason=adjustment.reason,
        actor=caller(http).name,
        occurred_at=service_of(http).clock(),
        note=adjustment.note,
        allow_debt=adjustment.allow_debt,
        kind=adjustment.kind,
        expires_on=adjustment.expires_on,
    )
    return await ask(http, command, render_adjustment, key)


def _refuse_what_makes_no_sense(adjustment: Adjustment) -> None:
    if not adjustment.points:
        raise field_error("/points", "points-zero", "an adjustment of 0 points changes nothing")
    if adjustment.points < 0 and adjustment.kind != "correction":
        raise field_error(
            "/kind", "debit-no-correction", f"{adjustment.kind} gives points: only a correction takes them"
        )
    if adjustment.points < 0 and adjustment.expires_on is not None:
        raise field_error("/expires_on", "debit-expires", "points that are taken do not end")


@router.post(
    "/adjustments/{adjustment_id:segment}/approve",
    response_model=AdjustmentView,
    status_code=201,
    openapi_extra=APPROVE,
    summary="Book what another key proposed",
    responses={
        **DECIDED,
        **problem_responses(
            UNKNOWN
            | {
                403: ["approval-of-own"],
                409: ["adjustment-decided", "account-closed", REUSED],
                422: ["expires-in-past"],
            }
        ),
    },
)
async def approve(http: HttpRequest, adjustment_id: Segment, key: RequiredKey) -> Response:
    return await ask(http, ApproveAdjustment(adjustment_id, caller(http).name), render_adjustment, key)


@router.post(
    "/adjustments/{adjustment_id:segment}/reject",
    response_model=AdjustmentView,
    status_code=201,
    openapi_extra=APPROVE,
    summary="Let a proposal fall, another key's or one's own",
    responses={**DECIDED, **problem_responses(UNKNOWN | {409: ["adjustment-decided", REUSED]})},
)
async def reject(http: HttpRequest, adjustment_id: Segment, asked: Reason, key: RequiredKey) -> Response:
    command = RejectAdjustment(adjustment_id, caller(http).name, asked.reason)
    return await ask(http, command, render_adjustment, key)


@router.get(
    "/adjustments/{adjustment_id:segment}",
    response_model=AdjustmentView,
    openapi_extra=READ,
    summary="Points by hand as they stand",
    responses=problem_responses(UNKNOWN),
)
async def get_adjustment(http: HttpRequest, adjustment_id: Segment) -> Response:
    points = service_of(http)
    async with points.engine.connect() as connection:
        found = await queries.adjustment(connection, adjustment_id)
    if found is None:
        raise ProblemError(404, "adjustment-unknown", f"there is no adjustment {adjustment_id}")
    account = await points.account(found.customer_id)
    return as_json(adjustment_view(found) | {"balance": account["balance"] if account else None})


@router.get(
    "/adjustments",
    response_model=AdjustmentPage,
    openapi_extra=READ,
    summary="Points by hand, the newest first; of one state, such as those that wait for approval",
    responses=problem_responses({422: ["cursor-invalid"]}),
)
async def list_adjustments(
    http: HttpRequest, status: Wanted = None, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    at, adjustment_id = decode_cursor(cursor, str, str) if cursor else queries.NEWEST
    async with service_of(http).engine.connect() as connection:
        found = await queries.adjustments(connection, status, before=(at, adjustment_id), limit=limit + 1)
    rows = [adjustment_view(each) | {"created_at": f"{each.created_at:%Y-%m-%dT%H:%M:%S.%fZ}"} for each in found]
    return page(rows, limit, "created_at", "adjustment_id")


@router.post(
    "/accounts/{customer_id:segment}/actions",
    response_model=ActionView,
    status_code=201,
    openapi_extra=WRITE,
    summary="Points for what a customer did, once for ever: a repeat is answered with what was given then",
    responses={
        200: {"model": ActionView, "description": "given before"},
        **problem_responses(
            {
                404: ["account-unknown"],
                409: ["action-closed", "account-blocked", "account-closed", REUSED],
                422: ["action-unknown"],
            }
        ),
    },
)
async def give_action(http: HttpRequest, customer_id: Segment, done: ActionDone, key: KeyHeader = None) -> Response:
    command = GiveAction(customer_id, done.action, service_of(http).clock(), done.reference)
    return await ask(http, command, render_action, key)
