"""Templates over REST: read, saved, and looked at before anybody else gets to see them."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Response
from fastapi import Request as HttpRequest
from fastapi.responses import HTMLResponse

from services.notifications.asking import service_of
from services.notifications.service import NotificationsService
from services.notifications.templates import document
from services.notifications.templates.document import Stored, Template
from services.notifications.templates.rendering import Rendered
from services.notifications.wording import queries
from services.notifications.wording.schemas import (
    Preview,
    SavedVersionPage,
    TemplateDraft,
    TemplateList,
    TemplateView,
)
from shared.asking import Cursor, Limit, as_json, page
from shared.auth import Guarded, caller, needs, request_id
from shared.contracts.coupons import Language
from shared.database import database_errors
from shared.documents import Fault, Name, UnpublishableError
from shared.errors import InvalidField, ProblemError, field_error, parameter_error, problem_responses
from shared.http import decode_cursor
from shared.publishing import MOST_VERSIONS

router = APIRouter(prefix="/v1", route_class=Guarded, tags=["templates"])

READ, WRITE = needs("templates:read"), needs("templates:write")
UNKNOWN = {404: ["template-unknown"]}
CSP = "default-src 'none'; style-src 'unsafe-inline'; img-src https: data:; sandbox"
SHOWN: dict[int | str, dict[str, Any]] = {
    200: {"description": "as JSON, or as a page for `Accept: text/html`", "content": {"text/html": {}}}
}

TemplateName = Annotated[Name, Path()]
Number = Annotated[int, Path(ge=1, le=MOST_VERSIONS)]
Wanted = Annotated[Language, Query()]
Accept = Annotated[str, Header(include_in_schema=False)]


@router.get("/templates", response_model=TemplateList, openapi_extra=READ, summary="All templates that hold")
async def list_templates(http: HttpRequest) -> Response:
    service = service_of(http)
    async with database_errors(), service.engine.connect() as connection:
        held, saved = await service.delivery.templates(connection), await queries.latest(connection)
    return as_json({"data": [_brief(held[name], saved.get(name)) for name in sorted(held)]})


@router.post(
    "/templates/preview",
    response_model=Preview,
    openapi_extra=READ,
    summary="What a template would look like; saves nothing",
    responses={**SHOWN, **problem_responses({422: ["language-missing", "template-faulty"]})},
)
async def preview_draft(
    http: HttpRequest, draft: TemplateDraft, language: Wanted = "en", accept: Accept = ""
) -> Response:
    template = _checked(draft, (await service_of(http).programme_now()).programme.default_language)
    return _shown(template, language, accept)


@router.get(
    "/templates/{name:segment}",
    response_model=TemplateView,
    openapi_extra=READ,
    summary="The template that holds under a name",
    responses=problem_responses(UNKNOWN),
)
async def get_template(http: HttpRequest, name: TemplateName) -> Response:
    service = service_of(http)
    async with database_errors(), service.engine.connect() as connection:
        stored, saved = await _held(service, connection, name), await queries.latest(connection)
    return as_json(_view(stored, saved.get(name)))


@router.put(
    "/templates/{name:segment}",
    response_model=TemplateView,
    openapi_extra=WRITE,
    summary="Save a template as a new version; the same one again changes nothing",
    responses={
        201: {"model": TemplateView, "description": "saved"},
        **problem_responses({422: ["template-faulty", "template-unfit"]}),
    },
)
async def put_template(http: HttpRequest, name: TemplateName, draft: TemplateDraft) -> Response:
    service = service_of(http)
    template = _checked(draft, (await service.programme_now()).programme.default_language)
    try:
        saved, is_new = await service.save_template(
            name, template, actor=caller(http).name, request_id=request_id(http)
        )
    except UnpublishableError as error:
        raise field_error(error.pointer, error.code, str(error)) from None
    async with database_errors(), service.engine.connect() as connection:
        by = await queries.version(connection, name, saved.version)
    return as_json(_view(saved, by), 201 if is_new else 200)


@router.get(
    "/templates/{name:segment}/preview",
    response_model=Preview,
    openapi_extra=READ,
    summary="What messages from a template look like",
    responses={**SHOWN, **problem_responses({**UNKNOWN, 422: ["language-missing"]})},
)
async def preview_template(
    http: HttpRequest, name: TemplateName, language: Wanted = "en", accept: Accept = ""
) -> Response:
    service = service_of(http)
    async with database_errors(), service.engine.connect() as connection:
        stored = await _held(service, connection, name)
    return _shown(stored.template, language, accept)


@router.get(
    "/templates/{name:segment}/versions",
    response_model=SavedVersionPage,
    openapi_extra=READ,
    summary="All versions that were saved under a name, the newest first",
    responses=problem_responses({422: ["cursor-invalid"]}),
)
async def list_versions(http: HttpRequest, name: TemplateName, limit: Limit = 50, cursor: Cursor = None) -> Response:
    before = decode_cursor(cursor, int)[0] if cursor else MOST_VERSIONS
    async with database_errors(), service_of(http).engine.connect() as connection:
        rows = await queries.versions(connection, name, before=min(before, MOST_VERSIONS), limit=limit + 1)
    return page(rows, limit, "version")


@router.get(
    "/templates/{name:segment}/versions/{version}",
    response_model=TemplateView,
    openapi_extra=READ,
    summary="A version that was saved",
    responses=problem_responses({404: ["version-unknown"]}),
)
async def get_version(http: HttpRequest, name: TemplateName, version: Number) -> Response:
    async with database_errors(), service_of(http).engine.connect() as connection:
        found = await queries.version(connection, name, version)
    if found is None:
        raise ProblemError(404, "version-unknown", f"no version {version} of {name!r} was saved")
    return as_json(found | {"template": found["template"].model_dump(mode="json")})


async def _held(service: NotificationsService, connection: Any, name: str) -> Stored:
    found = (await service.delivery.templates(connection)).get(name)
    if found is None:
        raise ProblemError(404, "template-unknown", f"there is no template {name!r}")
    return found


def _checked(draft: TemplateDraft, default_language: str) -> Template:
    template = Template(kind=draft.kind, texts=draft.texts)
    found = document.faults(template, languages=[default_language])
    if found:
        raise _faulty(found)
    return template


def _faulty(found: Sequence[Fault]) -> ProblemError:
    errors = [InvalidField(pointer=each.pointer, code=each.code, detail=each.detail) for each in found]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return ProblemError(422, "template-faulty", f"{errors[0].pointer}: {errors[0].detail}{more}", errors=errors)


def _shown(template: Template, language: str, accept: str) -> Response:
    if language not in template.texts:
        raise parameter_error("language", "language-missing", f"there is no text in {language}")
    rendered = document.preview(template, language)
    return _page(rendered) if _prefers_html(accept) else as_json(rendered._asdict())


def _page(rendered: Rendered) -> Response:
    return HTMLResponse(rendered.html, headers={"Content-Security-Policy": CSP, "X-Content-Type-Options": "nosniff"})


def _prefers_html(accept: str) -> bool:
    kinds = [each.split(";")[0].strip() for each in accept.lower().split(",")]
    return next((kind for kind in kinds if kind in {"text/html", "application/json"}), None) == "text/html"


def _brief(stored: Stored, saved: dict[str, Any] | None) -> dict[str, Any]:
    about = {"kind": stored.template.kind, "languages": sorted(stored.template.texts)}
    return {"name": stored.name, "version": stored.version, **about, **_by(saved)}


def _view(stored: Stored, saved: dict[str, Any] | None) -> dict[str, Any]:
    template = stored.template.model_dump(mode="json")
    return {"name": stored.name, "version": stored.version, **_by(saved), "template": template}


def _by(saved: dict[str, Any] | None) -> dict[str, Any]:
    return {each: None if saved is None else saved[each] for each in ("saved_at", "saved_by")}
