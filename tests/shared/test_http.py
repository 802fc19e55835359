"""Whatever a client sends, it gets an answer of the agreed shape: problems with codes and pointers, never a bare error."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import httpx
import pytest
from fastapi import APIRouter, Body, FastAPI, Header, Query
from prometheus_client import REGISTRY
from pydantic import BaseModel, Field

from shared.contracts.values import Identifier, Money
from shared.database import DatabaseAwayError
from shared.errors import MEDIA_TYPE, ProblemError, problem_responses
from shared.http import Api, decode_cursor, encode_cursor, health_routes


class Line(BaseModel):
    sku: Identifier
    amount: Money
    quantity: int | Money = 1


class Cash(BaseModel):
    kind: Literal["cash"]
    lines: list[Line]


class Voucher(BaseModel):
    kind: Literal["voucher"]
    number: int


Basket = Annotated[Cash | Voucher, Field(discriminator="kind")]


async def broken() -> None:
    raise ConnectionError("postgresql://me:secret@db is away")


async def works() -> None:
    return None


def tiny() -> Api:
    app = Api(service="tiny", title="Tiny", version="1", max_request_bytes=2048)

    @app.post("/v1/baskets", responses=problem_responses({409: ["basket-conflict"]}))
    async def basket(basket: Annotated[Basket, Body()]) -> dict[str, str]:
        return {"kind": basket.kind}

    @app.get("/v1/baskets")
    async def baskets(
        limit: Annotated[int, Query(ge=1)] = 10, cursor: str = "", accept_currency: Annotated[int, Header()] = 0
    ) -> list[Any]:
        return decode_cursor(cursor, str, int) if cursor else [limit, accept_currency]

    @app.get("/v1/purchases/{shop_id:segment}/{invoice_number:segment}", responses=problem_responses())
    async def purchase(shop_id: Identifier, invoice_number: Identifier) -> list[str]:
        return [shop_id, invoice_number]

    @app.get("/v1/purchases/{shop_id:segment}/{invoice_number:segment}/refunds")
    async def refunds(shop_id: str, invoice_number: str) -> list[str]:
        return [shop_id, invoice_number, "refunds"]

    @app.delete("/v1/purchases/{shop_id:segment}/{invoice_number:segment}")
    async def forget(shop_id: str, invoice_number: str) -> None:
        raise ProblemError(
            409, "purchase-settled", f"{invoice_number} is settled", headers={"X-Shop": shop_id}, points=7
        )

    @app.get("/v1/away")
    async def away() -> None:
        raise DatabaseAwayError("postgresql://me:secret@db is away")

    @app.get("/v1/bug")
    async def bug() -> None:
        raise RuntimeError("secret")

    app.include_router(health_routes({"database": works, "broker": broken}))
    return app


async def client_of(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async for each in client_of(tiny()):
        yield each


@pytest.fixture
async def mounted() -> AsyncIterator[httpx.AsyncClient]:
    house = Api(service="house", title="House", version="1")
    house.mount("/points", tiny())
    async for each in client_of(house):
        yield each


def problem_of(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE)
    document: dict[str, Any] = answer.json()
    assert (document["status"], document["code"]) == (status, code)
    assert document["type"] == f"urn:loyalty:problem:{code}"
    assert document["title"]
    assert document["detail"]
    return document


async def test_a_wrong_field_is_pointed_at(client: httpx.AsyncClient) -> None:
    lines = [{"sku": "a", "amount": "1.00"}, {"sku": "b", "amount": 1.5}, {"amount": "1.00"}]
    answer = await client.post("/v1/baskets", json={"kind": "cash", "lines": lines})
    errors = problem_of(answer, 422, "request-invalid")["errors"]
    assert [(each["pointer"], each["code"]) for each in errors] == [
        ("/lines/1/amount", "string-type"),
        ("/lines/2/sku", "missing"),
    ]


async def test_a_union_adds_nothing_to_a_pointer(client: httpx.AsyncClient) -> None:
    basket = {"kind": "cash", "lines": [{"sku": "a", "amount": "1.00", "quantity": "many"}]}
    errors = problem_of(await client.post("/v1/baskets", json=basket), 422, "request-invalid")["errors"]
    assert {each["pointer"] for each in errors} == {"/lines/0/quantity"}


@pytest.mark.parametrize("basket", [{}, {"kind": "gold"}, [], 7, None])
async def test_a_body_of_another_shape_is_a_problem(client: httpx.AsyncClient, basket: object) -> None:
    problem_of(await client.post("/v1/baskets", json=basket), 422, "request-invalid")


async def test_no_body_is_a_problem(client: httpx.AsyncClient) -> None:
    errors = problem_of(await client.post("/v1/baskets"), 422, "request-invalid")["errors"]
    assert errors == [{"pointer": "", "code": "missing", "detail": "Field required"}]


@pytest.mark.parametrize(
    ("query", "headers", "parameter"),
    [("limit=0", {}, "limit"), ("limit=x", {}, "limit"), ("", {"Accept-Currency": "x"}, "accept-currency")],
)
async def test_a_wrong_parameter_is_named(
    client: httpx.AsyncClient, query: str, headers: dict[str, str], parameter: str
) -> None:
    answer = await client.get(f"/v1/baskets?{query}", headers=headers)
    (error,) = problem_of(answer, 422, "request-invalid")["errors"]
    assert error["parameter"] == parameter
    assert "pointer" not in error


@pytest.mark.parametrize(
    "body",
    [b"{", b"\xff\xfe\xfd", b"[" * 2000, b'{"kind": ' + b"9" * 2000, b"9" * 2040 + b"", b'{"a": "\xe4"}', b"\x00"],
    ids=["cut", "bytes", "deep", "half", "digits", "latin-1", "nul"],
)
async def test_a_body_that_is_no_json_is_a_problem(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post("/v1/baskets", content=body, headers={"Content-Type": "application/json"})
    if body.isdigit():
        problem_of(answer, 422, "request-invalid")
    else:
        problem_of(answer, 422, "json-malformed")


async def test_half_a_surrogate_pair_is_a_problem(client: httpx.AsyncClient) -> None:
    body = b'{"kind": "cash", "lines": [{"sku": "\\ud800", "amount": "1", "quantity": 1}], "\\udfff": 1}'
    answer = await client.post("/v1/baskets", content=body, headers={"Content-Type": "application/json"})
    (error,) = problem_of(answer, 422, "request-invalid")["errors"]
    assert error["pointer"] == "/lines/0/sku"


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "text/json", None])
async def test_a_body_that_does_not_say_it_is_json_is_refused(
    client: httpx.AsyncClient, media_type: str | None
) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    answer = await client.post("/v1/baskets", content=b'{"kind": "voucher", "number": 1}', headers=headers)
    problem_of(answer, 415, "media-type-unsupported")


async def test_a_path_that_is_not_there_is_a_problem(client: httpx.AsyncClient) -> None:
    problem_of(await client.get("/v2/baskets"), 404, "path-unknown")


async def test_a_method_that_is_not_there_names_all_that_are(client: httpx.AsyncClient) -> None:
    answer = await client.put("/v1/baskets")
    problem_of(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "GET, POST"
    answer = await client.post("/health/live")
    assert answer.headers["allow"] == "GET"


async def test_a_refusal_of_ours_carries_its_headers_and_members(client: httpx.AsyncClient) -> None:
    answer = await client.delete("/v1/purchases/shop/R-1")
    assert problem_of(answer, 409, "purchase-settled")["points"] == 7
    assert answer.headers["x-shop"] == "shop"


async def test_a_database_that_is_away_asks_to_come_back(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/away")
    problem_of(answer, 503, "database-away")
    assert int(answer.headers["retry-after"]) > 0
    assert "secret" not in answer.text


async def test_a_bug_tells_nothing_of_the_inside(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/bug")
    problem_of(answer, 500, "internal-error")
    assert "secret" not in answer.text


async def test_a_body_that_is_too_large_is_refused(client: httpx.AsyncClient) -> None:
    problem_of(await client.post("/v1/baskets", content=b"x" * 2049), 413, "request-too-large")


async def test_a_body_of_untold_length_is_refused_where_it_gets_too_large(client: httpx.AsyncClient) -> None:
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 1000:
            sent += 1
            yield b"x" * 100

    headers = {"Content-Type": "application/json"}
    problem_of(await client.post("/v1/baskets", content=chunks(), headers=headers), 413, "request-too-large")
    assert sent < 25


async def test_a_body_of_untold_length_may_be_as_large_as_any(client: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"kind": "voucher",'
        yield b' "number": 1}'

    answer = await client.post("/v1/baskets", content=chunks(), headers={"Content-Type": "application/json"})
    assert answer.json() == {"kind": "voucher"}


SEGMENTS = [
    ("R-1", "R-1"),
    ("2026%2F11%2F23", "2026/11/23"),
    ("2026%2f11", "2026/11"),
    ("50%25", "50%"),
    ("a%252Fb", "a%2Fb"),
    ("a%25252Fb", "a%252Fb"),
    ("a%20b+c", "a b+c"),
    ("%C3%A4", "ä"),
    ("%zz", "%zz"),
    ("..%2F..", "../.."),
    ("refunds", "refunds"),
]


@pytest.mark.parametrize(("sent", "heard"), SEGMENTS)
async def test_a_segment_is_decoded_once(client: httpx.AsyncClient, sent: str, heard: str) -> None:
    assert (await client.get(f"/v1/purchases/{sent}/{sent}")).json() == [heard, heard]
    assert (await client.get(f"/v1/purchases/{sent}/{sent}/refunds")).json() == [heard, heard, "refunds"]


@pytest.mark.parametrize(("sent", "heard"), SEGMENTS)
async def test_a_segment_is_decoded_once_below_a_mount(mounted: httpx.AsyncClient, sent: str, heard: str) -> None:
    assert (await mounted.get(f"/points/v1/purchases/{sent}/{sent}")).json() == [heard, heard]


@pytest.mark.parametrize("segment", ["%00", "a%00b", "%FF", "%C3", "%ED%A0%80"])
async def test_a_path_that_no_text_can_be_is_a_problem(client: httpx.AsyncClient, segment: str) -> None:
    problem_of(await client.get(f"/v1/purchases/shop/{segment}"), 422, "path-invalid")


@pytest.mark.parametrize("segment", ["%0A", "x" * 129])
async def test_a_segment_that_is_no_identifier_is_named(client: httpx.AsyncClient, segment: str) -> None:
    (error,) = problem_of(await client.get(f"/v1/purchases/shop/{segment}"), 422, "request-invalid")["errors"]
    assert error["parameter"] == "invoice_number"


async def test_problems_leave_a_mounted_application_in_the_same_shape(mounted: httpx.AsyncClient) -> None:
    problem_of(await mounted.get("/points/v2"), 404, "path-unknown")
    problem_of(await mounted.get("/elsewhere"), 404, "path-unknown")
    problem_of(await mounted.post("/points/v1/baskets", content=b"x" * 2049), 413, "request-too-large")


def test_a_cursor_holds_what_it_was_made_of() -> None:
    assert decode_cursor(encode_cursor(["c-42 ä/?", 2**62]), str, int) == ["c-42 ä/?", 2**62]


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "ä",
        "*" * 8,
        encode_cursor(["c-42"]),
        encode_cursor([1, "c-42"]),
        encode_cursor(["c-42", 2**63]),
        encode_cursor(["\x00", 1]),
        encode_cursor(["\ud800", 1]),
        encode_cursor(["c-42", True]),
        "W1tbW1tb" * 4000,
    ],
)
async def test_a_cursor_that_is_none_of_ours_is_a_problem(client: httpx.AsyncClient, cursor: str) -> None:
    answer = await client.get("/v1/baskets", params={"cursor": cursor})
    (error,) = problem_of(answer, 422, "cursor-invalid")["errors"]
    assert error["parameter"] == "cursor"


async def test_health_says_which_part_fails(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health/live")).json() == {"status": "ok", "checks": {}}
    answer = await client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json() == {"status": "failing", "checks": {"database": "ok", "broker": "failing"}}


async def test_metrics_are_there_for_prometheus(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "python_info" in answer.text


async def test_problems_are_documented_with_their_media_type(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    operation = document["paths"]["/v1/baskets"]["post"]
    assert set(operation["responses"]) == {"200", "409", "413", "415", "422", "503"}
    conflict = operation["responses"]["409"]["content"]
    assert set(conflict) == {MEDIA_TYPE}
    assert conflict[MEDIA_TYPE]["schema"] == {"$ref": "#/components/schemas/Problem"}
    assert conflict[MEDIA_TYPE]["examples"]["basket-conflict"]["value"]["status"] == 409
    assert "HTTPValidationError" not in (await client.get("/openapi.json")).text


async def test_segments_are_documented_as_plain_parameters(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    operation = document["paths"]["/v1/purchases/{shop_id}/{invoice_number}"]["get"]
    assert [(each["name"], each["in"]) for each in operation["parameters"]] == [
        ("shop_id", "path"),
        ("invoice_number", "path"),
    ]


async def test_requests_are_timed_by_the_template_of_their_path() -> None:
    def counted(**labels: str) -> float:
        return REGISTRY.get_sample_value("loyalty_http_request_seconds_count", {"service": "timed", **labels}) or 0

    app, router = Api(service="timed", title="Timed", version="1"), APIRouter(prefix="/v1")

    @router.get("/cards/{card_number:segment}")
    async def card(card_number: str) -> str:
        return card_number

    app.include_router(router)
    house = Api(service="house", title="House", version="1")
    house.mount("/points", app)
    async for client in client_of(house):
        for number in range(3):
            await client.get(f"/points/v1/cards/{number}%2F")
            await client.get(f"/points/{number}")
    assert counted(method="GET", path="/v1/cards/{card_number}", status="200") == 3
    assert counted(method="", path="", status="404") == 3
