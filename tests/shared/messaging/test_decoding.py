"""Which records are events, which are skipped, and what is said of the rest."""

import orjson
import pytest

from shared.messaging.decoding import Headers, decode
from shared.messaging.events import Received, Verdict
from tests.shared.messaging.conftest import EVENTS, NOW, SAID, said

STRUCTURED = [("content-type", b"application/cloudevents+json; charset=utf-8")]
BINARY = [("ce_specversion", b"1.0"), ("ce_id", b"w1"), ("ce_source", b"/test"), ("ce_type", SAID.encode())]
JSON = ("content-type", b"application/json")


def attempt(value: bytes | None, headers: Headers = (), limit: int = 1000) -> Received | Verdict:
    return decode(EVENTS, value, headers, now=NOW, limit=limit)


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (said("w1"), []),
        (said("w1"), STRUCTURED),
        (said("w1"), [("trace", b"x"), ("empty", None)]),
        (said("w1", later="a new attribute"), []),
        (b'{"text": "hello"}', [*BINARY, JSON]),
        (b'{"text": "hello"}', BINARY),
        (b'{"text": "hello"}', [*BINARY, ("ce_data", b"nonsense")]),
        (b'{"text": "hello"}', [*BINARY, ("content-type", b"application/vnd.shop+json")]),
    ],
)
def test_both_modes_give_the_same_event(value: bytes, headers: Headers) -> None:
    received = attempt(value, headers)
    assert isinstance(received, Received)
    assert (received.event.id, received.event.source, received.event.data.text) == ("w1", "/test", "hello")
    assert received.received_at == NOW


def test_a_binary_event_is_kept_as_one_structured_document() -> None:
    received = attempt(b'{"text": "hello"}', [*BINARY, JSON, ("ce_traceparent", b"00-1-2-01")])
    assert isinstance(received, Received)
    assert orjson.loads(received.document) == {
        "specversion": "1.0", "id": "w1", "source": "/test", "type": SAID, "traceparent": "00-1-2-01",
        "datacontenttype": "application/json", "data": {"text": "hello"},
    }  # fmt: skip


@pytest.mark.parametrize("type_", ["loyalty.word.whispered.v1", "loyalty.word.said.v2", ""])
def test_an_unknown_type_is_skipped(type_: str) -> None:
    assert attempt(said("w1", type=type_)) == Verdict("skipped", "event-type-unknown")


def test_an_unknown_type_in_binary_mode_is_skipped() -> None:
    assert attempt(b"{}", [*BINARY[:3], ("ce_type", b"other.v1")]) == Verdict("skipped", "event-type-unknown")


@pytest.mark.parametrize(
    ("value", "headers", "code", "names"),
    [
        (None, [], "event-empty", "no value"),
        (None, BINARY, "event-empty", "no value"),
        (said("w1", "x" * 1000), [], "event-too-large", "at most 1000"),
        (b"", [], "event-malformed", "JSON"),
        (b"nonsense", [], "event-malformed", "JSON"),
        (b"\xff\xfe", [], "event-malformed", "JSON"),
        (b"[1, 2]", [], "event-malformed", "object"),
        (b"{}", [], "event-malformed", "type"),
        (orjson.dumps({"type": "other"}), [], "event-malformed", "specversion"),
        (said("w1", type=5), [], "event-malformed", "type"),
        (said("w1", type=None), [], "event-malformed", "type"),
        (said("w1", specversion="0.3"), [], "event-malformed", "specversion"),
        (said("w1", id=""), [], "event-malformed", "id"),
        (said("w1", id="a\x00b"), [], "event-malformed", "id"),
        (said("w1", data=None), [], "event-malformed", "data"),
        (said("w1", data={}), [], "event-malformed", "data.text"),
        (said("w1"), [("content-type", b"text/plain")], "event-malformed", "text/plain"),
        (b'{"text": 5}', BINARY, "event-malformed", "data.text"),
        (b'{"text": "a"},"id":"other","x":{}', BINARY, "event-malformed", "data"),
        (b"plain", [*BINARY, ("content-type", b"text/plain")], "event-malformed", "text/plain"),
        (b"{}", [*BINARY, ("ce_subject", b"\xff")], "event-malformed", "UTF-8"),
        (b"{}", BINARY[:1], "event-malformed", "type"),
    ],
)
def test_what_is_no_event_is_refused_with_a_code_and_the_field(
    value: bytes | None, headers: Headers, code: str, names: str
) -> None:
    verdict = attempt(value, headers)
    assert isinstance(verdict, Verdict)
    assert (verdict.status, verdict.code) == ("rejected", code)
    assert names in (verdict.detail or "")
