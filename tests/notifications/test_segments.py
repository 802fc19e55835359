"""Segments: every condition finds whom it names and nobody else; saved, listed, previewed and dropped over REST."""

import datetime as dt
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notifications.commands import HearProfile, HearStanding
from services.notifications.segments import Segment, document_of, faults, segment_condition, segment_of
from shared.database import fetch
from tests.asking import pointers, refusal
from tests.notifications.conftest import NOW, Book
from tests.notifications.test_history import bought

DAY = 24
SILVER: dict[str, Any] = {"field": "tier", "in": ["Silver"]}
NEVER: dict[str, Any] = {"field": "purchases", "below": 1}


@pytest.fixture
async def customers(book: Book) -> None:
    """Anna buys wine often and lives in Austria, Ben came once long ago, of Cleo hardly anything is known."""
    await book(
        bought("R-1", "anna", "100", "wine", at=-1 * DAY),
        bought("R-2", "anna", "50", "bread", at=-40 * DAY),
        bought("R-3", "ben", "20", "wine", at=-100 * DAY),
        HearStanding("anna", 1, tier="Gold"),
        HearStanding("ben", 1, tier="Silver"),
        HearProfile(
            "anna",
            {
                "language": "de-AT",
                "birthday": dt.date(1984, 2, 29),
                "email": "anna@example.com",
                "preferences": '{"colour": "red", "grapes": ["Riesling", "Silvaner"], "organic": true}',
            },
            NOW,
            NOW - dt.timedelta(days=400),
        ),
        HearProfile("ben", {"language": "en", "phone": "+49 1234", "preferences": '{"colour": "white"}'}, NOW, NOW),
        HearProfile("cleo", {}, NOW),
    )


async def found(engine: AsyncEngine, part: dict[str, Any]) -> set[str]:
    segment = Segment.model_validate({"filter": part})
    again = segment_of(document_of(segment))
    assert again == segment
    condition = segment_condition(again, now=NOW, first=2)
    async with engine.connect() as connection:
        statement = f"SELECT customer_id FROM customer c WHERE customer_id <> $1 AND {condition.sql}"
        return {row["customer_id"] for row in await fetch(connection, statement, "nobody", *condition.arguments)}


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"field": "tier", "in": ["Gold", "Silver"]}, "anna ben"),
        ({"not": SILVER}, "anna cleo"),
        ({"field": "turnover", "at_least": "20.01"}, "anna"),
        ({"field": "turnover", "at_least": "20", "below": "150"}, "ben"),
        ({"field": "purchases", "at_least": 2}, "anna"),
        (NEVER, "cleo"),
        ({"field": "last_purchase", "within_days": 7}, "anna"),
        ({"field": "last_purchase", "over_days_ago": 90}, "ben"),
        ({"not": {"field": "last_purchase", "within_days": 7}}, "ben cleo"),
        ({"field": "bought", "in": ["wine"]}, "anna ben"),
        ({"field": "bought", "in": ["wine", "bread"], "within_days": 30}, "anna"),
        ({"field": "bought", "in": ["bread"], "within_days": 30}, ""),
        ({"field": "language", "in": ["de"]}, "anna"),
        ({"field": "language", "in": ["de-CH", "en"]}, "ben"),
        ({"field": "joined", "since": "2026-01-01"}, "ben"),
        ({"field": "joined", "before": "2026-01-01"}, "anna"),
        ({"field": "birthday_month", "in": [2, 3]}, "anna"),
        ({"field": "preference", "name": "colour", "equals": "red"}, "anna"),
        ({"field": "preference", "name": "grapes", "equals": "Silvaner"}, "anna"),
        ({"field": "preference", "name": "organic", "equals": True}, "anna"),
        ({"field": "preference", "name": "organic", "equals": 1}, ""),
        ({"field": "contact", "has": "email"}, "anna"),
        ({"field": "contact", "has": "phone"}, "ben"),
        ({"any": [SILVER, NEVER]}, "ben cleo"),
        ({"all": [SILVER, NEVER]}, ""),
        ({"all": [{"field": "bought", "in": ["wine"]}, {"not": {"any": [SILVER, NEVER]}}]}, "anna"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("customers")
async def test_a_condition_finds_whom_it_names(engine: AsyncEngine, part: dict[str, Any], expected: str) -> None:
    assert await found(engine, part) == set(expected.split())


@pytest.mark.usefixtures("customers")
async def test_values_are_never_part_of_the_statement(engine: AsyncEngine) -> None:
    evil = "x') OR true --"
    assert await found(engine, {"field": "tier", "in": [evil]}) == set()
    assert await found(engine, {"field": "preference", "name": "colour", "equals": evil}) == set()


@pytest.mark.parametrize(
    ("part", "pointer", "code"),
    [
        ({"field": "turnover"}, "/filter", "condition-empty"),
        ({"field": "last_purchase", "within_days": None}, "/filter", "condition-empty"),
        ({"all": [SILVER, {"not": {"field": "joined"}}]}, "/filter/all/1/not", "condition-empty"),
        ({"all": [{"any": [SILVER] * 50}] * 3}, "/filter", "filter-too-large"),
    ],
)
def test_what_says_nothing_or_too_much_is_a_fault(part: dict[str, Any], pointer: str, code: str) -> None:
    assert [(each.pointer, each.code) for each in faults(Segment.model_validate({"filter": part}))] == [(pointer, code)]


def test_what_is_nested_too_deep_is_a_fault() -> None:
    part = SILVER
    for _ in range(11):
        part = {"not": part}
    assert [each.code for each in faults(Segment.model_validate({"filter": part}))] == ["filter-too-large"]


# Over REST


@pytest.mark.usefixtures("customers")
async def test_a_segment_is_saved_asked_for_and_dropped(client: httpx.AsyncClient) -> None:
    path, draft = "/v1/segments/wine", {"filter": {"field": "bought", "in": ["wine"]}}
    assert [(await client.put(path, json=draft)).status_code for _ in range(2)] == [201, 200]
    assert (await client.get(path)).json()["filter"] == draft["filter"]
    assert [each["name"] for each in (await client.get("/v1/segments")).json()["data"]] == ["wine"]
    assert (await client.put(path, json={"filter": SILVER})).status_code == 201
    listed = (await client.get("/v1/customers?segment=wine")).json()["data"]
    assert [(each["customer_id"], Decimal(each["turnover"]["amount"])) for each in listed] == [("ben", Decimal(20))]
    assert (await client.delete(path)).status_code == 204
    for gone in (await client.delete(path), await client.get(path), await client.get("/v1/customers?segment=wine")):
        refusal(gone, 404, "segment-unknown")


@pytest.mark.usefixtures("customers")
async def test_a_preview_counts_and_shows_the_first(client: httpx.AsyncClient) -> None:
    answer = (await client.post("/v1/segments/preview", json={"filter": {"not": NEVER}})).json()
    assert (answer["count"], [each["customer_id"] for each in answer["customers"]]) == (2, ["anna", "ben"])
    assert (await client.get("/v1/segments")).json()["data"] == []


async def test_what_nobody_knows_is_refused_where_it_stands(client: httpx.AsyncClient) -> None:
    unknown = {"filter": {"all": [SILVER, {"field": "shoe_size", "in": [42]}]}}
    problem = refusal(await client.put("/v1/segments/x", json=unknown), 422, "request-invalid")
    assert pointers(problem) == {"/filter/all/1"}
    misspelt = {"filter": {"any": [{"field": "tier", "in": ["Gold"], "within": 3}]}}
    problem = refusal(await client.put("/v1/segments/x", json=misspelt), 422, "request-invalid")
    assert pointers(problem) == {"/filter/any/0/within"}
    problem = refusal(await client.put("/v1/segments/x", json={"filter": {"field": "joined"}}), 422, "condition-empty")
    assert pointers(problem) == {"/filter"}


@pytest.mark.usefixtures("customers")
async def test_a_page_of_a_segment_goes_on_where_it_ended(client: httpx.AsyncClient) -> None:
    await client.put("/v1/segments/buyers", json={"filter": {"not": NEVER}})
    first = (await client.get("/v1/customers?segment=buyers&limit=1")).json()
    second = (await client.get(f"/v1/customers?segment=buyers&limit=1&cursor={first['next_cursor']}")).json()
    assert [each["data"][0]["customer_id"] for each in (first, second)] == ["anna", "ben"]
    assert second["next_cursor"] is None
