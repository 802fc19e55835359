"""How a service is asked over HTTP: its request in the batch with others, its key, and its answer; the same in every service."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import Header, Path, Query, Response
from fastapi import Request as HttpRequest

from shared.auth import caller, request_id
from shared.batching import OverloadedError
from shared.errors import ProblemError
from shared.http import encode_cursor
from shared.requests import Answer, Author, Decided, IdempotencyKey, Reply, Request
from shared.service import Service

KEY = Header(
    alias="Idempotency-Key",
    min_length=1,
    max_length=255,
    pattern=r"^[\x21-\x7e]+$",
    description="the same key with the same body is answered as the first time",
)
KeyHeader = Annotated[str | None, KEY]
RequiredKey = Annotated[str, KEY]
Segment = Annotated[str, Path(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
Limit = Annotated[int, Query(ge=1, le=500)]
Cursor = Annotated[str | None, Query(max_length=1000)]

Command = TypeVar("Command")
Outcome = TypeVar("Outcome", bound=Decided)


async def ask(
    http: HttpRequest,
    command: Command,
    render: Callable[[Sequence[Outcome]], Answer],
    key: str | None,
    *,
    is_audited: bool = True,
) -> Response:
    """Book one command and answer with what `render` makes of it, or what its key was answered before."""
    author = author_of(http) if is_audited else None
    request = Request([command], await idempotency_key(http, key) if key else None, author, render)
    return respond(await submit(http, request))


def author_of(http: HttpRequest) -> Author:
    return Author(caller(http).name, request_id(http))


async def submit(http: HttpRequest, request: Request[Any, Any]) -> Answer:
    """Book a request and return its answer; what was wrong with its key or our load is a problem."""
    reply = await booked(http, request)
    return reply.replayed or request.render(reply.outcomes)


async def booked(http: HttpRequest, request: Request[Any, Any]) -> Reply[Any]:
    """Book a request and return what became of it."""
    service: Service[Any, Reply[Any]] = http.app.state.service
    try:
        reply = await service.submit(request)
    except OverloadedError:
        detail = "too many requests wait for the database; nothing was done"
        raise ProblemError(503, "overloaded", detail, headers={"Retry-After": "1"}) from None
    if reply.key_reused:
        raise ProblemError(409, "idempotency-key-reused", "this Idempotency-Key was used with another request")
    return reply


async def idempotency_key(http: HttpRequest, key: str, *more: bytes) -> IdempotencyKey:
    """Return the client's key with the digest of method, path and canonical body: another spelling is the same request.

    `more` is what else the request consists of. The path is the service's own, wherever it is mounted.
    """
    path = http.scope["path"].removeprefix(http.scope.get("root_path", ""))
    asked = (http.method.encode(), path.encode(), _canonical(await http.body()), *more)
    return IdempotencyKey(caller(http).name, key, hashlib.sha256(b"\n".join(asked)).digest())


def _canonical(body: bytes) -> bytes:
    try:
        return orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):  # no JSON, or nested too deep: itself to the letter
        return body


def respond(answer: Answer) -> Response:
    return Response(answer.body, answer.status, media_type=answer.content_type)


def as_json(content: object, status: int = 200) -> Response:
    """Return content as the body of an answer, instants in UTC."""
    return Response(orjson.dumps(content, option=orjson.OPT_UTC_Z), status, media_type="application/json")


def page(rows: list[dict[str, Any]], limit: int, *key: str) -> Response:
    """Return a page of a list; of one row more than `limit` it has only been learnt that it is there."""
    shown = rows[:limit]
    cursor = encode_cursor([shown[-1][name] for name in key]) if len(rows) > limit else None
    return as_json({"data": shown, "next_cursor": cursor})


def prefers_csv(accept: str) -> bool:
    """Tell whether a client names CSV, and before JSON where it takes both."""
    kinds = [each.split(";")[0].strip() for each in accept.lower().split(",")]
    return next((kind for kind in kinds if kind in {"text/csv", "application/json"}), None) == "text/csv"
