"""Rewards over REST: the catalogue, what customers can get of it, claims, and what partners are to give for them."""

import secrets
import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi import Request as HttpRequest

from services.points.answers import claim_view, listing_view, render_claim, render_reward
from services.points.commands import CancelClaim, ClaimReward, FulfilClaim, KeepReward, RetireReward
from services.points.queries import LAST
from services.points.records import Listing
from services.points.rewards import queries
from services.points.rewards.schemas import (
    ClaimEnding,
    Claiming,
    ClaimPage,
    ClaimView,
    OfferPage,
    RewardChange,
    RewardDraft,
    RewardPage,
    RewardView,
    reward_of,
)
from services.points.routes import service_of
from services.points.rules.claiming import Claimant, obstacles
from services.points.schemas import Reason
from shared import codes, languages
from shared.asking import Cursor, KeyHeader, Limit, RequiredKey, Segment, as_json, ask, page
from shared.auth import Guarded, needs
from shared.contracts.values import CustomerId
from shared.errors import ProblemError, problem_responses
from shared.http import decode_cursor

router = APIRouter(prefix="/v1", route_class=Guarded, tags=["rewards"])

READ, KEEP, CLAIM = needs("rewards:read"), needs("rewards:write"), needs("redemptions:write")
REUSED = "idempotency-key-reused"
SAME: dict[int | str, dict[str, Any]] = {200: {"model": RewardView, "description": "it is so already"}}
ENDED_BEFORE: dict[int | str, dict[str, Any]] = {200: {"model": ClaimView, "description": "it was so already"}}
LANGUAGE = r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$"


# Claims


@router.get(
    "/rewards/claims",
    response_model=ClaimPage,
    openapi_extra=READ,
    summary="A customer's claims, the newest first",
    responses=problem_responses({422: ["cursor-invalid"]}),
)
async def list_claims_of_customer(
    http: HttpRequest, customer_id: Annotated[CustomerId, Query()], limit: Limit = 50, cursor: Cursor = None
) -> Response:
    before = decode_cursor(cursor, int)[0] if cursor else LAST
    async with service_of(http).engine.connect() as connection:
        rows = await queries.claims_of_customer(connection, customer_id, before=before, limit=limit + 1)
    return page(rows, limit, "number")


@router.get(
    "/rewards/claims/{claim_id:segment}",
    response_model=ClaimView,
    openapi_extra=READ,
    summary="A claim as it stands",
    responses=problem_responses({404: ["claim-unknown"]}),
)
async def get_claim(http: HttpRequest, claim_id: Segment) -> Response:
    points = service_of(http)
    async with points.engine.connect() as connection:
        found = await queries.claim(connection, claim_id)
    if found is None:
        raise ProblemError(404, "claim-unknown", f"there is no claim {claim_id} of a reward")
    account = await points.account(found.customer_id)
    return as_json(claim_view(found) | {"balance": account["balance"] if account else None})


@router.post(
    "/rewards/claims/{claim_id:segment}/cancel",
    response_model=ClaimView,
    status_code=201,
    openapi_extra=CLAIM,
    summary="Take a claim back; of one with a code the points come back once the coupon is known to be void",
    responses={
        **ENDED_BEFORE,
        **problem_responses({404: ["claim-unknown"], 409: ["claim-fulfilled", REUSED]}),
    },
)
async def cancel(http: HttpRequest, claim_id: Segment, why: ClaimEnding, key: KeyHeader = None) -> Response:
    return await ask(http, CancelClaim(claim_id, why.reason), render_claim, key)


@router.post(
    "/rewards/claims/{claim_id:segment}/fulfil",
    response_model=ClaimView,
    status_code=201,
    openapi_extra=CLAIM,
    summary="Note that the customer has it, where no till takes a code for it",
    responses={
        **ENDED_BEFORE,
        **problem_responses({404: ["claim-unknown"], 409: ["claim-cancelled", "claim-has-coupon", REUSED]}),
    },
)
async def fulfil(http: HttpRequest, claim_id: Segment, why: ClaimEnding, key: KeyHeader = None) -> Response:
    return await ask(http, FulfilClaim(claim_id, why.reason), render_claim, key)


@router.post(
    "/rewards/{reward_id:segment}/claims",
    response_model=ClaimView,
    status_code=201,
    openapi_extra=CLAIM,
    summary="Claim a reward: its points are spent, and its code is answered",
    responses=problem_responses(
        {
            404: ["account-unknown", "reward-unknown"],
            409: [
                "account-blocked",
                "account-closed",
                "insufficient-points",
                "reward-limit-reached",
                "reward-not-yet",
                "reward-over",
                "reward-retired",
                "reward-sold-out",
                REUSED,
            ],
            422: ["member-number-missing", "member-number-unexpected"],
        }
    ),
)
async def claim(http: HttpRequest, reward_id: Segment, asked: Claiming, key: RequiredKey) -> Response:
    command = ClaimReward(
        str(uuid.uuid4()),
        str(uuid.uuid4()),
        asked.customer_id,
        reward_id,
        "".join(secrets.choice(codes.ALPHABET) for _ in range(codes.DRAWN)),
        service_of(http).clock(),
        asked.member_number,
    )
    return await ask(http, command, render_claim, key)


@router.get(
    "/rewards/{reward_id:segment}/claims",
    response_model=ClaimPage,
    openapi_extra=READ,
    summary="The claims of a reward, the newest first",
    responses=problem_responses({404: ["reward-unknown"], 422: ["cursor-invalid"]}),
)
async def list_claims_of_reward(
    http: HttpRequest, reward_id: Segment, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    before = decode_cursor(cursor, int)[0] if cursor else LAST
    await find_reward(http, reward_id)
    async with service_of(http).engine.connect() as connection:
        rows = await queries.claims_of_reward(connection, reward_id, before=before, limit=limit + 1)
    return page(rows, limit, "number")


# The catalogue


@router.post(
    "/rewards",
    response_model=RewardView,
    status_code=201,
    openapi_extra=KEEP,
    summary="Put a reward into the catalogue",
    responses={**SAME, **problem_responses({409: ["reward-exists", REUSED], 422: ["reward-faulty"]})},
)
async def create_reward(http: HttpRequest, draft: RewardDraft, key: KeyHeader = None) -> Response:
    return await ask(http, KeepReward(draft.reward_id, reward_of(draft), is_new=True), render_reward, key)


@router.put(
    "/rewards/{reward_id:segment}",
    response_model=RewardView,
    openapi_extra=KEEP,
    summary="Change a reward; what was claimed of it stays as it is",
    responses={
        201: {"model": RewardView, "description": "changed"},
        **problem_responses(
            {
                404: ["reward-unknown"],
                409: ["reward-kind-fixed", "reward-retired", "stock-below-claims"],
                422: ["reward-faulty"],
            }
        ),
    },
)
async def change_reward(http: HttpRequest, reward_id: Segment, change: RewardChange) -> Response:
    return await ask(http, KeepReward(reward_id, reward_of(change), is_new=False), render_reward, None)


@router.post(
    "/rewards/{reward_id:segment}/retire",
    response_model=RewardView,
    status_code=201,
    openapi_extra=KEEP,
    summary="Take a reward out of the catalogue; what was claimed of it stays",
    responses={**SAME, **problem_responses({404: ["reward-unknown"], 409: [REUSED]})},
)
async def retire_reward(http: HttpRequest, reward_id: Segment, why: Reason, key: KeyHeader = None) -> Response:
    return await ask(http, RetireReward(reward_id, why.reason), render_reward, key)


@router.get(
    "/rewards",
    response_model=RewardPage,
    openapi_extra=READ,
    summary="The catalogue, by ids",
    responses=problem_responses({422: ["cursor-invalid"]}),
)
async def list_rewards(
    http: HttpRequest,
    retired: Annotated[bool, Query(description="also those that were taken out")] = False,  # noqa: FBT002
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    after = decode_cursor(cursor, str)[0] if cursor else ""
    async with service_of(http).engine.connect() as connection:
        found = await queries.rewards(connection, after=after, with_retired=retired, limit=limit + 1)
    return page([listing_view(each) for each in found], limit, "reward_id")


@router.get(
    "/rewards/{reward_id:segment}",
    response_model=RewardView,
    openapi_extra=READ,
    summary="A reward",
    responses=problem_responses({404: ["reward-unknown"]}),
)
async def get_reward(http: HttpRequest, reward_id: Segment) -> Response:
    return as_json(listing_view(await find_reward(http, reward_id)))


async def find_reward(http: HttpRequest, reward_id: str) -> Listing:
    """Return a reward. Raises the problem `reward-unknown`."""
    async with service_of(http).engine.connect() as connection:
        found = await queries.reward(connection, reward_id)
    if found is None:
        raise ProblemError(404, "reward-unknown", f"there is no reward {reward_id}")
    return found


# What a customer can get


@router.get(
    "/accounts/{customer_id:segment}/rewards",
    response_model=OfferPage,
    openapi_extra=READ,
    summary="What a customer can get, how far they are from it, and why not",
    responses=problem_responses({404: ["account-unknown"], 422: ["cursor-invalid"]}),
)
async def list_offers(
    http: HttpRequest,
    customer_id: Segment,
    language: Annotated[str | None, Query(pattern=LANGUAGE, description="before those of Accept-Language")] = None,
    accept_language: Annotated[str, Header()] = "",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    points, after = service_of(http), decode_cursor(cursor, str)[0] if cursor else ""
    account = await points.account(customer_id)
    if account is None:
        raise ProblemError(404, "account-unknown", f"customer {customer_id} has no account")
    async with points.engine.connect() as connection:
        found = await queries.offered(connection, after=after, now=points.clock(), limit=limit + 1)
        claims = await queries.live_claims(connection, account["customer_id"], [each.reward_id for each in found])
    wanted = [*([language] if language else []), *languages.accepted(accept_language)]
    rows = [_offer(http, each, account, claims.get(each.reward_id, 0), wanted) for each in found]
    return page(rows, limit, "reward_id")


def _offer(
    http: HttpRequest, listing: Listing, account: dict[str, Any], claims: int, wanted: list[str]
) -> dict[str, Any]:
    reward, tier, balance = listing.reward, account["tier"] and account["tier"]["name"], account["balance"]
    claimant = Claimant(account["status"], tier, balance["available"], balance["held"], claims)
    found = obstacles(reward, listing.claimed, claimant, service_of(http).clock())
    language = languages.choose(wanted, reward.texts, reward.default_language)
    return {
        "reward_id": listing.reward_id,
        "kind": reward.value.kind,
        "value": reward.value.model_dump(mode="json"),
        "language": language,
        **reward.texts[language].model_dump(),
        "picture_url": reward.picture_url,
        "points": reward.price(tier),
        "missing_points": max(0, reward.price(tier) - balance["available"]),
        "claimable": not found,
        "obstacles": [{"code": each.code, "detail": each.detail, **each.more} for each in found],
        "stock_left": None if reward.stock is None else reward.stock - listing.claimed,
        "claims": claims,
        "claims_left": None if reward.per_customer is None else max(0, reward.per_customer - claims),
        "valid_from": reward.begins(tier),
        "valid_until": reward.valid_until,
    }
