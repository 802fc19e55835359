"""A service's programme over REST: what holds, its versions, their differences, and another one published."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic

from fastapi import APIRouter, Path, Query, Response
from fastapi import Request as HttpRequest
from pydantic import BaseModel, ConfigDict

from shared.asking import Cursor, Limit, as_json, page
from shared.auth import Guarded, caller, needs, request_id
from shared.contracts.values import Instant
from shared.differences import differences
from shared.documents import Content, Document, Fault, UnpublishableError, Version
from shared.errors import InvalidField, ProblemError, field_error, problem_responses
from shared.http import decode_cursor
from shared.publishing import MOST_VERSIONS, Publishing

READ = needs("programme:read")
Number = Annotated[int, Path(ge=1, le=MOST_VERSIONS)]
NumberQuery = Annotated[int, Query(ge=1, le=MOST_VERSIONS)]


class Draft(BaseModel, Generic[Content]):
    """A programme to be published; without `valid_from` it holds from now on."""

    model_config = ConfigDict(extra="forbid")

    programme: Content
    valid_from: Instant | None = None


class View(BaseModel, Generic[Content]):
    """A published programme; the first version is valid from the beginning of time."""

    version: int
    valid_from: dt.datetime
    programme: Content


class VersionBrief(BaseModel):
    """A published version, without its document."""

    version: int
    valid_from: dt.datetime
    published_at: dt.datetime
    published_by: str


class VersionPage(BaseModel):
    """A page of published versions, the newest first."""

    data: list[VersionBrief]
    next_cursor: str | None


class FullVersion(VersionBrief, Generic[Content]):
    """A published version, and who published it when."""

    programme: Content


class DifferenceView(BaseModel):
    """A value that differs; `pointer` leads into the newer programme, of what is gone from it into the older one."""

    pointer: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Forms(Generic[Content]):
    """A service's own programme: as it is sent and shown, what is wrong with one, and why a right one may be refused."""

    draft: type[Draft[Content]]
    view: type[View[Content]]
    version: type[FullVersion[Content]]
    differences: type[BaseModel]
    faults: Callable[[Content], Sequence[Fault]]
    refusals: Sequence[str] = ()


def service_of(http: HttpRequest) -> Publishing[Any, Any, Any]:
    service: Publishing[Any, Any, Any] = http.app.state.service
    return service


def programme_routes(forms: Forms[Content]) -> APIRouter:
    """Return the routes of a service's programme."""
    router = APIRouter(prefix="/v1", route_class=Guarded, tags=["programme"])
    _add_current(router, forms)
    _add_versions(router, forms)
    _add_differences(router, forms)
    return router


def _add_current(router: APIRouter, forms: Forms[Content]) -> None:
    @router.get("/programme", response_model=forms.view, openapi_extra=READ, summary="The programme that holds now")
    async def get_programme(http: HttpRequest) -> Response:
        return as_json(_view(await service_of(http).programme_now()))

    @router.put(
        "/programme",
        response_model=forms.view,
        openapi_extra=needs("programme:write"),
        summary="Publish a programme as a new version; the same document again changes nothing",
        responses={
            201: {"model": forms.view, "description": "published"},
            **problem_responses({422: ["programme-faulty", *forms.refusals, "valid-from-past"]}),
        },
    )
    async def put_programme(http: HttpRequest, draft: forms.draft) -> Response:  # type: ignore[name-defined]
        version, is_new = await _publish(http, draft, forms.faults(draft.programme))
        return as_json(_view(version), 201 if is_new else 200)


def _add_versions(router: APIRouter, forms: Forms[Content]) -> None:
    @router.get(
        "/programme/versions",
        response_model=VersionPage,
        openapi_extra=READ,
        summary="All published versions, the newest first",
        responses=problem_responses({422: ["cursor-invalid"]}),
    )
    async def list_versions(http: HttpRequest, limit: Limit = 50, cursor: Cursor = None) -> Response:
        before = decode_cursor(cursor, int)[0] if cursor else MOST_VERSIONS
        rows = await service_of(http).programmes(before=min(before, MOST_VERSIONS), limit=limit + 1)
        return page(rows, limit, "version")

    @router.get(
        "/programme/versions/{version}",
        response_model=forms.version,
        openapi_extra=READ,
        summary="A published version",
        responses=problem_responses({404: ["version-unknown"]}),
    )
    async def get_version(http: HttpRequest, version: Number) -> Response:
        found = await _version(http, version)
        return as_json(found | {"programme": _document(found["programme"])})


def _add_differences(router: APIRouter, forms: Forms[Content]) -> None:
    @router.get(
        "/programme/diff",
        response_model=forms.differences,
        openapi_extra=READ,
        summary="What differs between two versions",
        responses=problem_responses({404: ["version-unknown"]}),
    )
    async def compare_versions(http: HttpRequest, before: NumberQuery, after: NumberQuery) -> Response:
        older, newer = [(await _version(http, number))["programme"] for number in (before, after)]
        return as_json({"data": differences(older, newer)})

    @router.post(
        "/programme/diff",
        response_model=forms.differences,
        openapi_extra=READ,
        summary="What differs between the programme that holds now and a draft",
        responses=problem_responses(),
    )
    async def compare_draft(http: HttpRequest, draft: forms.draft) -> Response:  # type: ignore[name-defined]
        current = await service_of(http).programme_now()
        return as_json({"data": differences(current.programme, draft.programme)})


async def _publish(http: HttpRequest, draft: Draft[Any], found: Sequence[Fault]) -> tuple[Version[Any], bool]:
    service = service_of(http)
    now = service.clock()
    valid_from = draft.valid_from or now
    if valid_from < now:
        detail = "what was earned by the rules of its day stays; choose a later instant"
        raise field_error("/valid_from", "valid-from-past", detail)
    if found:
        raise _faulty(found)
    by = {"actor": caller(http).name, "request_id": request_id(http)}
    try:
        return await service.publish(draft.programme, valid_from=valid_from, now=now, **by)
    except UnpublishableError as error:
        raise field_error(f"/programme{error.pointer}", error.code, str(error)) from None


def _faulty(found: Sequence[Fault]) -> ProblemError:
    """Return the problem of a programme whose parts do not fit together, each with its pointer."""
    errors = [wrong(each) for each in found]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return ProblemError(422, "programme-faulty", f"{errors[0].pointer}: {errors[0].detail}{more}", errors=errors)


def wrong(fault: Fault) -> InvalidField:
    """Return a fault as a draft that was sent has it."""
    return InvalidField(pointer=f"/programme{fault.pointer}", code=fault.code, detail=fault.detail)


async def _version(http: HttpRequest, number: int) -> dict[str, Any]:
    found = await service_of(http).programme(number)
    if found is None:
        raise ProblemError(404, "version-unknown", f"no version {number} of the programme was published")
    return found


def _view(version: Version[Any]) -> dict[str, Any]:
    return {"version": version.version, "valid_from": version.valid_from, "programme": _document(version.programme)}


def _document(programme: Document) -> dict[str, Any]:
    return programme.model_dump(mode="json", by_alias=True)
