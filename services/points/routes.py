"""The points service's REST API: translates requests to commands and outcomes to answers, and decides nothing."""

import csv
import io
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any

import orjson
import segno
from fastapi import APIRouter, Header, Query, Response
from fastapi import Request as HttpRequest
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from services.points import queries
from services.points.answers import (
    purchase_status,
    render_account,
    render_preview,
    render_purchase,
    render_refund,
)
from services.points.commands import (
    SOURCE,
    AwardPurchase,
    ClaimPurchase,
    EnrolCustomer,
    RefundPurchase,
)
from services.points.decisions.events import event_name
from services.points.rules.redeeming import spendable
from services.points.schemas import (
    AccountView,
    Claim,
    Enrolment,
    EntryPage,
    LotPage,
    PreviewAnswer,
    PurchaseAnswer,
    PurchasePage,
    PurchaseView,
    RefundAnswer,
)
from services.points.service import PointsService
from shared.asking import Cursor, KeyHeader, Limit, Segment, as_json, ask, page, prefers_csv, respond
from shared.auth import Guarded, caller, needs
from shared.contracts.purchases import PurchaseCompleted, PurchaseRefunded, RefundRequest
from shared.database import database_errors
from shared.errors import ProblemError, problem_responses
from shared.http import decode_cursor
from shared.requests import Origin
from shared.spreadsheets import harmless

router = APIRouter(prefix="/v1", route_class=Guarded)

TRACE = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C trace context, version 00."""

PURCHASE_REFUSALS = {
    404: ["card-unknown"],
    409: ["purchase-conflict", "card-of-another-customer", "claim-window-over", "idempotency-key-reused"],
    422: ["currency-unsupported", "occurred-in-future", "points-too-many"],
}


def service_of(http: HttpRequest) -> PointsService:
    points: PointsService = http.app.state.service
    return points


@router.post(
    "/purchases",
    response_model=PurchaseAnswer,
    status_code=201,
    openapi_extra=needs("purchases:write"),
    tags=["purchases"],
    summary="A till's purchase: what it earns, for the receipt",
    responses={
        200: {"model": PurchaseAnswer, "description": "booked before: its first points, today's balance"},
        **problem_responses(PURCHASE_REFUSALS),
    },
)
async def book_purchase(http: HttpRequest, purchase: PurchaseCompleted, key: KeyHeader = None) -> Response:
    command = AwardPurchase(purchase, _purchase_origin(http, purchase), park=False)
    # the hottest path: a purchase has its author in its origin
    return await ask(http, command, render_purchase, key, is_audited=False)


@router.post(
    "/purchases/preview",
    response_model=PreviewAnswer,
    openapi_extra=needs("purchases:read"),
    tags=["purchases"],
    summary="What a purchase would earn, and what could be paid with points; changes nothing",
    responses=problem_responses(PURCHASE_REFUSALS),
)
async def preview_purchase(http: HttpRequest, purchase: PurchaseCompleted) -> Response:
    points = service_of(http)
    async with database_errors():
        command = AwardPurchase(purchase, _purchase_origin(http, purchase), park=False, explain=True)
        (outcome,) = await points.preview(command)
        buyer = await points.account(outcome.account.customer_id) if outcome.account else None
        rule = (await points.programme_now()).programme.pay_with_points
    available = buyer["balance"]["available"] if buyer else 0
    left = purchase.total - purchase.points_paid
    pays = spendable(available, left=left, currency=purchase.currency, rule=rule)
    return respond(render_preview(outcome, spendable=pays))


@router.get(
    "/purchases",
    response_model=PurchasePage,
    openapi_extra=needs("purchases:read"),
    tags=["purchases"],
    summary="Purchases that wait for something, by their state",
)
async def list_purchases(
    http: HttpRequest,
    status: Annotated[str, Query(pattern="^(unclaimed|parked|awaited)$")] = "unclaimed",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    shop_id, invoice_number = decode_cursor(cursor, str, str) if cursor else ("", "")
    async with service_of(http).engine.connect() as connection:
        rows = await queries.unsettled_purchases(connection, status, after=(shop_id, invoice_number), limit=limit + 1)
    return page(rows, limit, "shop_id", "invoice_number")


@router.get(
    "/purchases/{shop_id:segment}/{invoice_number:segment}",
    response_model=PurchaseView,
    openapi_extra=needs("purchases:read"),
    tags=["purchases"],
    summary="A purchase as it stands in the books",
    responses=problem_responses({404: ["purchase-unknown"]}),
)
async def get_purchase(http: HttpRequest, shop_id: Segment, invoice_number: Segment) -> Response:
    points = service_of(http)
    async with points.engine.connect() as connection:
        found = await queries.purchase(connection, shop_id, invoice_number)
    if found is None:
        raise ProblemError(404, "purchase-unknown", f"no purchase {invoice_number} of {shop_id}")
    found["status"] = purchase_status(found["status"], found["available_at"], points.clock())
    owner = await points.account(found["customer_id"]) if found["customer_id"] else None
    return as_json(found | ({} if owner is None else {"balance": owner["balance"], "tier": owner["tier"]}))


@router.post(
    "/purchases/{shop_id:segment}/{invoice_number:segment}/refunds",
    response_model=RefundAnswer,
    status_code=201,
    openapi_extra=needs("purchases:write"),
    tags=["purchases"],
    summary="Take a part of a purchase back",
    responses={
        200: {"model": RefundAnswer, "description": "booked before"},
        **problem_responses(
            {
                409: ["refund-exceeds-purchase", "refund-conflict", "refund-customer", "idempotency-key-reused"],
                422: ["refund-currency", "refund-parts-exceed-amount", "occurred-in-future"],
            }
        ),
    },
)
async def book_refund(
    http: HttpRequest, shop_id: Segment, invoice_number: Segment, refund: RefundRequest, key: KeyHeader = None
) -> Response:
    said = dict(refund) | {"shop_id": shop_id, "invoice_number": invoice_number}
    named = PurchaseRefunded.model_construct(refund.model_fields_set | {"shop_id", "invoice_number"}, **said)
    name = event_name(shop_id, invoice_number, refund.refund_id)
    origin = _origin(http, "loyalty.purchase.refunded.v1", name, refund.customer_id, named)
    return await ask(http, RefundPurchase(named, origin), render_refund, key)


@router.post(
    "/purchases/{shop_id:segment}/{invoice_number:segment}/claim",
    response_model=PurchaseAnswer,
    status_code=201,
    openapi_extra=needs("purchases:write"),
    tags=["purchases"],
    summary="Attach a purchase of nobody to a customer",
    responses={
        200: {"model": PurchaseAnswer, "description": "attached before"},
        **problem_responses(
            {
                404: ["purchase-unknown", "account-unknown"],
                409: ["purchase-claimed", "purchase-has-card", "claim-window-over", "idempotency-key-reused"],
            }
        ),
    },
)
async def claim_purchase(
    http: HttpRequest, shop_id: Segment, invoice_number: Segment, claim: Claim, key: KeyHeader = None
) -> Response:
    return await ask(http, ClaimPurchase(shop_id, invoice_number, claim.customer_id), render_purchase, key)


@router.post(
    "/accounts",
    response_model=AccountView,
    status_code=201,
    openapi_extra=needs("accounts:write"),
    tags=["accounts"],
    summary="Enrol a customer",
    responses={
        200: {"model": AccountView, "description": "enrolled before"},
        **problem_responses(
            {
                409: ["account-conflict", "card-taken", "idempotency-key-reused"],
                422: ["card-mistyped", "enrolled-in-future"],
            }
        ),
    },
)
async def enrol(http: HttpRequest, enrolment: Enrolment, key: KeyHeader = None) -> Response:
    now = service_of(http).clock()
    command = EnrolCustomer(enrolment.customer_id, enrolment.enrolled_at or now, enrolment.card_number)
    return await ask(http, command, render_account, key)


@router.get(
    "/accounts/{customer_id:segment}",
    response_model=AccountView,
    openapi_extra=needs("accounts:read"),
    tags=["accounts"],
    summary="A customer's account",
    responses=problem_responses({404: ["account-unknown"]}),
)
async def get_account(http: HttpRequest, customer_id: Segment) -> Response:
    return as_json(await _account(service_of(http), customer_id))


@router.get(
    "/accounts/{customer_id:segment}/entries",
    openapi_extra=needs("accounts:read"),
    tags=["accounts"],
    summary="The statement, newest first: a page as JSON, the whole as CSV; one that was merged ends with its transfer",
    response_model=EntryPage,
    responses={
        200: {"content": {"text/csv": {"schema": {"type": "string"}}}},
        **problem_responses({404: ["account-unknown"], 422: ["cursor-invalid"]}),
    },
)
async def list_entries(
    http: HttpRequest,
    customer_id: Segment,
    limit: Limit = 50,
    cursor: Cursor = None,
    accept: Annotated[str, Header()] = "",
) -> Response:
    points = service_of(http)
    before = decode_cursor(cursor, int)[0] if cursor else queries.LAST
    await _account(points, customer_id)
    if prefers_csv(accept):
        return StreamingResponse(_csv(points, customer_id, before), media_type="text/csv")
    async with points.engine.connect() as connection:
        rows = await queries.entries(connection, customer_id, before=before, limit=limit + 1)
    return page(rows, limit, "sequence")


@router.get(
    "/accounts/{customer_id:segment}/lots",
    response_model=LotPage,
    openapi_extra=needs("accounts:read"),
    tags=["accounts"],
    summary="The lots that still hold points, in the order in which they are spent",
    responses=problem_responses({404: ["account-unknown"], 422: ["cursor-invalid"]}),
)
async def list_lots(http: HttpRequest, customer_id: Segment, limit: Limit = 50, cursor: Cursor = None) -> Response:
    points = service_of(http)
    place, ends, sequence = decode_cursor(cursor, int, str, int) if cursor else queries.FIRST
    holder = (await _account(points, customer_id))["customer_id"]
    async with points.engine.connect() as connection:
        after, now = (place, ends, sequence), points.clock()
        programme = (await points.ledger.versions(connection)).at(now).programme
        rows = await queries.lots(connection, holder, programme, after=after, now=now, limit=limit + 1)
    return page(rows, limit, "place", "ends", "sequence")


@router.get(
    "/cards/{card_number:segment}",
    response_model=AccountView,
    openapi_extra=needs("accounts:read"),
    tags=["cards"],
    summary="The account that a card belongs to",
    responses=problem_responses({404: ["card-unknown"]}),
)
async def get_card(http: HttpRequest, card_number: Segment) -> Response:
    return as_json(await _account_of_card(service_of(http), card_number))


@router.get(
    "/cards/{card_number:segment}/qr.svg",
    openapi_extra=needs("accounts:read"),
    tags=["cards"],
    summary="The card number as a QR code",
    response_class=Response,
    responses={200: {"content": {"image/svg+xml": {}}}, **problem_responses({404: ["card-unknown"]})},
)
async def get_card_qr(http: HttpRequest, card_number: Segment) -> Response:
    await _account_of_card(service_of(http), card_number)
    picture = io.BytesIO()
    segno.make(card_number, error="m", micro=False).save(picture, kind="svg", scale=8, title=f"card {card_number}")
    return Response(picture.getvalue(), media_type="image/svg+xml")


def _purchase_origin(http: HttpRequest, purchase: PurchaseCompleted) -> Origin:
    name = event_name(purchase.shop_id, purchase.invoice_number)
    buyer = purchase.customer_id or purchase.card_number
    return _origin(http, "loyalty.purchase.completed.v1", name, buyer, purchase)


def _origin(http: HttpRequest, kind: str, name: str, subject: str | None, data: BaseModel) -> Origin:
    """Name what came over REST, so that it leaves as the event it would have come as."""
    now = service_of(http).clock()
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": name,
        "source": SOURCE,
        "type": kind,
        "time": now,
        "datacontenttype": "application/json",
        "data": orjson.Fragment(data.__pydantic_serializer__.to_json(data, exclude_unset=True)),
    }
    if subject is not None:
        event["subject"] = subject
    trace = http.headers.get("traceparent")
    if trace is not None and TRACE.fullmatch(trace):
        event["traceparent"] = trace
    return Origin(
        SOURCE,
        name,
        now,
        now,
        named=False,
        document=orjson.dumps(event),
        traceparent=event.get("traceparent"),
        author=caller(http).name,
    )


async def _account(points: PointsService, customer_id: str) -> dict[str, Any]:
    found = await points.account(customer_id)
    if found is None:
        raise ProblemError(404, "account-unknown", f"customer {customer_id} has no account")
    return found


async def _account_of_card(points: PointsService, card_number: str) -> dict[str, Any]:
    found = await points.account_of_card(card_number)
    if found is None:
        raise ProblemError(404, "card-unknown", f"no account has card {card_number}")
    return found


async def _csv(points: PointsService, customer_id: str, before: int) -> AsyncIterator[str]:
    names = [
        "sequence",
        "kind",
        "points",
        "available_after",
        "pending_after",
        "held_after",
        "reference",
        "occurred_at",
        "recorded_at",
    ]
    yield ",".join(names) + "\r\n"
    while True:
        async with points.engine.connect() as connection:
            rows = await queries.entries(connection, customer_id, before=before, limit=1000)
        if not rows:
            return
        before = rows[-1]["sequence"]
        text = io.StringIO()
        csv.DictWriter(text, names).writerows(map(_cells, rows))
        yield text.getvalue()


def _cells(row: dict[str, Any]) -> dict[str, Any]:
    instants = {name: f"{row[name]:%Y-%m-%dT%H:%M:%S.%fZ}" for name in ("occurred_at", "recorded_at")}
    return {**row, **instants, "reference": harmless(row["reference"])}
