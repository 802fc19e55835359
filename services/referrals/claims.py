"""Claims over REST: a friend names who recommended the shop, and staff decide about those that are held for review."""

import datetime as dt
import uuid
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Response
from fastapi import Request as HttpRequest

from services.referrals import queries
from services.referrals.answers import claim_view, render_claim
from services.referrals.commands import AcceptClaim, ClaimCode, RejectClaim, Request
from services.referrals.queries import Wanted, stamp
from services.referrals.records import ReferralStatus
from services.referrals.routes import GUESSED, REUSED, guesses_of, service_of
from services.referrals.rules import codes
from services.referrals.schemas import ClaimLife, ClaimPage, ClaimRequest, ClaimView, Reason
from shared.asking import (
    Cursor,
    KeyHeader,
    Limit,
    Segment,
    as_json,
    ask,
    author_of,
    idempotency_key,
    page,
    respond,
    submit,
)
from shared.auth import Guarded, caller, needs
from shared.contracts.values import CustomerId
from shared.errors import ProblemError, field_error, problem_responses
from shared.http import decode_cursor
from shared.requests import Answer

router = APIRouter(prefix="/v1", route_class=Guarded, tags=["claims"])

READ, WRITE, REVIEW = needs("referrals:read"), needs("referrals:write"), needs("referrals:review")
UNKNOWN: dict[int, list[str]] = {404: ["claim-unknown"]}
DECIDED: dict[int | str, dict[str, Any]] = {200: {"model": ClaimView, "description": "it was so already"}}
AHEAD = dt.timedelta(hours=24)

Customer = Annotated[CustomerId | None, Query()]


@router.post(
    "/claims",
    response_model=ClaimView,
    status_code=201,
    openapi_extra=WRITE,
    summary="Claim a code; a claim that is refused by the rules is an answer too: `rejected`, with its reason",
    responses={
        200: {"model": ClaimView, "description": "claimed before and not rejected: what has become of it"},
        **problem_responses({409: [REUSED], 422: ["claimed-in-future"], **GUESSED}),
    },
)
async def claim_code(http: HttpRequest, asked: ClaimRequest, key: KeyHeader = None) -> Response:
    guesses, name = guesses_of(http), caller(http).name
    guesses.refuse(name)
    contacts = service_of(http).contacts
    # a digest of contact data alone could be tried against a list of addresses
    named = await idempotency_key(http, key, contacts.pepper) if key else None
    answer = await submit(http, Request([_claim(http, asked)], named, author_of(http), render_claim))
    if codes.spelled(asked.code) is not None and _reason(answer) == "code-unknown":
        guesses.count(name)
    return respond(answer)


def _claim(http: HttpRequest, asked: ClaimRequest) -> ClaimCode:
    now = service_of(http).clock()
    claimed_at = asked.claimed_at or now
    if claimed_at > now + AHEAD:
        raise field_error("/claimed_at", "claimed-in-future", f"{claimed_at} is more than 24 hours ahead")
    return ClaimCode(
        str(uuid.uuid4()),
        codes.spelled(asked.code) or asked.code,
        asked.customer_id,
        claimed_at,
        "rest",
        service_of(http).contacts.hashed(email=asked.email, phone=asked.phone, address=asked.address),
        asked.card_number,
    )


def _reason(answer: Answer) -> str | None:
    reason: str | None = orjson.loads(answer.body).get("reason")
    return reason


@router.get(
    "/claims",
    response_model=ClaimPage,
    openapi_extra=READ,
    summary="Claims, the newest first; those under review by the deadline for staff to decide",
    responses=problem_responses({422: ["cursor-invalid"]}),
)
async def list_claims(
    http: HttpRequest,
    status: Annotated[ReferralStatus | None, Query()] = None,
    referrer_id: Customer = None,
    friend_id: Customer = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    wanted = Wanted(status, referrer_id, friend_id)
    begin = queries.OLDEST if wanted.is_by_deadline else queries.NEWEST
    at, referral_id = decode_cursor(cursor, str, str) if cursor else begin
    async with service_of(http).engine.connect() as connection:
        found = await queries.claims(connection, wanted, beside=(at, referral_id), limit=limit + 1)
    by = "review_until" if wanted.is_by_deadline else "received_at"
    rows = [claim_view(each) | {by: stamp(getattr(each, by))} for each in found]
    return page(rows, limit, by, "referral_id")


@router.get(
    "/claims/{referral_id:segment}",
    response_model=ClaimLife,
    openapi_extra=READ,
    summary="A claim with what became of it",
    responses=problem_responses(UNKNOWN),
)
async def get_claim(http: HttpRequest, referral_id: Segment) -> Response:
    async with service_of(http).engine.connect() as connection:
        found = await queries.claim(connection, referral_id)
        if found is None:
            raise ProblemError(404, "claim-unknown", f"there is no claim {referral_id}")
        return as_json(claim_view(found) | await queries.life(connection, found))


@router.post(
    "/claims/{referral_id:segment}/accept",
    response_model=ClaimView,
    status_code=201,
    openapi_extra=REVIEW,
    summary="Let a claim count that was held for review",
    responses={**DECIDED, **problem_responses(UNKNOWN | {409: ["claim-rejected", REUSED]})},
)
async def accept_claim(http: HttpRequest, referral_id: Segment, key: KeyHeader = None) -> Response:
    return await ask(http, AcceptClaim(referral_id, caller(http).name), render_claim, key)


@router.post(
    "/claims/{referral_id:segment}/reject",
    response_model=ClaimView,
    status_code=201,
    openapi_extra=REVIEW,
    summary="Let a claim not count, whatever became of it: what was given for it is taken back",
    responses={**DECIDED, **problem_responses(UNKNOWN | {409: [REUSED]})},
)
async def reject_claim(http: HttpRequest, referral_id: Segment, asked: Reason, key: KeyHeader = None) -> Response:
    return await ask(http, RejectClaim(referral_id, caller(http).name, asked.reason), render_claim, key)
