"""Points shared over REST: gifts to other customers, and households that spend together."""

import uuid
from typing import Any

from fastapi import APIRouter, Response
from fastapi import Request as HttpRequest

from services.points import queries
from services.points.answers import render_account, render_gift
from services.points.commands import GivePoints, JoinPool, LeavePool
from services.points.routes import service_of
from services.points.schemas import AccountView, GiftAnswer, GiftRequest, PoolMember, PoolView
from shared.asking import KeyHeader, RequiredKey, Segment, as_json, ask
from shared.auth import Guarded, needs
from shared.errors import ProblemError, problem_responses

router = APIRouter(prefix="/v1", route_class=Guarded, tags=["sharing"])

REUSED = "idempotency-key-reused"
DONE_BEFORE: dict[int | str, dict[str, Any]] = {200: {"model": AccountView, "description": "it was so already"}}


@router.post(
    "/gifts",
    response_model=GiftAnswer,
    status_code=201,
    openapi_extra=needs("redemptions:write"),
    summary="Give points to another customer; they end when they would have ended",
    responses=problem_responses(
        {
            404: ["account-unknown"],
            409: ["insufficient-points", "account-blocked", "account-closed", REUSED],
            422: ["gift-to-oneself"],
        }
    ),
)
async def give(http: HttpRequest, asked: GiftRequest, key: RequiredKey) -> Response:
    now = service_of(http).clock()
    command = GivePoints(str(uuid.uuid4()), asked.customer_id, asked.to, asked.points, now, asked.note)
    return await ask(http, command, render_gift, key)


@router.post(
    "/pools",
    response_model=AccountView,
    status_code=201,
    openapi_extra=needs("accounts:write"),
    summary="Make a household of which a customer is the first member",
    responses=problem_responses({404: ["account-unknown"], 409: ["pool-left-first", REUSED]}),
)
async def make_pool(http: HttpRequest, asked: PoolMember, key: RequiredKey) -> Response:
    command = JoinPool(str(uuid.uuid4()), asked.customer_id, is_new=True)
    return await ask(http, command, render_account, key)


@router.post(
    "/pools/{pool_id:segment}/members",
    response_model=AccountView,
    status_code=201,
    openapi_extra=needs("accounts:write"),
    summary="Let a customer spend together with a household",
    responses={
        **DONE_BEFORE,
        **problem_responses({404: ["account-unknown", "pool-unknown"], 409: ["pool-left-first", "pool-full", REUSED]}),
    },
)
async def join_pool(http: HttpRequest, pool_id: Segment, asked: PoolMember, key: KeyHeader = None) -> Response:
    return await ask(http, JoinPool(pool_id, asked.customer_id), render_account, key)


@router.post(
    "/pools/{pool_id:segment}/members/{customer_id:segment}/leave",
    response_model=AccountView,
    status_code=201,
    openapi_extra=needs("accounts:write"),
    summary="Let a customer spend alone again; their points stay theirs",
    responses=problem_responses({404: ["pool-unknown"], 409: [REUSED]}),
)
async def leave_pool(http: HttpRequest, pool_id: Segment, customer_id: Segment, key: KeyHeader = None) -> Response:
    return await ask(http, LeavePool(pool_id, customer_id), render_account, key)


@router.get(
    "/pools/{pool_id:segment}",
    response_model=PoolView,
    openapi_extra=needs("accounts:read"),
    summary="A household, and what its members have as it is booked",
    responses=problem_responses({404: ["pool-unknown"]}),
)
async def get_pool(http: HttpRequest, pool_id: Segment) -> Response:
    async with service_of(http).engine.connect() as connection:
        members = await queries.pool(connection, pool_id)
    if not members:
        raise ProblemError(404, "pool-unknown", f"there is no household {pool_id}")
    available = sum(max(0, each["available"]) for each in members if each["status"] == "active")
    return as_json({"pool_id": pool_id, "available": available, "members": members})
