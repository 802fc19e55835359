"""`POST /v1/events`: CloudEvents over HTTP, for shops without a broker; the same types and rules as on Kafka."""

import datetime as dt
import json
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any
from urllib.parse import unquote_to_bytes

import orjson
from fastapi import APIRouter, Header, Response
from fastapi import Request as HttpRequest

from services.points.commands import Outcome, Request
from services.points.handlers import HANDED, command_for, verdict_on
from services.points.routes import service_of
from services.points.schemas import EventResults
from shared.asking import KeyHeader, author_of, idempotency_key, respond, submit
from shared.auth import Guarded, needs
from shared.database import UnusableError
from shared.errors import ProblemError, problem_responses
from shared.messaging.decoding import Headers, decode, malformed
from shared.messaging.events import Received, Verdict
from shared.requests import Answer
from shared.settings import Settings

router = APIRouter(prefix="/v1", route_class=Guarded)

Attributes = list[tuple[str, bytes]]

ESCAPED = re.compile(r"\\(.)")

SINGLE, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"

EXAMPLE = {
    "specversion": "1.0",
    "id": "5b1f0f4e-1f3c-4a51-9d7a-2f6f0c1f8f11",
    "source": "/shops/webshop-de",
    "type": "loyalty.purchase.completed.v1",
    "subject": "c-42",
    "time": "2026-11-23T10:15:00+01:00",
    "data": {
        "shop_id": "webshop-de",
        "invoice_number": "R-2026-000124",
        "customer_id": "c-42",
        "currency": "EUR",
        "total": "49.95",
    },
}

BODY = {
    "requestBody": {
        "required": True,
        "content": {
            SINGLE: {"schema": {"type": "object"}, "example": EXAMPLE},
            BATCH: {"schema": {"type": "array", "items": {}}, "example": [EXAMPLE]},
        },
    }
}


@router.post(
    "/events",
    response_model=EventResults,
    tags=["events"],
    summary="CloudEvents over HTTP, one or a batch",
    openapi_extra=BODY | needs("events:write"),
    responses=problem_responses({409: ["idempotency-key-reused"], 413: ["batch-too-large"], 422: ["json-malformed"]}),
)
async def take_events(
    http: HttpRequest, content_type: Annotated[str, Header(include_in_schema=False)] = "", key: KeyHeader = None
) -> Response:
    settings: Settings = http.app.state.settings
    documents, headers = _documents(await http.body(), content_type.split(";")[0].strip().lower(), http)
    if len(documents) > settings.max_batch_events:
        detail = f"a batch may have {settings.max_batch_events} events, this one has {len(documents)}"
        raise ProblemError(413, "batch-too-large", detail)
    now = service_of(http).clock()
    read = [_read(each, headers, now=now, limit=settings.max_event_bytes) for each in documents]
    author = author_of(http)
    received = (each for each in read if isinstance(each, Received))
    asked = [command for each in received if (command := command_for(each, relay=True, author=author.name))]

    def render(outcomes: Sequence[Outcome]) -> Answer:
        return _results(documents, read, outcomes)

    named = await idempotency_key(http, key, *(value for _, value in headers)) if key else None
    try:
        return respond(await submit(http, Request(asked, named, author, render)))
    except UnusableError:
        answer = render([await _alone(http, Request([command], author=author)) for command in asked])
        return respond(await submit(http, Request([], named, author, lambda _outcomes: answer)))


async def _alone(http: HttpRequest, request: Request) -> Outcome:
    """Book one event of a batch that the database refused as a whole, so that a bad one costs only itself."""
    try:
        reply = await service_of(http).submit(request)
    except UnusableError:
        return Outcome("refused", "content-unusable", "the database can't keep this content")
    return reply.outcomes[0]


def _documents(body: bytes, media_type: str, http: HttpRequest) -> tuple[list[bytes], Attributes]:
    if media_type not in {SINGLE, BATCH, "application/json"}:
        raise ProblemError(415, "media-type-unsupported", f"send {SINGLE}, {BATCH} or application/json")
    attributes = [
        (f"ce_{name[3:]}", _unquoted(value)) for name, value in http.headers.items() if name.startswith("ce-")
    ]
    if attributes and media_type not in {SINGLE, BATCH}:
        return [body], [("content-type", media_type.encode()), *attributes]
    content, write = _parsed(body)
    if isinstance(content, list) and media_type != SINGLE:
        return [write(each) for each in content], []
    if isinstance(content, dict) and media_type != BATCH:
        return [body], []
    raise ProblemError(422, "json-malformed", "an event is a JSON object, and a batch is an array of them")


def _unquoted(value: str) -> bytes:
    """Read a header as the HTTP binding of CloudEvents writes it: perhaps in double quotes, and percent-encoded."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = ESCAPED.sub(r"\1", value[1:-1])
    return unquote_to_bytes(value.encode("latin-1"))


def _parsed(body: bytes) -> tuple[Any, Callable[[Any], bytes]]:
    """Parse a body and return it with the way to write its parts.

    What only one event of a batch is to be refused for (half a surrogate pair, NaN) passes here, and is written as it came.
    """
    try:
        return orjson.loads(body), _written
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(body.decode()), _written_leniently
    except (ValueError, RecursionError) as error:
        raise ProblemError(422, "json-malformed", f"the body is no JSON: {error}") from None


def _written(event: Any) -> bytes:
    try:
        return orjson.dumps(event)
    except orjson.JSONEncodeError:  # nested deeper than it writes
        return _written_leniently(event)


def _written_leniently(event: Any) -> bytes:
    return json.dumps(event).encode()


def _read(document: bytes, headers: Headers, *, now: dt.datetime, limit: int) -> Received | Verdict:
    try:
        orjson.loads(document)  # stricter than the validator, which takes NaN in a field that it ignores
    except orjson.JSONDecodeError as error:
        return malformed(f"Invalid JSON: {error}")
    return decode(HANDED, document, headers, now=now, limit=limit)


def _results(documents: Sequence[bytes], read: Sequence[Received | Verdict], outcomes: Sequence[Outcome]) -> Answer:
    booked = iter(outcomes)
    results = []
    for document, each in zip(documents, read, strict=True):
        verdict = verdict_on(next(booked)) if isinstance(each, Received) else each
        name = each.event.id if isinstance(each, Received) else _id_of(document)
        results.append({"id": name, "status": verdict.status, "code": verdict.code, "detail": verdict.detail})
    return Answer(200, orjson.dumps({"results": results}))


def _id_of(document: bytes) -> str | None:
    """Return what a refused document calls itself, so that its sender finds it again."""
    try:
        content: Any = json.loads(document)
    except (ValueError, RecursionError):
        return None
    name = content.get("id") if isinstance(content, dict) else None
    return name.encode(errors="replace").decode() if isinstance(name, str) else None
