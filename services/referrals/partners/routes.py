"""Partners over REST: opened, given codes and other terms, retired; their commissions, statements and payouts."""

import asyncio
import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Query, Response
from fastapi import Request as HttpRequest

from services.referrals.commands import AddPartnerCode, OpenPartner, PayPartner, RetirePartner, SetTerms
from services.referrals.partners import queries
from services.referrals.partners.answers import (
    code_view,
    partner_view,
    render_code,
    render_partner,
    render_payout,
)
from services.referrals.partners.schemas import (
    CommissionPage,
    PartnerCodeList,
    PartnerCodeView,
    PartnerCodeWish,
    PartnerDraft,
    PartnerPage,
    PartnerView,
    PayoutNote,
    PayoutView,
    StatementView,
    TermsChange,
)
from services.referrals.partners.statements import Statement, as_csv, money, view
from services.referrals.records import Partner
from services.referrals.routes import service_of
from services.referrals.rules import codes
from services.referrals.schemas import Reason
from shared.asking import Cursor, KeyHeader, Limit, RequiredKey, Segment, as_json, ask, page
from shared.auth import Guarded, caller, needs
from shared.errors import ProblemError, field_error, problem_responses
from shared.http import decode_cursor

router = APIRouter(prefix="/v1/partners", route_class=Guarded, tags=["partners"])

READ, KEEP, PAY = needs("partners:read"), needs("partners:write"), needs("partners:pay")
REUSED = "idempotency-key-reused"
UNKNOWN: dict[int, list[str]] = {404: ["partner-unknown"]}
SAME: dict[int | str, dict[str, Any]] = {200: {"model": PartnerView, "description": "it is so already"}}

Format = Literal["json", "csv", "pdf"]
MEDIA_TYPES: Mapping[str, Format] = {"application/json": "json", "text/csv": "csv", "application/pdf": "pdf"}
Month = Annotated[str, Path(pattern=r"^(19[7-9]|20[0-9]|21[0-9])[0-9]-(0[1-9]|1[0-2])$", examples=["2026-11"])]
Wanted = Annotated[Literal["held", "due", "paid", "reversed"] | None, Query()]


# Partners


@router.post(
    "",
    response_model=PartnerView,
    status_code=201,
    openapi_extra=KEEP,
    summary="Let somebody recommend the shop for money",
    responses={**SAME, **problem_responses({409: ["partner-exists", REUSED], 422: ["terms-faulty"]})},
)
async def open_partner(http: HttpRequest, draft: PartnerDraft, key: KeyHeader = None) -> Response:
    command = OpenPartner(draft.partner_id, draft.name, draft.language, draft.terms, caller(http).name)
    return await ask(http, command, render_partner, key)


@router.get(
    "",
    response_model=PartnerPage,
    openapi_extra=READ,
    summary="Partners, by ids",
    responses=problem_responses({422: ["cursor-invalid"]}),
)
async def list_partners(
    http: HttpRequest,
    retired: Annotated[bool, Query(description="also those that are retired")] = False,  # noqa: FBT002
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    after = decode_cursor(cursor, str)[0] if cursor else ""
    async with service_of(http).engine.connect() as connection:
        found = await queries.partners(connection, after=after, with_retired=retired, limit=limit + 1)
    return page([partner_view(each) for each in found], limit, "partner_id")


@router.get(
    "/{partner_id:segment}",
    response_model=PartnerView,
    openapi_extra=READ,
    summary="A partner with the newest of their terms",
    responses=problem_responses(UNKNOWN),
)
async def get_partner(http: HttpRequest, partner_id: Segment) -> Response:
    return as_json(partner_view(await _find(http, partner_id)))


@router.put(
    "/{partner_id:segment}/terms",
    response_model=PartnerView,
    openapi_extra=KEEP,
    summary="Let other terms hold for claims from now on; what was claimed before keeps its own",
    responses={
        201: {"model": PartnerView, "description": "changed"},
        **problem_responses(UNKNOWN | {409: ["partner-currency-fixed", "partner-retired"], 422: ["terms-faulty"]}),
    },
)
async def set_terms(http: HttpRequest, partner_id: Segment, change: TermsChange) -> Response:
    return await ask(http, SetTerms(partner_id, change.terms, caller(http).name), render_partner, None)


# Codes, and their end


@router.post(
    "/{partner_id:segment}/codes",
    response_model=PartnerCodeView,
    status_code=201,
    openapi_extra=KEEP,
    summary="Give a partner another code, drawn or of their choice",
    responses={
        200: {"model": PartnerCodeView, "description": "they have it already"},
        **problem_responses(UNKNOWN | {409: ["code-taken", "partner-retired", REUSED], 422: ["vanity-invalid"]}),
    },
)
async def add_code(http: HttpRequest, partner_id: Segment, wish: PartnerCodeWish, key: KeyHeader = None) -> Response:
    code = codes.generate() if wish.vanity is None else codes.vanity(wish.vanity)
    if code is None:
        raise field_error("/vanity", "vanity-invalid", "should be 4 to 20 letters and digits, and not 8")
    return await ask(http, AddPartnerCode(partner_id, code), render_code, key)


@router.get(
    "/{partner_id:segment}/codes",
    response_model=PartnerCodeList,
    openapi_extra=READ,
    summary="All codes of a partner",
    responses=problem_responses(UNKNOWN),
)
async def list_codes(http: HttpRequest, partner_id: Segment) -> Response:
    await _find(http, partner_id)
    async with service_of(http).engine.connect() as connection:
        found = await queries.codes(connection, partner_id)
    return as_json({"data": [code_view(each) for each in found]})


@router.post(
    "/{partner_id:segment}/retire",
    response_model=PartnerView,
    status_code=201,
    openapi_extra=KEEP,
    summary="Let a partner's codes claim nothing any more; what they claimed goes on earning",
    responses={**SAME, **problem_responses(UNKNOWN | {409: [REUSED]})},
)
async def retire_partner(http: HttpRequest, partner_id: Segment, why: Reason, key: KeyHeader = None) -> Response:
    return await ask(http, RetirePartner(partner_id, why.reason), render_partner, key)


# Commissions


@router.get(
    "/{partner_id:segment}/commissions",
    response_model=CommissionPage,
    openapi_extra=READ,
    summary="What a partner's sales earn, those of the newest sales first; of one state, such as those that are held",
    responses=problem_responses(UNKNOWN | {422: ["cursor-invalid"]}),
)
async def list_commissions(
    http: HttpRequest, partner_id: Segment, status: Wanted = None, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    before = tuple(decode_cursor(cursor, str, str, str, str)) if cursor else queries.NEWEST
    await _find(http, partner_id)
    async with service_of(http).engine.connect() as connection:
        rows = await queries.commissions(connection, partner_id, status, before=before, limit=limit + 1)
    shown = [_commission(each) for each in rows]
    return page(shown, limit, "occurred_at", "referral_id", "shop_id", "invoice_number")


def _commission(row: dict[str, Any]) -> dict[str, Any]:
    amounts = {name: money(row[name], row["currency"]) for name in ("sold", "refunded", "amount")}
    month = None if row["month"] is None else f"{row['month']:%Y-%m}"
    return row | amounts | {"month": month, "occurred_at": f"{row['occurred_at']:%Y-%m-%dT%H:%M:%S.%fZ}"}


# Statements


@router.get(
    "/{partner_id:segment}/statements/{month}",
    response_model=StatementView,
    openapi_extra=READ,
    summary="What became due to a partner in a local month, as JSON, CSV or PDF",
    responses={
        200: {
            "content": {
                "text/csv": {"schema": {"type": "string"}},
                "application/pdf": {"schema": {"type": "string", "format": "binary"}},
            }
        },
        **problem_responses(UNKNOWN),
    },
)
async def get_statement(
    http: HttpRequest,
    partner_id: Segment,
    month: Month,
    form: Annotated[Format | None, Query(alias="format", description="before what `Accept` says")] = None,
    accept: Annotated[str, Header()] = "",
) -> Response:
    statement = await _statement(http, await _find(http, partner_id), _first_day(month))
    match form or _preferred(accept):
        case "csv":
            return Response(as_csv(statement), media_type="text/csv")
        case "pdf":
            # in a thread, since a long one takes its time
            return Response(await asyncio.to_thread(_printed, statement), media_type="application/pdf")
        case _:
            return as_json(view(statement))


def _printed(statement: Statement) -> bytes:
    from services.referrals.partners.printing import as_pdf  # noqa: PLC0415 - what it prints with loads slower than we do

    return as_pdf(statement)


@router.post(
    "/{partner_id:segment}/statements/{month}/payout",
    response_model=PayoutView,
    status_code=201,
    openapi_extra=PAY,
    summary="Mark a statement as paid, once, and with it those before it; that closes them",
    responses={
        200: {"model": PayoutView, "description": "marked with this reference before"},
        **problem_responses(UNKNOWN | {409: ["month-not-over", "nothing-to-pay", "statement-paid", REUSED]}),
    },
)
async def pay_out(http: HttpRequest, partner_id: Segment, month: Month, note: PayoutNote, key: RequiredKey) -> Response:
    command = PayPartner(partner_id, _first_day(month), note.reference, caller(http).name)
    return await ask(http, command, render_payout, key)


async def _find(http: HttpRequest, partner_id: str) -> Partner:
    """Return a partner. Raises the problem `partner-unknown`."""
    async with service_of(http).engine.connect() as connection:
        found = await queries.partner(connection, partner_id)
    if found is None:
        raise ProblemError(404, "partner-unknown", f"there is no partner {partner_id}")
    return found


async def _statement(http: HttpRequest, partner: Partner, month: dt.date) -> Statement:
    referrals = service_of(http)
    now = referrals.clock()
    async with referrals.engine.connect() as connection:
        programme = (await referrals.lifecycle.versions(connection)).at(now).programme
        is_over = month < programme.month(now)
        return await queries.statement(connection, partner, month, programme.zone, is_over=is_over)


def _first_day(month: str) -> dt.date:
    return dt.date.fromisoformat(f"{month}-01")


def _preferred(accept: str) -> Format:
    """Return the first form that a client names, JSON where it names none of ours."""
    named = (each.split(";")[0].strip() for each in accept.lower().split(","))
    return next((MEDIA_TYPES[each] for each in named if each in MEDIA_TYPES), "json")
