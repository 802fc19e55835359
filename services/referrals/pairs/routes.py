"""Offers for two over REST: kept by staff, looked at for customers, and the life of the pairs that take them up."""

import io
import uuid
from typing import Annotated, Any

import segno
from fastapi import APIRouter, Query, Response
from fastapi import Request as HttpRequest

from services.referrals.commands import AcceptPair, CancelPair, InvitePair, KeepOffer, RetireOffer
from services.referrals.pairs import queries
from services.referrals.pairs.answers import offer_view, pair_view, render_offer, render_pair
from services.referrals.pairs.queries import LAST, Filter, Inviter
from services.referrals.pairs.schemas import (
    Acceptance,
    Invitation,
    OfferChange,
    OfferDraft,
    OfferPage,
    OfferView,
    PairPage,
    PairView,
    offer_of,
)
from services.referrals.records import Listing, Pair, PairStatus
from services.referrals.routes import GUESSED, REUSED, guesses_of, service_of
from services.referrals.rules import codes
from services.referrals.rules.pairs import State, obstacles
from services.referrals.schemas import Reason
from shared.asking import Cursor, KeyHeader, Limit, RequiredKey, Segment, as_json, ask, page
from shared.auth import Guarded, caller, needs
from shared.contracts.values import CustomerId, Identifier
from shared.errors import ProblemError, problem_responses
from shared.http import decode_cursor

router = APIRouter(prefix="/v1", route_class=Guarded)

READ, TAKE, KEEP = needs("pairs:read"), needs("pairs:write"), needs("offers:write")
SAME: dict[int | str, dict[str, Any]] = {200: {"model": OfferView, "description": "it is so already"}}
SO_BEFORE: dict[int | str, dict[str, Any]] = {200: {"model": PairView, "description": "it was so already"}}
CLOSED = ["offer-limit-reached", "offer-not-yet", "offer-over", "offer-retired", "offer-used-up"]
UNFIT = ["friend-is-oneself", "friend-not-new"]
ENDED = ["pair-cancelled", "pair-completed", "pair-expired", "pair-taken"]
REFUSED: dict[int, list[str]] = {409: [*ENDED, *UNFIT, *CLOSED, REUSED]}
UNKNOWN_CODE: dict[int, list[str]] = {404: ["code-unknown"], **GUESSED}


# Offers


@router.post(
    "/offers",
    response_model=OfferView,
    status_code=201,
    openapi_extra=KEEP,
    tags=["offers"],
    summary="Put an offer for two in",
    responses={**SAME, **problem_responses({409: ["offer-exists", REUSED], 422: ["offer-faulty"]})},
)
async def create_offer(http: HttpRequest, draft: OfferDraft, key: KeyHeader = None) -> Response:
    return await ask(http, KeepOffer(draft.offer_id, offer_of(draft), is_new=True), render_offer, key)


@router.put(
    "/offers/{offer_id:segment}",
    response_model=OfferView,
    openapi_extra=KEEP,
    tags=["offers"],
    summary="Change an offer; pairs that began keep what it asked and gave",
    responses={
        201: {"model": OfferView, "description": "changed"},
        **problem_responses(
            {
                404: ["offer-unknown"],
                409: ["budget-below-pairs", "limit-below-pairs", "offer-retired"],
                422: ["offer-faulty"],
            }
        ),
    },
)
async def change_offer(http: HttpRequest, offer_id: Segment, change: OfferChange) -> Response:
    return await ask(http, KeepOffer(offer_id, offer_of(change), is_new=False), render_offer, None)


@router.post(
    "/offers/{offer_id:segment}/retire",
    response_model=OfferView,
    status_code=201,
    openapi_extra=KEEP,
    tags=["offers"],
    summary="Take an offer back; pairs that were accepted go on",
    responses={**SAME, **problem_responses({404: ["offer-unknown"], 409: [REUSED]})},
)
async def retire_offer(http: HttpRequest, offer_id: Segment, why: Reason, key: KeyHeader = None) -> Response:
    return await ask(http, RetireOffer(offer_id, why.reason), render_offer, key)


@router.get(
    "/offers",
    response_model=OfferPage,
    openapi_extra=READ,
    tags=["offers"],
    summary="Offers by ids; for a customer those that are not over, whether they are open to them and why not",
    responses=problem_responses({422: ["cursor-invalid"]}),
)
async def list_offers(
    http: HttpRequest,
    customer_id: Annotated[CustomerId | None, Query(description="for whom")] = None,
    retired: Annotated[bool, Query(description="also those that were taken back")] = False,  # noqa: FBT002
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    after = decode_cursor(cursor, str)[0] if cursor else ""
    if customer_id is not None:
        return page(await _offered(http, customer_id, after=after, limit=limit + 1), limit, "offer_id")
    async with service_of(http).engine.connect() as connection:
        found = await queries.offers(connection, after=after, with_retired=retired, limit=limit + 1)
    return page([offer_view(each) for each in found], limit, "offer_id")


async def _offered(http: HttpRequest, customer_id: str, *, after: str, limit: int) -> list[dict[str, Any]]:
    now = service_of(http).clock()
    async with service_of(http).engine.connect() as connection:
        found = await queries.offered(connection, after=after, now=now, limit=limit)
        inviter = await queries.inviter(connection, customer_id, now=now)
    return [offer_view(each) | {"customer": _for_customer(http, each, inviter)} for each in found]


def _for_customer(http: HttpRequest, listing: Listing, inviter: Inviter) -> dict[str, Any]:
    offer, pairs = listing.offer, inviter.pairs[listing.offer_id]
    found = obstacles(State(offer, listing.reserved), inviter.tier, pairs, service_of(http).clock())
    return {
        "open": not found,
        "obstacles": [{"code": each.code, "detail": each.detail, **each.more} for each in found],
        "pairs": pairs,
        "pairs_left": None if offer.per_customer is None else max(0, offer.per_customer - pairs),
        "valid_from": offer.begins(inviter.tier),
    }


@router.get(
    "/offers/{offer_id:segment}",
    response_model=OfferView,
    openapi_extra=READ,
    tags=["offers"],
    summary="An offer for two",
    responses=problem_responses({404: ["offer-unknown"]}),
)
async def get_offer(http: HttpRequest, offer_id: Segment) -> Response:
    async with service_of(http).engine.connect() as connection:
        found = await queries.offer(connection, offer_id)
    if found is None:
        raise ProblemError(404, "offer-unknown", f"there is no offer {offer_id}")
    return as_json(offer_view(found))


# Pairs


@router.post(
    "/pairs",
    response_model=PairView,
    status_code=201,
    openapi_extra=TAKE,
    tags=["pairs"],
    summary="Invite a friend: a known customer, or whoever comes with the code",
    responses=problem_responses({404: ["offer-unknown"], 409: [*UNFIT, *CLOSED, REUSED]}),
)
async def invite(http: HttpRequest, asked: Invitation, key: RequiredKey) -> Response:
    now, name = service_of(http).clock(), str(uuid.uuid4())
    command = InvitePair(name, asked.offer_id, asked.customer_id, asked.friend_id, codes.generate(), now)
    return await ask(http, command, render_pair, key)


@router.get(
    "/pairs",
    response_model=PairPage,
    openapi_extra=READ,
    tags=["pairs"],
    summary="Pairs, the newest first: of a customer, whichever of the two they are, of an offer, of a status",
    responses=problem_responses({422: ["cursor-invalid"]}),
)
async def list_pairs(
    http: HttpRequest,
    customer_id: Annotated[CustomerId | None, Query()] = None,
    offer_id: Annotated[Identifier | None, Query()] = None,
    status: Annotated[PairStatus | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    which = Filter(customer_id, offer_id, status)
    before = decode_cursor(cursor, int)[0] if cursor else LAST
    async with service_of(http).engine.connect() as connection:
        rows = await queries.pairs(connection, which, before=before, limit=limit + 1)
    return page(rows, limit, "number")


@router.get(
    "/pairs/{pair_id:segment}",
    response_model=PairView,
    openapi_extra=READ,
    tags=["pairs"],
    summary="A pair as it stands",
    responses=problem_responses({404: ["pair-unknown"]}),
)
async def get_pair(http: HttpRequest, pair_id: Segment) -> Response:
    return as_json(pair_view(await _find(http, pair_id)))


@router.get(
    "/pairs/{pair_id:segment}/qr.svg",
    openapi_extra=READ,
    tags=["pairs"],
    summary="The link of an invitation as a QR code",
    response_class=Response,
    responses={200: {"content": {"image/svg+xml": {}}}, **problem_responses({404: ["pair-unknown"]})},
)
async def get_pair_qr(http: HttpRequest, pair_id: Segment) -> Response:
    found, picture = await _find(http, pair_id), io.BytesIO()
    segno.make(found.link, error="m", micro=False).save(picture, kind="svg", scale=8, title=f"code {found.code}")
    return Response(picture.getvalue(), media_type="image/svg+xml")


@router.post(
    "/pairs/{pair_id:segment}/accept",
    response_model=PairView,
    status_code=201,
    openapi_extra=TAKE,
    tags=["pairs"],
    summary="Accept an invitation: from now on what both buy counts",
    responses={**SO_BEFORE, **problem_responses({404: ["pair-unknown"]} | REFUSED)},
)
async def accept(http: HttpRequest, pair_id: Segment, asked: Acceptance, key: KeyHeader = None) -> Response:
    return await ask(http, AcceptPair(pair_id, asked.friend_id, service_of(http).clock()), render_pair, key)


@router.post(
    "/pairs/{pair_id:segment}/cancel",
    response_model=PairView,
    status_code=201,
    openapi_extra=TAKE,
    tags=["pairs"],
    summary="End a pair before it is complete",
    responses={
        **SO_BEFORE,
        **problem_responses({404: ["pair-unknown"], 409: ["pair-completed", "pair-expired", REUSED]}),
    },
)
async def cancel(http: HttpRequest, pair_id: Segment, why: Reason, key: KeyHeader = None) -> Response:
    return await ask(http, CancelPair(pair_id, why.reason), render_pair, key)


@router.get(
    "/invitations/{code:segment}",
    response_model=PairView,
    openapi_extra=READ,
    tags=["pairs"],
    summary="The pair that a friend was sent the code of, whatever its case, blanks and dashes",
    responses=problem_responses(UNKNOWN_CODE),
)
async def get_invitation(http: HttpRequest, code: Segment) -> Response:
    return as_json(pair_view(await _invited_with(http, code)))


@router.post(
    "/invitations/{code:segment}/accept",
    response_model=PairView,
    status_code=201,
    openapi_extra=TAKE,
    tags=["pairs"],
    summary="Accept by the code that a friend was sent",
    responses={**SO_BEFORE, **problem_responses(UNKNOWN_CODE | REFUSED)},
)
async def accept_by_code(http: HttpRequest, code: Segment, asked: Acceptance, key: KeyHeader = None) -> Response:
    found = await _invited_with(http, code)
    command = AcceptPair(found.pair_id, asked.friend_id, service_of(http).clock())
    return await ask(http, command, render_pair, key)


async def _find(http: HttpRequest, pair_id: str) -> Pair:
    async with service_of(http).engine.connect() as connection:
        found = await queries.pair(connection, pair_id)
    if found is None:
        raise ProblemError(404, "pair-unknown", f"there is no pair {pair_id}")
    return found


async def _invited_with(http: HttpRequest, text: str) -> Pair:
    """Return the pair of a code; one that can't be a code is a slip, and no guess."""
    guesses, name = guesses_of(http), caller(http).name
    guesses.refuse(name)
    spelled, found = codes.spelled(text), None
    if spelled is not None:
        async with service_of(http).engine.connect() as connection:
            found = await queries.pair_of_code(connection, spelled)
        if found is None:
            guesses.count(name)
    if found is None:
        raise ProblemError(404, "code-unknown", f"nobody invited with the code {text}")
    return found
