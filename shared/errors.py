"""Every refusal as a problem document (RFC 9457) with a stable code: how it is raised, answered and documented."""

import http
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import asyncpg
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from shared.database import CollisionError, DatabaseAwayError, UnusableError, database_errors_unless_collision

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2
MOST_ERRORS = 100
"""So many wrong fields are named; a document of a megabyte could have a hundred thousand."""


class InvalidField(BaseModel):
    """What is wrong with one field; `pointer` (RFC 6901) leads into the body, `parameter` names one of the request."""

    pointer: str | None = None
    parameter: str | None = None
    code: str
    detail: str


class Problem(BaseModel):
    """Why a request was refused; `code` is stable and meant for programs, `detail` for people."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:loyalty:problem:request-invalid",
                    "title": "Request invalid",
                    "status": 422,
                    "code": "request-invalid",
                    "detail": "/total: Field required",
                    "errors": [{"pointer": "/total", "code": "missing", "detail": "Field required"}],
                }
            ]
        },
    )

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[InvalidField] | None = None

    def body(self) -> bytes:
        """The document, as it is sent and stored."""
        return self.model_dump_json(exclude_none=True).encode()

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        """The answer with this document."""
        return Response(self.body(), self.status, dict(headers or {}), MEDIA_TYPE)


def problem(status: int, code: str, detail: str, errors: Sequence[InvalidField] = (), **more: object) -> Problem:
    """A document whose type and title follow from its code; `more` are members of its own, like `available`."""
    title = code.replace("-", " ").capitalize()
    named = list(errors) or None
    return Problem(
        type=f"urn:loyalty:problem:{code}", title=title, status=status, code=code, detail=detail, errors=named, **more
    )


class ProblemError(HTTPException):
    """Raise it anywhere below a route: the request is answered with its problem."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[InvalidField] = (),
        headers: Mapping[str, str] | None = None,
        **more: object,
    ) -> None:
        super().__init__(status, detail, headers)
        self.problem = problem(status, code, detail, errors, **more)


def parameter_error(parameter: str, code: str, detail: str) -> ProblemError:
    """A query, path or header parameter that is wrong by a rule of ours."""
    wrong = InvalidField(parameter=parameter, code=code, detail=detail)
    return ProblemError(422, code, f"{parameter}: {detail}", errors=[wrong])


def field_error(pointer: str, code: str, detail: str) -> ProblemError:
    """A field of the body that is wrong by a rule of ours."""
    return ProblemError(422, code, detail, errors=[InvalidField(pointer=pointer, code=code, detail=detail)])


# Where a validation error points


def pointer(location: Iterable[str | int], document: object, *, missing: bool = False) -> str:
    """The JSON pointer of a validation error in the document it judges; the last step of a `missing` field is not there.

    Validators put names of their own into a location (the tag of a union, say), which no document has: they are left out.
    """
    steps: list[str | int] = []
    strangers: list[str | int] = []
    for step in location:
        found, document = _enter(document, step)
        (steps if found else strangers).append(step)
    if missing and strangers:
        steps.append(strangers[-1])
    return "".join("/" + _readable(step).replace("~", "~0").replace("/", "~1") for step in steps)


def _enter(document: object, step: str | int) -> tuple[bool, object]:
    if isinstance(document, dict) and step in document:
        return True, document[step]
    if isinstance(document, list) and isinstance(step, int) and 0 <= step < len(document):
        return True, document[step]
    return False, document


def _readable(step: str | int) -> str:
    """A name in a JSON text may hold half a surrogate pair, which no answer could."""
    return str(step).encode(errors="replace").decode()


def invalid_fields(errors: Iterable[Mapping[str, Any]], document: object) -> list[InvalidField]:
    """The errors of a pydantic validation of `document`, as a problem names them."""
    return [
        InvalidField(
            pointer=pointer(error["loc"], document, missing=error["type"] == "missing"),
            code=error["type"].replace("_", "-"),
            detail=error["msg"].removeprefix("Value error, "),
        )
        for error in errors
    ]


def _field_of_request(error: Mapping[str, Any], body: object) -> InvalidField:
    place, *location = error["loc"]
    (field,) = invalid_fields([{**error, "loc": location}], body)
    if place == "body":
        return field
    return field.model_copy(update={"pointer": None, "parameter": _readable(location[0]) if location else place})


# The answers


async def _refused(_request: Request, error: ProblemError) -> Response:
    return error.problem.response(error.headers)


async def _invalid(_request: Request, error: RequestValidationError) -> Response:
    errors = error.errors()
    if errors[0]["type"] == "json_invalid":
        return _malformed(
            f"the body is no JSON: {errors[0]['ctx']['error']} at character {errors[0]['loc'][1]}"
        ).response()
    if isinstance(error.body, bytes) and any(each["loc"] == ("body",) for each in errors):
        detail = "the body should be JSON and say so: Content-Type: application/json"
        return problem(415, "media-type-unsupported", detail).response()
    fields = [_field_of_request(each, error.body) for each in errors[:MOST_ERRORS]]
    where = fields[0].parameter or fields[0].pointer or "the body"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return problem(422, "request-invalid", f"{where}: {fields[0].detail}{more}", fields).response()


def _malformed(detail: str) -> Problem:
    return problem(422, "json-malformed", detail, [InvalidField(pointer="", code="json-malformed", detail=detail)])


CODES = {
    401: "unauthorized",
    403: "forbidden",
    404: "path-unknown",
    405: "method-not-allowed",
    413: "request-too-large",
    415: "media-type-unsupported",
    429: "too-many-requests",
}


async def _http_error(request: Request, error: HTTPException) -> Response:
    if error.status_code == http.HTTPStatus.BAD_REQUEST:  # the framework's word for bytes that no JSON parser takes
        return _malformed("the body is no JSON").response()
    details = {404: "there is nothing at this path", 405: f"{request.method} is not possible here"}
    detail = details.get(error.status_code, error.detail)
    code = CODES.get(error.status_code, f"http-{error.status_code}")
    headers = {"Allow": _allowed(request)} if error.status_code == http.HTTPStatus.METHOD_NOT_ALLOWED else error.headers
    return problem(error.status_code, code, detail).response(headers)


def _allowed(request: Request) -> str:
    """All methods of this path; the framework names those of the first route only."""
    methods = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
    asked = ((method, {**request.scope, "method": method}) for method in methods)
    routes = request.app.router.routes
    return ", ".join(
        method for method, scope in asked if any(route.matches(scope)[0] is Match.FULL for route in routes)
    )


async def _database_error(_request: Request, error: Exception) -> Response:
    try:
        async with database_errors_unless_collision():
            raise error
    except (DatabaseAwayError, PoolTimeoutError, CollisionError):
        detail = "the database can't answer now; nothing was done, the same request may work later"
        return problem(503, "database-away", detail).response({"Retry-After": str(RETRY_AFTER_SECONDS)})
    except UnusableError:
        return problem(422, "content-unusable", "the database can't keep this content").response()


async def _unexpected(_request: Request, _error: Exception) -> Response:
    # the server logs the error itself; the outside learns nothing about the inside
    return problem(
        500, "internal-error", "something went wrong here; the request may or may not have been done"
    ).response()


Handler = Callable[[Request, Any], Awaitable[Response]]

HANDLERS: Mapping[type[Exception], Handler] = {
    ProblemError: _refused,
    RequestValidationError: _invalid,
    HTTPException: _http_error,
    DatabaseAwayError: _database_error,
    UnusableError: _database_error,
    DBAPIError: _database_error,
    PoolTimeoutError: _database_error,
    asyncpg.PostgresError: _database_error,
    asyncpg.InterfaceError: _database_error,
    asyncpg.InternalClientError: _database_error,
    Exception: _unexpected,
}


def answer_with_problems(app: FastAPI) -> None:
    """Let every error of an application leave as a problem document."""
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)


# The documents


def problem_responses(codes: Mapping[int, Sequence[str]] | None = None) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route: its own refusals by status, and those that every route knows.

    `problem_responses({404: ["account-unknown"], 409: ["insufficient-points"]})`
    """
    known: dict[int, list[str]] = {
        413: ["request-too-large"],
        415: ["media-type-unsupported"],
        422: ["request-invalid"],
        503: ["database-away"],
    }
    for status, own in (codes or {}).items():
        known[status] = [*own, *known.get(status, [])]
    return {status: _documented(status, named) for status, named in sorted(known.items())}


def _documented(status: int, codes: Sequence[str]) -> dict[str, Any]:
    examples = {
        code: {
            "value": problem(status, code, http.HTTPStatus(status).description or code).model_dump(exclude_none=True)
        }
        for code in codes
    }
    return {
        "model": Problem,
        "description": ", ".join(f"`{code}`" for code in codes),
        "content": {MEDIA_TYPE: {"examples": examples}},
    }


def document_problems(openapi: dict[str, Any]) -> dict[str, Any]:
    """Give problems their media type in an OpenAPI document, which the framework puts under that of the route's answers."""
    for operations in openapi.get("paths", {}).values():
        for operation in operations.values():
            for response in operation.get("responses", {}).values():
                _move_problem(response.get("content", {}))
    schemas = openapi.get("components", {}).get("schemas", {})
    for replaced in ("HTTPValidationError", "ValidationError"):
        schemas.pop(replaced, None)
    return openapi


def _move_problem(content: dict[str, Any]) -> None:
    for media_type, body in list(content.items()):
        reference = body.get("schema", {}).get("$ref", "")
        if media_type != MEDIA_TYPE and reference.endswith(("/Problem", "/HTTPValidationError")):
            del content[media_type]
            content.setdefault(MEDIA_TYPE, {})["schema"] = {"$ref": "#/components/schemas/Problem"}
