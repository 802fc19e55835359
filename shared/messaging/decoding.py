"""From the bytes of a record or a request to a validated event, in one pass where they are good."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from shared.messaging.events import Received, Verdict

Headers = Sequence[tuple[str, bytes | None]]

LARGEST_EVENT = 256 << 10
STRUCTURED = b"application/cloudevents+json"
PREFIX = "ce_"

UNKNOWN_TYPE = Verdict("skipped", "event-type-unknown")
EMPTY = Verdict("rejected", "event-empty", "The record has no value")

_validation_error = ValidationError


def decode(
    events: TypeAdapter[Any],
    value: bytes | None,
    headers: Headers = (),
    *,
    now: dt.datetime,
    limit: int = LARGEST_EVENT,
) -> Received | Verdict:
    """Return the event, or the verdict on what is none: `skipped` for an unknown type, else `rejected` with a code.

    `headers` are a Kafka record's; a document that came over HTTP has none. `limit` is in bytes.
    """
    if value is None:
        return EMPTY
    if len(value) > limit:
        return Verdict("rejected", "event-too-large", f"The event has {len(value)} bytes, at most {limit} are taken")
    if headers:
        composed = _structured(value, headers)
        if isinstance(composed, Verdict):
            return composed
        value = composed
    try:
        return Received(events.validate_json(value), value, now)
    except _validation_error as error:
        return _refusal(error.errors(include_url=False, include_context=False)[0])


def _structured(value: bytes, headers: Headers) -> bytes | Verdict:
    """Return the structured document, put together where the record came in binary mode."""
    kind = next((content or b"" for name, content in headers if name.lower() == "content-type"), None)
    if kind is not None and kind.split(b";")[0].strip().lower() == STRUCTURED:
        return value
    try:
        attributes: dict[str, Any] = {
            name[len(PREFIX) :]: content.decode()
            for name, content in headers
            if name.startswith(PREFIX) and content is not None
        }
    except UnicodeDecodeError:
        return malformed("a ce_ header is no UTF-8")
    if "specversion" in attributes:
        return _composed(attributes, value, kind)
    return value if kind is None else malformed(f"content-type: {kind.decode(errors='replace')} is no CloudEvent")


def _composed(attributes: dict[str, Any], value: bytes, kind: bytes | None) -> bytes | Verdict:
    media = (kind or b"application/json").split(b";")[0].strip().lower()
    if not media.endswith((b"/json", b"+json")):
        return malformed(f"content-type: {media.decode(errors='replace')} is no JSON")
    try:
        orjson.loads(value)  # or what stands in the data could become part of the envelope
    except orjson.JSONDecodeError as error:
        return malformed(f"data: {error}")
    attributes.pop("data", None)
    return orjson.dumps({**attributes, "datacontenttype": media.decode(), "data": orjson.Fragment(value)})


def malformed(detail: str) -> Verdict:
    return Verdict("rejected", "event-malformed", detail)


def _refusal(error: ErrorDetails) -> Verdict:
    """Tell an event of a type that nobody here knows from one that is wrong."""
    document = error["input"]
    if error["type"] == "union_tag_invalid" and isinstance(document, dict):
        if isinstance(document.get("type"), str) and "specversion" in document:
            return UNKNOWN_TYPE
        return malformed("type: should be a string" if "specversion" in document else "specversion: Field required")
    # the first step of a location is the event's type
    path = ".".join(str(step) for step in error["loc"][1:])
    return malformed(f"{path}: {error['msg']}" if path else error["msg"])
