"""`POST /v1/events`: CloudEvents over HTTP, for shops without a broker; the same types and rules as on Kafka."""

from collections.abc import Sequence
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Response
from fastapi import Request as HttpRequest

from services.points.commands import Answer, Command, Outcome, Request
from services.points.handlers import EVENTS, command_for, verdict_on
from services.points.routes import KeyHeader, idempotency_key, respond, service_of, submit
from services.points.schemas import EventResults
from shared.database import UnusableError
from shared.errors import ProblemError, problem_responses
from shared.messaging.decoding import Headers, decode
from shared.messaging.events import Received, Verdict
from shared.settings import Settings

router = APIRouter(prefix="/v1")

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
    openapi_extra=BODY,
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
    read = [decode(EVENTS, each, headers, now=now, limit=settings.max_event_bytes) for each in documents]
    commands = [command_for(each, relay=True) if isinstance(each, Received) else None for each in read]

    def render(outcomes: Sequence[Outcome]) -> Answer:
        return _results(documents, read, outcomes)

    asked = [command for command in commands if command is not None]
    named = await idempotency_key(http, key)
    try:
        return respond(await submit(http, Request(asked, named, render)))
    except UnusableError:
        if len(asked) <= 1:
            raise
        return respond(render([await _alone(http, command) for command in asked]))


async def _alone(http: HttpRequest, command: Command) -> Outcome:
    """Book one event of a batch that the database refused as a whole, so that a bad one costs only itself."""
    try:
        reply = await service_of(http).submit(Request([command]))
    except UnusableError as error:
        return Outcome("refused", "unprocessable", str(error))
    return reply.outcomes[0]


def _documents(body: bytes, media_type: str, http: HttpRequest) -> tuple[list[bytes], Headers]:
    if media_type not in {SINGLE, BATCH, "application/json"}:
        raise ProblemError(415, "media-type-unsupported", f"send {SINGLE}, {BATCH} or application/json")
    attributes = [(f"ce_{name[3:]}", value.encode()) for name, value in http.headers.items() if name.startswith("ce-")]
    if attributes:
        return [body], [("content-type", media_type.encode()), *attributes]
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ProblemError(422, "json-malformed", f"the body is no JSON: {error}") from None
    if isinstance(content, list) and media_type != SINGLE:
        return [orjson.dumps(each) for each in content], ()
    if isinstance(content, dict) and media_type != BATCH:
        return [body], ()
    raise ProblemError(422, "json-malformed", "an event is a JSON object, and a batch is an array of them")


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
        content: Any = orjson.loads(document)
    except orjson.JSONDecodeError:
        return None
    name = content.get("id") if isinstance(content, dict) else None
    return name if isinstance(name, str) else None
