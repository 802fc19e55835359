"""Codes and customers over REST: what is shared, whose it is, and what a customer's recommendations came to."""

import io
from functools import partial
from typing import Annotated, Any, Literal

import segno
from fastapi import APIRouter, Header, Query, Response
from fastapi import Request as HttpRequest

from services.referrals import queries
from services.referrals.answers import claim_view, code_view, render_code
from services.referrals.commands import ChooseCode, MakeCode, RetireCode, ShareCode
from services.referrals.programme import Programme
from services.referrals.queries import stamp
from services.referrals.records import Code
from services.referrals.rules import codes, texts
from services.referrals.schemas import (
    CodePage,
    CodeRequest,
    CodeView,
    CustomerView,
    Reason,
    ShareRequest,
    TextView,
)
from services.referrals.service import ReferralsService
from shared.asking import Cursor, KeyHeader, Limit, Segment, as_json, ask, page
from shared.auth import Guarded, caller, needs
from shared.contracts.values import CustomerId
from shared.errors import ProblemError, field_error, problem_responses
from shared.guessing import Guesses
from shared.http import decode_cursor
from shared.languages import accepted

router = APIRouter(prefix="/v1", route_class=Guarded)

READ, WRITE = needs("referrals:read"), needs("referrals:write")
REUSED = "idempotency-key-reused"
GUESSED: dict[int, list[str]] = {429: ["guesses-too-many"]}
UNKNOWN: dict[int, list[str]] = {404: ["code-unknown"], **GUESSED}
SPARE_DRAWS = 3


def service_of(http: HttpRequest) -> ReferralsService:
    referrals: ReferralsService = http.app.state.service
    return referrals


def guesses_of(http: HttpRequest) -> Guesses:
    guesses: Guesses = http.app.state.guesses
    return guesses


@router.post(
    "/codes",
    response_model=CodeView,
    status_code=201,
    openapi_extra=WRITE,
    tags=["codes"],
    summary="A customer's code: the one that they have, or a new one",
    responses={
        200: {"model": CodeView, "description": "they have it already"},
        **problem_responses({409: ["code-taken", REUSED], 422: ["vanity-invalid"]}),
    },
)
async def make_code(http: HttpRequest, asked: CodeRequest, key: KeyHeader = None) -> Response:
    render = partial(render_code, programme=await _programme(http))
    if asked.vanity is None:
        drawn, *spare = (codes.generate() for _ in range(1 + SPARE_DRAWS))
        return await ask(http, MakeCode(asked.customer_id, drawn, tuple(spare)), render, key)
    chosen = codes.vanity(asked.vanity)
    if chosen is None:
        raise field_error("/vanity", "vanity-invalid", "should be 4 to 20 letters and digits, and not 8")
    return await ask(http, ChooseCode(asked.customer_id, chosen), render, key)


@router.get(
    "/codes",
    response_model=CodePage,
    openapi_extra=READ,
    tags=["codes"],
    summary="A customer's codes, also those that were retired",
    responses=problem_responses({422: ["cursor-invalid"]}),
)
async def list_codes(
    http: HttpRequest, customer_id: Annotated[CustomerId, Query()], limit: Limit = 50, cursor: Cursor = None
) -> Response:
    at, name = decode_cursor(cursor, str, str) if cursor else queries.OLDEST
    programme = await _programme(http)
    async with service_of(http).engine.connect() as connection:
        found = await queries.codes(connection, customer_id, after=(at, name), limit=limit + 1)
    rows = [code_view(each, programme) | {"created_at": stamp(each.created_at)} for each in found]
    return page(rows, limit, "created_at", "code")


@router.get(
    "/codes/{code:segment}",
    response_model=CodeView,
    openapi_extra=READ,
    tags=["codes"],
    summary="Whose a code is, whatever its case, blanks and dashes",
    responses=problem_responses(UNKNOWN),
)
async def get_code(http: HttpRequest, code: Segment) -> Response:
    return as_json(code_view(await _known(http, code), await _programme(http)))


@router.post(
    "/codes/{code:segment}/retire",
    response_model=CodeView,
    status_code=201,
    openapi_extra=WRITE,
    tags=["codes"],
    summary="Let a code claim nothing any more; what it claimed stays, and its customer can have another",
    responses={
        200: {"model": CodeView, "description": "it was so already"},
        **problem_responses(UNKNOWN | {409: [REUSED]}),
    },
)
async def retire_code(http: HttpRequest, code: Segment, asked: Reason, key: KeyHeader = None) -> Response:
    known = await _known(http, code)
    render = partial(render_code, programme=await _programme(http))
    return await ask(http, RetireCode(known.code, asked.reason), render, key)


@router.get(
    "/codes/{code:segment}/qr.svg",
    openapi_extra=READ,
    tags=["codes"],
    summary="The link that is shared as a QR code",
    response_class=Response,
    responses={
        200: {"content": {"image/svg+xml": {}}},
        **problem_responses(UNKNOWN | {409: ["code-retired"]}),
    },
)
async def get_code_qr(http: HttpRequest, code: Segment) -> Response:
    known = await _shareable(http, code)
    picture = io.BytesIO()
    link = texts.link(known.code, await _programme(http))
    segno.make(link, error="m", micro=False).save(picture, kind="svg", scale=8, title=known.code)
    return Response(picture.getvalue(), media_type="image/svg+xml")


@router.get(
    "/codes/{code:segment}/texts",
    response_model=TextView,
    openapi_extra=READ,
    tags=["codes"],
    summary="A ready text for mail or chat, in the language that is asked for, or else in one that the reader accepts",
    responses=problem_responses(UNKNOWN | {409: ["code-retired"]}),
)
async def get_code_text(
    http: HttpRequest,
    code: Segment,
    channel: Literal["mail", "chat"] = "mail",
    language: Annotated[str | None, Query(max_length=35, pattern="^[A-Za-z0-9-]+$")] = None,
    accept_language: Annotated[str, Header()] = "",
) -> Response:
    known, programme = await _shareable(http, code), await _programme(http)
    shared = texts.texts(known.code, [language] if language else accepted(accept_language), programme)
    is_mail = channel == "mail"
    said = {"subject": shared.subject if is_mail else None, "text": shared.body if is_mail else shared.chat}
    named = {"code": known.code, "link": texts.link(known.code, programme), "language": shared.language}
    answer = as_json({**named, "channel": channel, **said})
    answer.headers.update({"Content-Language": shared.language, "Vary": "Accept-Language"})
    return answer


@router.post(
    "/codes/{code:segment}/shares",
    response_model=CodeView,
    status_code=201,
    openapi_extra=WRITE,
    tags=["codes"],
    summary="Count that a customer shared their code",
    responses=problem_responses(UNKNOWN | {409: ["code-retired", REUSED]}),
)
async def share_code(http: HttpRequest, code: Segment, asked: ShareRequest, key: KeyHeader = None) -> Response:
    known = await _known(http, code)
    render = partial(render_code, programme=await _programme(http))
    return await ask(http, ShareCode(known.code, asked.channel), render, key)


@router.get(
    "/customers/{customer_id:segment}",
    response_model=CustomerView,
    openapi_extra=READ,
    tags=["customers"],
    summary="What a customer sees of their recommendations",
    responses=problem_responses({404: ["customer-unknown"]}),
)
async def get_customer(http: HttpRequest, customer_id: Segment) -> Response:
    async with service_of(http).engine.connect() as connection:
        known = await queries.names(connection, customer_id)
        if not known:
            raise ProblemError(404, "customer-unknown", f"nothing was heard of customer {customer_id}")
        standing = await queries.standing(connection, known)
    programme = await _programme(http)
    body: dict[str, Any] = {"customer_id": known[0], **standing._asdict()}
    body["codes"] = [code_view(each, programme) for each in standing.codes]
    body["referred_by"] = None if standing.referred_by is None else claim_view(standing.referred_by)
    return as_json(body)


async def _programme(http: HttpRequest) -> Programme:
    return (await service_of(http).programme_now()).programme


async def _known(http: HttpRequest, text: str) -> Code:
    """Return the code that a caller names; one that can't be a code is a slip, and no guess."""
    guesses, name = guesses_of(http), caller(http).name
    guesses.refuse(name)
    spelled, found = codes.spelled(text), None
    if spelled is not None:
        async with service_of(http).engine.connect() as connection:
            found = await queries.code(connection, spelled)
        if found is None:
            guesses.count(name)
    if found is None:
        raise ProblemError(404, "code-unknown", f"there is no code {text}")
    return found


async def _shareable(http: HttpRequest, text: str) -> Code:
    found = await _known(http, text)
    if found.retired_at is not None:
        raise ProblemError(409, "code-retired", f"{found.code} claims nothing any more")
    return found
