"""CloudEvents over HTTP: every event gets its own result, and a bad one costs only itself."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.points.service import PointsService
from services.points.verification import verify
from shared.database import fetch

SINGLE = {"Content-Type": "application/cloudevents+json"}
BATCH = {"Content-Type": "application/cloudevents-batch+json"}


@pytest.fixture(autouse=True)
async def _books_are_right(engine: AsyncEngine) -> AsyncIterator[None]:
    yield
    async with engine.connect() as connection:
        assert await verify(connection) == []


def purchased(number: int = 1, event: str | None = None, **more: Any) -> dict[str, Any]:
    said = {"shop_id": "shop", "invoice_number": f"R-{number}", "customer_id": "c-1", "currency": "EUR"}
    data = said | {"total": "10.00"} | more
    return envelope("purchase.completed", event or f"e-{number}", data)


def refunded(number: int = 1, amount: str = "10.00") -> dict[str, Any]:
    said = {"shop_id": "shop", "invoice_number": f"R-{number}", "refund_id": "1", "currency": "EUR"}
    return envelope("purchase.refunded", f"r-{number}", said | {"amount": amount})


def envelope(kind: str, event: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"specversion": "1.0", "id": event, "source": "/shop", "type": f"loyalty.{kind}.v1", "data": data}


async def take(
    client: httpx.AsyncClient, events: Any, headers: dict[str, str] = BATCH, status: int = 200
) -> list[tuple[str | None, str, str | None]]:
    body = events if isinstance(events, bytes) else orjson.dumps(events)
    answer = await client.post("/v1/events", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    return [(each["id"], each["status"], each["code"]) for each in answer.json()["results"]]


async def available(client: httpx.AsyncClient, customer: str = "c-1") -> int:
    points: int = (await client.get(f"/v1/accounts/{customer}")).json()["balance"]["available"]
    return points


async def test_one_event_is_taken_and_a_repeat_is_a_duplicate(client: httpx.AsyncClient) -> None:
    assert await take(client, purchased(), SINGLE) == [("e-1", "accepted", None)]
    assert await take(client, purchased(total="99.00"), SINGLE) == [("e-1", "duplicate", None)]
    assert await take(client, purchased(event="other"), SINGLE) == [("other", "duplicate", None)]
    assert await available(client) == 10


async def test_results_stand_in_the_order_of_the_events(client: httpx.AsyncClient) -> None:
    events = [
        purchased(1),
        purchased(2, total=10.0),
        refunded(9),
        envelope("purchase.admired", "x", {}),
        purchased(1),
        purchased(3, currency="SEK"),
        purchased(1, event="contradiction", total="11.00"),
        {"id": "no-event"},
        "text",
        None,
        purchased(4, customer_id=None),
        purchased(5, customer_id=None, card_number="SHOP-1"),
        envelope("customer.registered", "k", {"customer_id": "c-2"}),
        envelope("customer.updated", "u", {"customer_id": "c-2"}),
        envelope("customer.erased", "d", {"customer_id": "c-3"}),
        refunded(1, "10.01"),
    ]
    assert await take(client, events) == [
        ("e-1", "accepted", None),
        ("e-2", "rejected", "event-malformed"),
        ("r-9", "waiting", None),
        ("x", "skipped", "event-type-unknown"),
        ("e-1", "duplicate", None),
        ("e-3", "rejected", "currency-unsupported"),
        ("contradiction", "rejected", "purchase-conflict"),
        ("no-event", "rejected", "event-malformed"),
        (None, "rejected", "event-malformed"),
        (None, "rejected", "event-malformed"),
        ("e-4", "accepted", None),
        ("e-5", "waiting", None),
        ("k", "accepted", None),
        ("u", "accepted", None),
        ("d", "accepted", None),
        ("r-1", "rejected", "refund-exceeds-purchase"),
    ]
    assert await available(client) == 10


@pytest.mark.parametrize(
    "wrong",
    [b'"\\ud83d"', b"NaN ", b"[" * 300 + b"]" * 300, b"1e999"],
    ids=["half a surrogate pair", "NaN", "deep", "infinite"],
)
async def test_an_event_that_is_no_json_for_us_costs_only_itself(client: httpx.AsyncClient, wrong: bytes) -> None:
    bad = orjson.dumps(purchased(2, customer_id="@")).replace(b'"@"', wrong)
    body = b"[" + b",".join([orjson.dumps(purchased(1)), bad, orjson.dumps(purchased(3))]) + b"]"
    results = await take(client, body)
    assert [status for _, status, _ in results] == ["accepted", "rejected", "accepted"]
    assert results[1][0] == "e-2"


async def test_an_event_that_the_database_can_not_keep_costs_only_itself(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await take(client, [purchased(1), purchased(2, customer_id="c-2")])
    # an account that can hold no more: PostgreSQL itself refuses the sum
    async with engine.begin() as connection:
        await fetch(
            connection, "ALTER TABLE account ADD CONSTRAINT full_up CHECK (customer_id <> 'c-2' OR available < 15)"
        )
    events = [purchased(3), purchased(4, customer_id="c-2"), purchased(5)]
    key = {**BATCH, "Idempotency-Key": "k"}
    first = await client.post("/v1/events", json=events, headers=key)
    assert [each["status"] for each in first.json()["results"]] == ["accepted", "rejected", "accepted"]
    assert first.json()["results"][1]["code"] == "content-unusable"
    again = await client.post("/v1/events", json=events, headers=key)
    assert again.content == first.content
    assert await take(client, purchased(6, customer_id="c-2"), SINGLE) == [("e-6", "rejected", "content-unusable")]


# Binary mode


async def binary(client: httpx.AsyncClient, data: Any, **attributes: str) -> httpx.Response:
    said = {"specversion": "1.0", "id": "b-1", "source": "/shop", "type": "loyalty.purchase.completed.v1"} | attributes
    headers = {f"ce-{name}": value for name, value in said.items()}
    body = data if isinstance(data, bytes) else orjson.dumps(data)
    return await client.post("/v1/events", content=body, headers={"Content-Type": "application/json", **headers})


async def test_binary_mode_carries_the_attributes_in_headers(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    answer = await binary(client, purchased()["data"], subject="c-1", time="2026-11-23T10:15:00+01:00")
    assert answer.json()["results"] == [{"id": "b-1", "status": "accepted", "code": None, "detail": None}]
    async with engine.connect() as connection:
        (row,) = await fetch(connection, "SELECT payload FROM outbox WHERE topic = 'loyalty.purchases'")
    assert orjson.loads(row["payload"]) == {
        "specversion": "1.0",
        "id": "b-1",
        "source": "/shop",
        "type": "loyalty.purchase.completed.v1",
        "subject": "c-1",
        "time": "2026-11-23T10:15:00+01:00",
        "datacontenttype": "application/json",
        "data": purchased()["data"],
    }


@pytest.mark.parametrize(
    ("sent", "heard"),
    [("Euro%20%E2%82%AC", "Euro €"), ('"two words"', "two words"), ('"a\\"b"', 'a"b'), ("50%25", "50%"), ("%", "%")],
)
async def test_attributes_in_headers_are_decoded(client: httpx.AsyncClient, sent: str, heard: str) -> None:
    answer = await binary(client, purchased()["data"], id=sent)
    assert answer.json()["results"][0]["id"] == heard


@pytest.mark.parametrize(
    ("data", "attributes"),
    [
        (b"{", {}),
        (b"", {}),
        (b'"text"', {}),
        (b"{}", {"id": "%FF"}),
        (b"{}", {"id": ""}),
        (b"{}", {"specversion": "0.3"}),
        (b"{}", {"time": "yesterday"}),
        (b"[]", {}),
    ],
)
async def test_a_binary_event_that_is_wrong_is_rejected(
    client: httpx.AsyncClient, data: bytes, attributes: dict[str, str]
) -> None:
    answer = await binary(client, data, **attributes)
    assert answer.status_code == 200
    (result,) = answer.json()["results"]
    assert (result["status"], result["code"]) == ("rejected", "event-malformed")


async def test_two_binary_events_with_the_same_data_are_two_requests(client: httpx.AsyncClient) -> None:
    async def send(event: str) -> httpx.Response:
        attributes = {"ce-specversion": "1.0", "ce-source": "/shop", "ce-type": "loyalty.customer.erased.v1"}
        headers = {**attributes, "ce-id": event, "Idempotency-Key": "k", "Content-Type": "application/json"}
        return await client.post("/v1/events", json={"customer_id": "c-1"}, headers=headers)

    first = await send("1")
    assert (await send("1")).content == first.content
    assert (await send("2")).json()["code"] == "idempotency-key-reused"


async def test_a_batch_is_a_batch_whatever_headers_came_with_it(client: httpx.AsyncClient) -> None:
    assert len(await take(client, [purchased(1), purchased(2)], {**BATCH, "ce-id": "stray"})) == 2


# What is no request at all


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"", SINGLE, 422, "json-malformed"),
        (b"{", SINGLE, 422, "json-malformed"),
        (b"\xff", BATCH, 422, "json-malformed"),
        (b"[" * 100_000, BATCH, 422, "json-malformed"),
        (b"[{}", BATCH, 422, "json-malformed"),
        (b"[]", SINGLE, 422, "json-malformed"),
        (b"{}", BATCH, 422, "json-malformed"),
        (b'"text"', {"Content-Type": "application/json"}, 422, "json-malformed"),
        (b"NaN", BATCH, 422, "json-malformed"),
        (b"[" + b"9" * 5_000 + b"]", BATCH, 422, "json-malformed"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "media-type-unsupported"),
        (b"{}", {}, 415, "media-type-unsupported"),
        (b"[" + b",".join([b"{}"] * 1001) + b"]", BATCH, 413, "batch-too-large"),
        (b" " * (1 << 20) + b"[]", BATCH, 413, "request-too-large"),
    ],
    ids=lambda value: repr(value[:12]) if isinstance(value, bytes) else None,
)
async def test_what_is_no_event_and_no_batch_is_refused(
    client: httpx.AsyncClient, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    answer = await client.post("/v1/events", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_an_empty_batch_has_no_results(client: httpx.AsyncClient) -> None:
    assert await take(client, []) == []


async def test_an_event_that_is_too_large_costs_only_itself(client: httpx.AsyncClient) -> None:
    large = {**purchased(2), "padding": "x" * (256 << 10)}
    results = await take(client, [purchased(1), large, purchased(3)])
    assert [(status, code) for _, status, code in results] == [
        ("accepted", None),
        ("rejected", "event-too-large"),
        ("accepted", None),
    ]


async def test_plain_json_is_taken_in_both_forms(client: httpx.AsyncClient) -> None:
    plain = {"Content-Type": "application/json; charset=utf-8"}
    assert await take(client, purchased(1), plain) == [("e-1", "accepted", None)]
    assert len(await take(client, [purchased(2), purchased(3)], plain)) == 2


# Repeats


async def test_a_batch_under_a_key_is_answered_as_the_first_time(client: httpx.AsyncClient) -> None:
    key = {**BATCH, "Idempotency-Key": "k"}
    first = await take(client, [purchased(1), purchased(2)], key)
    assert await take(client, json.dumps([purchased(1), purchased(2)], indent=1).encode(), key) == first
    assert await take(client, [purchased(1), purchased(2)]) == [("e-1", "duplicate", None), ("e-2", "duplicate", None)]
    answer = await client.post("/v1/events", json=[purchased(1)], headers=key)
    assert answer.json()["code"] == "idempotency-key-reused"


async def test_one_event_from_many_senders_at_once_counts_once(client: httpx.AsyncClient) -> None:
    results = await asyncio.gather(*(take(client, [purchased(1), purchased(2)]) for _ in range(20)))
    assert sorted(status for each in results for _, status, _ in each) == ["accepted"] * 2 + ["duplicate"] * 38
    assert await available(client) == 20


async def test_what_came_over_http_and_over_the_till_is_one_purchase(client: httpx.AsyncClient) -> None:
    await take(client, [purchased(1)])
    answer = await client.post("/v1/purchases", json=purchased(1)["data"])
    assert (answer.status_code, answer.json()["points"]) == (200, 10)
    await client.post("/v1/purchases", json=purchased(2)["data"])
    assert await take(client, [purchased(2)]) == [("e-2", "duplicate", None)]


async def test_a_thousand_events_are_one_transaction(client: httpx.AsyncClient, points: PointsService) -> None:
    committed = 0

    def count() -> None:
        nonlocal committed
        committed += 1

    points.committed = count
    events = [purchased(number, customer_id=f"c-{number % 50}") for number in range(1000)]
    assert {status for _, status, _ in await take(client, events)} == {"accepted"}
    assert committed == 1
