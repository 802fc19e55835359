"""Segments over REST: saved filters, and who they hold for; it decides nothing."""

from typing import Annotated

from fastapi import APIRouter, Path, Response
from fastapi import Request as HttpRequest

from services.notifications.asking import service_of
from services.notifications.commands import DropSegment, KeepSegment
from services.notifications.profiles import queries
from services.notifications.profiles.answers import customer_view, render_dropped, render_segment, segment_view
from services.notifications.profiles.routes import find_segment
from services.notifications.profiles.schemas import SegmentDraft, SegmentPage, SegmentPreview, SegmentView
from services.notifications.segments import Segment, SegmentName, document_of, faults
from shared import asking
from shared.asking import Cursor, Limit, as_json, ask, page
from shared.auth import Guarded, caller, needs
from shared.errors import InvalidField, ProblemError, problem_responses
from shared.http import decode_cursor

router = APIRouter(prefix="/v1", route_class=Guarded, tags=["segments"])

READ, WRITE = needs("segments:read"), needs("segments:write")
FIRST_CUSTOMERS = 10

UNFIT = ["condition-empty", "filter-too-large"]


@router.put(
    "/segments/{name}",
    response_model=SegmentView,
    status_code=201,
    openapi_extra=WRITE,
    summary="Save a segment, or change it",
    responses={
        200: {"model": SegmentView, "description": "it is so already"},
        **problem_responses({422: UNFIT}),
    },
)
async def put_segment(http: HttpRequest, name: Annotated[SegmentName, Path()], draft: SegmentDraft) -> Response:
    _refuse_faults(draft)
    return await ask(http, KeepSegment(name, document_of(draft), caller(http).name), render_segment, None)


@router.delete(
    "/segments/{name}",
    status_code=204,
    openapi_extra=WRITE,
    summary="Let there be no such segment any more",
    responses=problem_responses({404: ["segment-unknown"], 409: ["segment-needed"]}),
)
async def delete_segment(http: HttpRequest, name: asking.Segment) -> Response:
    return await ask(http, DropSegment(name), render_dropped, None)


@router.get(
    "/segments",
    response_model=SegmentPage,
    openapi_extra=READ,
    summary="Segments by their names",
    responses=problem_responses({422: ["cursor-invalid"]}),
)
async def list_segments(http: HttpRequest, limit: Limit = 50, cursor: Cursor = None) -> Response:
    after = decode_cursor(cursor, str)[0] if cursor else ""
    async with service_of(http).engine.connect() as connection:
        found = await queries.segments(connection, after=after, limit=limit + 1)
    return page([segment_view(each) for each in found], limit, "name")


@router.get(
    "/segments/{name}",
    response_model=SegmentView,
    openapi_extra=READ,
    summary="A segment as it is saved",
    responses=problem_responses({404: ["segment-unknown"]}),
)
async def get_segment(http: HttpRequest, name: asking.Segment) -> Response:
    async with service_of(http).engine.connect() as connection:
        return as_json(segment_view(await find_segment(connection, name)))


@router.post(
    "/segments/preview",
    response_model=SegmentPreview,
    openapi_extra=READ,
    summary="How many customers a filter holds for now, and the first of them; changes nothing",
    responses=problem_responses({422: UNFIT}),
)
async def preview(http: HttpRequest, draft: SegmentDraft) -> Response:
    _refuse_faults(draft)
    now, currency = service_of(http).clock(), (await service_of(http).programme_now()).programme.currency
    async with service_of(http).engine.connect() as connection:
        found = await queries.customers(connection, draft, now=now, after="", limit=FIRST_CUSTOMERS)
        count = await queries.count(connection, draft, now=now)
    return as_json({"count": count, "customers": [customer_view(each, currency) for each in found]})


def _refuse_faults(segment: Segment) -> None:
    found = faults(segment)
    if found:
        errors = [InvalidField(pointer=each.pointer, code=each.code, detail=each.detail) for each in found]
        raise ProblemError(422, found[0].code, found[0].detail, errors=errors)
