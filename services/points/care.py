"""Account care over REST: block, close, reopen, another card, two accounts that are one customer, a tier by hand."""

from typing import Any

from fastapi import APIRouter, Response
from fastapi import Request as HttpRequest

from services.points.answers import render_account
from services.points.commands import ChangeStatus, GiveTier, MergeAccounts, ReplaceCard
from services.points.schemas import AccountView, CardReplacement, Merge, Reason, TierGift
from shared.asking import KeyHeader, Segment, ask
from shared.auth import Guarded, needs
from shared.errors import problem_responses

router = APIRouter(prefix="/v1/accounts/{customer_id:segment}", route_class=Guarded, tags=["account care"])

WRITE = needs("accounts:write")
DONE_BEFORE: dict[int | str, dict[str, Any]] = {200: {"model": AccountView, "description": "it was so already"}}
UNKNOWN: dict[int, list[str]] = {404: ["account-unknown"], 409: ["idempotency-key-reused"]}


@router.post(
    "/block",
    response_model=AccountView,
    status_code=201,
    openapi_extra=WRITE,
    summary="Block: it earns and spends nothing",
    responses={**DONE_BEFORE, **problem_responses(UNKNOWN)},
)
async def block(http: HttpRequest, customer_id: Segment, why: Reason, key: KeyHeader = None) -> Response:
    return await ask(http, ChangeStatus(customer_id, "blocked", why.reason), render_account, key)


@router.post(
    "/close",
    response_model=AccountView,
    status_code=201,
    openapi_extra=WRITE,
    summary="Close: it earns and spends nothing; its points stay until they end",
    responses={**DONE_BEFORE, **problem_responses(UNKNOWN)},
)
async def close(http: HttpRequest, customer_id: Segment, why: Reason, key: KeyHeader = None) -> Response:
    return await ask(http, ChangeStatus(customer_id, "closed", why.reason), render_account, key)


@router.post(
    "/reopen",
    response_model=AccountView,
    status_code=201,
    openapi_extra=WRITE,
    summary="Open again what was blocked or closed",
    responses={**DONE_BEFORE, **problem_responses(UNKNOWN)},
)
async def reopen(http: HttpRequest, customer_id: Segment, why: Reason, key: KeyHeader = None) -> Response:
    return await ask(http, ChangeStatus(customer_id, "active", why.reason), render_account, key)


@router.post(
    "/card",
    response_model=AccountView,
    status_code=201,
    openapi_extra=WRITE,
    summary="Give another card, of a number of yours or of ours; purchases with the old one still find the customer",
    responses={
        **DONE_BEFORE,
        **problem_responses(UNKNOWN | {409: ["card-taken", "idempotency-key-reused"], 422: ["card-mistyped"]}),
    },
)
async def replace_card(
    http: HttpRequest, customer_id: Segment, card: CardReplacement, key: KeyHeader = None
) -> Response:
    return await ask(http, ReplaceCard(customer_id, card.reason, card.card_number), render_account, key)


@router.post(
    "/merge",
    response_model=AccountView,
    status_code=201,
    openapi_extra=WRITE,
    summary="Let this account go on in another, with its points and their dates",
    responses={
        **DONE_BEFORE,
        **problem_responses(
            UNKNOWN
            | {
                409: ["account-closed", "account-has-holds", "account-merged", "idempotency-key-reused"],
                422: ["merge-with-itself"],
            }
        ),
    },
)
async def merge(http: HttpRequest, customer_id: Segment, merge: Merge, key: KeyHeader = None) -> Response:
    return await ask(http, MergeAccounts(customer_id, merge.into, merge.reason), render_account, key)


@router.post(
    "/tier",
    response_model=AccountView,
    status_code=201,
    openapi_extra=WRITE,
    summary="Give a tier by hand, as a floor until the end of a day; or take the floor away",
    responses=problem_responses(UNKNOWN | {422: ["tier-unknown", "tier-over"]}),
)
async def give_tier(http: HttpRequest, customer_id: Segment, gift: TierGift, key: KeyHeader = None) -> Response:
    return await ask(http, GiveTier(customer_id, gift.tier, gift.until, gift.reason), render_account, key)
