"""AsyncAPI 3.0 of a service: what it hears and says, on which topic, as which document."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter

DESCRIPTION = (
    "CloudEvents 1.0 as JSON; the Kafka key is the customer id. Structured and binary mode are read,"
    " structured mode is written."
)


def document(
    service: str,
    *,
    hears: Mapping[str, Sequence[str]],
    heard: TypeAdapter[Any],
    says: Mapping[str, TypeAdapter[Any]],
    passes_on: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the document.

    `hears` names for each topic what its events are about, the `purchase` of `loyalty.purchase.completed.v1`, or which of
    those: `purchase.completed`; what stands on `passes_on` is what was heard there.
    """
    schemas: dict[str, Any] = {}
    taken = _messages(heard, schemas)
    messages = {topic: _about(subjects, taken) for topic, subjects in hears.items()}
    messages |= {topic: _messages(events, schemas) for topic, events in says.items()}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": f"Loyalty: {service}", "version": "1.0.0", "description": DESCRIPTION},
        "defaultContentType": "application/cloudevents+json",
        "channels": {_name(topic): _channel(topic, list(found)) for topic, found in messages.items()},
        "operations": {
            **{f"hear{_name(topic).capitalize()}": _operation("receive", topic) for topic in hears},
            **{f"say{_name(topic).capitalize()}": _operation("send", topic) for topic in says},
            **{f"pass{_name(topic).capitalize()}On": _operation("send", topic) for topic in passes_on},
        },
        "components": {
            "messages": {kind: message for found in messages.values() for kind, message in found.items()},
            "schemas": schemas,
        },
    }


def _about(subjects: Sequence[str], messages: Mapping[str, Any]) -> dict[str, Any]:
    begins = tuple(f"loyalty.{each}." for each in subjects)
    return {kind: message for kind, message in messages.items() if kind.startswith(begins)}


def _name(topic: str) -> str:
    return topic.removeprefix("loyalty.")


def _messages(events: TypeAdapter[Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Add the schemas of a union of events to `schemas`, and return its messages by event type."""
    found = events.json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(found["$defs"])
    return {
        kind: _message(kind, reference, found["$defs"])
        for kind, reference in sorted(found["discriminator"]["mapping"].items())
    }


def _message(kind: str, reference: str, models: dict[str, Any]) -> dict[str, Any]:
    event = models[reference.rsplit("/", 1)[1]]
    data = models[event["properties"]["data"]["$ref"].rsplit("/", 1)[1]]["examples"][0]
    envelope = {"specversion": "1.0", "id": f"{kind}-1", "source": "/example", "type": kind}
    said = {"subject": data["customer_id"]} if "customer_id" in data else {}
    numbered = {"sequence": f"{1:020d}"} if "sequence" in event["required"] else {}
    payload = {**envelope, **said, "time": "2026-11-23T09:15:00Z", **numbered, "data": data}
    return {
        "name": kind,
        "contentType": "application/cloudevents+json",
        "summary": event["description"],
        "payload": {"$ref": reference},
        "examples": [{"payload": payload}],
    }


def _channel(topic: str, messages: list[str]) -> dict[str, Any]:
    return {
        "address": topic,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {"kafka": {"key": {"type": "string", "description": "the customer id"}}},
    }


def _operation(action: str, topic: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": f"#/channels/{_name(topic)}"}}
