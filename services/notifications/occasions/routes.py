"""Occasions over REST: what there is, and a preview of one; it writes nothing."""

import datetime as dt

from fastapi import APIRouter, Response
from fastapi import Request as HttpRequest
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.asking import service_of
from services.notifications.loading import load_segments
from services.notifications.occasions.answers import (
    Summary,
    occasion_view,
    preview_view,
    proposal_view,
    season_of,
)
from services.notifications.occasions.proposals import Place, Search, Span, proposals
from services.notifications.occasions.schemas import OccasionList, PreviewAnswer, ProposalPage, Question
from services.notifications.planning import counted
from services.notifications.programme import AnyOccasion, Programme, faults
from services.notifications.rules.costs import Bill
from services.notifications.segments import Segment
from shared.asking import Cursor, Limit, as_json, page
from shared.auth import Guarded, needs
from shared.errors import InvalidField, ProblemError, field_error, problem_responses
from shared.http import decode_cursor

router = APIRouter(prefix="/v1", route_class=Guarded, tags=["occasions"])

READ = needs("occasions:read")
LONGEST = dt.timedelta(days=366)
REFUSED = problem_responses({404: ["occasion-unknown"], 422: ["occasion-faulty", "days-invalid", "segment-unknown"]})


@router.get("/occasions", response_model=OccasionList, openapi_extra=READ, summary="The occasions of the programme")
async def list_occasions(http: HttpRequest) -> Response:
    notifications = service_of(http)
    programme = (await notifications.programme_now()).programme
    today = notifications.clock().astimezone(programme.zone).date()
    shown = []
    async with notifications.engine.connect() as connection:
        for terms in programme.occasions:
            season = season_of(terms, today)
            customers = {} if season is None else await counted(connection, terms, season)
            shown.append(occasion_view(terms, season, customers))
    return as_json({"data": shown})


@router.post(
    "/occasions/preview",
    response_model=PreviewAnswer,
    openapi_extra=READ,
    summary="Who would get what on which day, and what it would cost; changes nothing",
    responses=REFUSED,
)
async def preview(http: HttpRequest, question: Question) -> Response:
    notifications = service_of(http)
    programme = (await notifications.programme_now()).programme
    terms, span, now = _terms(question, programme), _span(question), notifications.clock()
    summary = Summary(Bill(terms.benefit))
    async with notifications.engine.connect() as connection:
        search = Search(terms, await _segment(connection, terms), span)
        async for batch in proposals(connection, search, programme, now=now):
            for each in batch:
                summary.add(each)
    return as_json(preview_view(terms, summary, programme, question.redemption_share))


@router.post(
    "/occasions/preview/customers",
    response_model=ProposalPage,
    openapi_extra=READ,
    summary="The customers of a preview, page by page",
    responses=problem_responses(
        {404: ["occasion-unknown"], 422: ["cursor-invalid", "days-invalid", "occasion-faulty", "segment-unknown"]}
    ),
)
async def preview_customers(
    http: HttpRequest, question: Question, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    notifications = service_of(http)
    programme = (await notifications.programme_now()).programme
    terms, span, now = _terms(question, programme), _span(question), notifications.clock()
    found = []
    async with notifications.engine.connect() as connection:
        search = Search(terms, await _segment(connection, terms), span)
        async for batch in proposals(connection, search, programme, now=now, after=_place(cursor)):
            found += [proposal_view(each) for each in batch]
            if len(found) > limit:
                break
    return page(found, limit, "season", "about", "customer_id")


def _terms(question: Question, programme: Programme) -> AnyOccasion:
    """Return the occasion that is asked for; a draft has to fit the programme."""
    if isinstance(question.occasion, str):
        for each in programme.occasions:
            if each.name == question.occasion:
                return each
        raise ProblemError(404, "occasion-unknown", f"the programme has no occasion {question.occasion}")
    found = faults(programme.model_copy(update={"occasions": [question.occasion]}))
    if found:
        errors = [
            InvalidField(pointer=each.pointer.replace("/occasions/0", "/occasion"), code=each.code, detail=each.detail)
            for each in found
        ]
        raise ProblemError(422, "occasion-faulty", f"{errors[0].pointer}: {errors[0].detail}", errors=errors)
    return question.occasion


async def _segment(connection: AsyncConnection, terms: AnyOccasion) -> Segment | None:
    segment = (await load_segments(connection, [terms.segment])).get(terms.segment)
    if terms.segment is not None and segment is None:
        raise field_error("/occasion/segment", "segment-unknown", f"there is no segment {terms.segment}")
    return segment


def _span(question: Question) -> Span:
    if not dt.timedelta() <= question.until - question.from_ < LONGEST:
        raise field_error("/until", "days-invalid", "it is not before `from`, and at most 365 days after it")
    return Span(question.from_, question.until)


def _place(cursor: str | None) -> Place | None:
    if cursor is None:
        return None
    season, about, customer_id = decode_cursor(cursor, int, str, str)
    try:
        return Place(season, dt.date.fromisoformat(about), customer_id)
    except ValueError:
        return Place(season, dt.date.max, customer_id)
