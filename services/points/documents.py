"""The documents that ops teams and shops' tools work from: OpenAPI of the API, AsyncAPI of the events."""

from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter

from services.points.decisions.events import (
    CUSTOMERS_TOPIC,
    NOTIFICATIONS_TOPIC,
    POINTS_TOPIC,
    PURCHASES_TOPIC,
    REFERRALS_TOPIC,
)
from services.points.handlers import EVENTS
from shared.contracts import points as said


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document: what the service hears and says, on which topic, as which document."""
    schemas: dict[str, Any] = {}
    heard = _messages(EVENTS, schemas)
    spoken = _messages(said.EVENTS, schemas)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Loyalty: points",
            "version": "1.0.0",
            "description": "CloudEvents 1.0 as JSON; the Kafka key is the customer id. Structured and binary mode are read,"
            " structured mode is written.",
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": {
            "purchases": _channel(PURCHASES_TOPIC, _about(heard, "purchase")),
            "customers": _channel(CUSTOMERS_TOPIC, _about(heard, "customer")),
            "referrals": _channel(REFERRALS_TOPIC, _about(heard, "referral", "pair")),
            "notifications": _channel(NOTIFICATIONS_TOPIC, _about(heard, "coupon", "survey")),
            "points": _channel(POINTS_TOPIC, list(spoken)),
        },
        "operations": {
            "hearPurchases": _operation("receive", "purchases"),
            "hearCustomers": _operation("receive", "customers"),
            "hearReferrals": _operation("receive", "referrals"),
            "hearNotifications": _operation("receive", "notifications"),
            "sayPoints": _operation("send", "points"),
            "passPurchasesOn": _operation("send", "purchases"),
            "passCustomersOn": _operation("send", "customers"),
        },
        "components": {"messages": {**heard, **spoken}, "schemas": schemas},
    }


def _messages(events: TypeAdapter[Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Add the schemas of a union of events to `schemas`, and return its messages by event type."""
    document = events.json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(document["$defs"])
    return {
        kind: _message(kind, reference, document["$defs"])
        for kind, reference in sorted(document["discriminator"]["mapping"].items())
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


def _about(events: Iterable[str], *things: str) -> list[str]:
    return [name for name in events if name.split(".")[1] in things]


def _channel(topic: str, messages: list[str]) -> dict[str, Any]:
    return {
        "address": topic,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {"kafka": {"key": {"type": "string", "description": "the customer id"}}},
    }


def _operation(action: str, channel: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}}
