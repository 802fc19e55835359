"""The programme over REST: what holds, its versions and their differences, a draft tried on the past, its campaigns."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from fastapi import Request as HttpRequest

from services.points import queries
from services.points.decisions import snapshots
from services.points.ledger import RevealedError
from services.points.programme import Campaign, Programme, Version, faults
from services.points.queries import MOST_VERSIONS
from services.points.routes import service_of
from services.points.rules import campaigns, draws
from services.points.rules.earning import UNUSED, Use
from services.points.rules.trial import Comparison, Judged
from services.points.schemas import (
    CampaignPage,
    DifferenceList,
    ProgrammeDraft,
    ProgrammeTrial,
    ProgrammeView,
    TrialAnswer,
    VersionPage,
    VersionView,
)
from shared.asking import Cursor, Limit, as_json, page
from shared.auth import Guarded, caller, needs, request_id
from shared.differences import differences
from shared.documents import Fault
from shared.errors import InvalidField, ProblemError, field_error, problem_responses
from shared.http import decode_cursor

router = APIRouter(prefix="/v1", route_class=Guarded, tags=["programme"])

READ = needs("programme:read")
Number = Annotated[int, Path(ge=1, le=MOST_VERSIONS)]
NumberQuery = Annotated[int, Query(ge=1, le=MOST_VERSIONS)]


@router.get("/programme", response_model=ProgrammeView, openapi_extra=READ, summary="The programme that holds now")
async def get_programme(http: HttpRequest) -> Response:
    return as_json(_view(await service_of(http).programme_now()))


@router.put(
    "/programme",
    response_model=ProgrammeView,
    openapi_extra=needs("programme:write"),
    summary="Publish a programme as a new version; the same document again changes nothing",
    responses={
        201: {"model": ProgrammeView, "description": "published"},
        **problem_responses({422: ["programme-faulty", "secret-revealed", "valid-from-past"]}),
    },
)
async def put_programme(http: HttpRequest, draft: ProgrammeDraft) -> Response:
    points = service_of(http)
    now = points.clock()
    valid_from = draft.valid_from or now
    if valid_from < now:
        detail = "what was earned by the rules of its day stays; choose a later instant"
        raise field_error("/valid_from", "valid-from-past", detail)
    found = faults(draft.programme)
    if found:
        raise programme_faulty(found)
    try:
        version, is_new = await points.publish(
            draft.programme, valid_from=valid_from, now=now, actor=caller(http).name, request_id=request_id(http)
        )
    except RevealedError as error:
        raise field_error("/programme/campaigns", "secret-revealed", str(error)) from None
    return as_json(_view(version), 201 if is_new else 200)


@router.get(
    "/programme/versions",
    response_model=VersionPage,
    openapi_extra=READ,
    summary="All published versions, the newest first",
    responses=problem_responses({422: ["cursor-invalid"]}),
)
async def list_versions(http: HttpRequest, limit: Limit = 50, cursor: Cursor = None) -> Response:
    before = decode_cursor(cursor, int)[0] if cursor else MOST_VERSIONS
    async with service_of(http).engine.connect() as connection:
        rows = await queries.programmes(connection, before=min(before, MOST_VERSIONS), limit=limit + 1)
    return page(rows, limit, "version")


@router.get(
    "/programme/versions/{version}",
    response_model=VersionView,
    openapi_extra=READ,
    summary="A published version",
    responses=problem_responses({404: ["version-unknown"]}),
)
async def get_version(http: HttpRequest, version: Number) -> Response:
    found = await _version(http, version)
    return as_json(found | {"programme": _document(found["programme"])})


@router.get(
    "/programme/diff",
    response_model=DifferenceList,
    openapi_extra=READ,
    summary="What differs between two versions",
    responses=problem_responses({404: ["version-unknown"]}),
)
async def compare_versions(http: HttpRequest, before: NumberQuery, after: NumberQuery) -> Response:
    older, newer = [(await _version(http, number))["programme"] for number in (before, after)]
    return as_json({"data": differences(older, newer)})


@router.post(
    "/programme/diff",
    response_model=DifferenceList,
    openapi_extra=READ,
    summary="What differs between the programme that holds now and a draft",
    responses=problem_responses(),
)
async def compare_draft(http: HttpRequest, draft: ProgrammeDraft) -> Response:
    current = await service_of(http).programme_now()
    return as_json({"data": differences(current.programme, draft.programme)})


@router.post(
    "/programme/preview",
    response_model=TrialAnswer,
    openapi_extra=READ,
    summary="What a draft would change, tried on a sample of past purchases; publishes nothing",
    responses=problem_responses(),
)
async def try_programme(http: HttpRequest, draft: ProgrammeTrial) -> Response:
    current = await service_of(http).programme_now()
    found = [_wrong(each) for each in faults(draft.programme)]
    answer: dict[str, Any] = {
        "against": current.version,
        "faults": [each.model_dump() for each in found],
        "sample": None,
    }
    if not found:
        compared = await service_of(http).try_out(
            draft.programme, current, largest=draft.largest, open_windows=draft.open_windows
        )
        answer["sample"] = comparison_view(compared)
    return as_json(answer)


@router.get(
    "/campaigns",
    response_model=CampaignPage,
    openapi_extra=READ,
    summary="The campaigns of the programme: where they are, what they gave, what their budgets have left",
)
async def list_campaigns(http: HttpRequest) -> Response:
    points = service_of(http)
    listed = (await points.programme_now()).programme.campaigns
    async with points.engine.connect() as connection:
        uses = await queries.campaign_uses(connection, [each.name for each in listed])
        secrets = await queries.draw_secrets(connection)
    data = [
        _campaign(each, *uses.get(each.name, (UNUSED, 0)), points.clock()) | {"draw": _draw(each, secrets)}
        for each in listed
    ]
    return as_json({"data": data, "next_cursor": None})


def programme_faulty(found: Sequence[Fault]) -> ProblemError:
    """Return the problem of a programme whose parts do not fit together, each with its pointer."""
    errors = [_wrong(each) for each in found]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return ProblemError(422, "programme-faulty", f"{errors[0].pointer}: {errors[0].detail}{more}", errors=errors)


def _wrong(fault: Fault) -> InvalidField:
    return InvalidField(pointer=f"/programme{fault.pointer}", code=fault.code, detail=fault.detail)


async def _version(http: HttpRequest, number: int) -> dict[str, Any]:
    async with service_of(http).engine.connect() as connection:
        found = await queries.programme(connection, number)
    if found is None:
        raise ProblemError(404, "version-unknown", f"no version {number} of the programme was published")
    return found


def _view(version: Version) -> dict[str, Any]:
    return {"version": version.version, "valid_from": version.valid_from, "programme": _document(version.programme)}


def _document(programme: Programme) -> dict[str, Any]:
    return programme.model_dump(mode="json", by_alias=True)


def _campaign(campaign: Campaign, given: Use, customers: int, now: dt.datetime) -> dict[str, Any]:
    budget = campaign.budget
    return {
        "name": campaign.name,
        "state": campaigns.state(campaign, given, now),
        "early_from": campaign.early_access.valid_from if campaign.early_access else None,
        "valid_from": campaign.valid_from,
        "valid_until": campaign.valid_until,
        "given": {"points": given.points, "awards": given.awards, "customers": customers},
        "budget": None if budget is None else {"points": budget.points, "awards": budget.awards},
        "left": None if budget is None else campaigns.rest(budget, given),
    }


def _draw(campaign: Campaign, secrets: dict[str, bytes]) -> dict[str, Any] | None:
    """Return what is public of a draw."""
    if campaign.share is None:
        return None
    return {"share": str(campaign.share), "commitment": draws.commitment(secrets[campaign.name])}


# A trial as it is shown


def comparison_view(compared: Comparison) -> dict[str, Any]:
    """Return what a draft would have changed, as answers show it."""
    return {
        "purchases": compared.purchases,
        "changed": compared.changed,
        "refused": compared.refused,
        "points": _both(compared.points),
        "rules": [{"rule": rule} | _both(both) for rule, both in compared.rules.items()],
        "largest": [_judged(each) for each in compared.largest],
    }


def _both(both: tuple[int, int]) -> dict[str, int]:
    return {"before": both[0], "after": both[1]}


def _judged(each: Judged) -> dict[str, Any]:
    sample = each.sample
    return {
        "shop_id": sample.shop_id,
        "invoice_number": sample.invoice_number,
        "customer_id": sample.customer_id,
        "occurred_at": sample.sale.occurred_at,
        "total": str(sample.sale.total),
        "currency": sample.currency,
        "points": _both(each.points),
        "before": snapshots.lines(each.before),
        "after": None if each.after is None else snapshots.lines(each.after),
    }
