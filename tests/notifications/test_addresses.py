"""Addresses that messages came back from: what is reported, what it keeps from them, and how one is lifted."""

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notifications.commands import HearReport, LiftAddress, ReportKind
from shared.database import fetch
from tests.notifications.conftest import NOW, Book

KIM = {"channel": "email", "address": "kim@example.com"}


def report(kind: ReportKind, address: str = "kim@example.com") -> HearReport:
    return HearReport("email", address, kind)


async def known(client: httpx.AsyncClient, query: str = "") -> list[tuple[str, str | None, int]]:
    listed = (await client.get(f"/v1/addresses{query}")).json()["data"]
    return [(each["address"], each["keeps_from"], each["soft_bounces"]) for each in listed]


@pytest.mark.parametrize(
    ("kinds", "kept", "soft"),
    [
        (["bounced"], "everything", 0),
        (["complained"], "promotional", 0),
        (["complained", "bounced"], "everything", 0),
        (["soft-bounced"] * 4, None, 4),
        (["soft-bounced"] * 5, "everything", 5),
        (["bounced", "delivered"], "everything", 0),
    ],
)
async def test_what_came_back_keeps_from_an_address(
    book: Book, client: httpx.AsyncClient, kinds: list[ReportKind], kept: str | None, soft: int
) -> None:
    await book(*map(report, kinds))
    assert await known(client) == [("kim@example.com", kept, soft)]


async def test_of_an_address_that_takes_messages_there_is_no_row(book: Book, client: httpx.AsyncClient) -> None:
    outcomes = await book(report("delivered"), report("soft-bounced"), report("delivered"), report("delivered"))
    assert [each.status for each in outcomes] == ["repeated", "booked", "booked", "repeated"]
    assert await known(client) == []
    await book(report("soft-bounced"))
    await book(report("delivered"))
    assert await known(client) == []


async def test_the_first_complaint_is_the_one_that_counts(book: Book, client: httpx.AsyncClient) -> None:
    await book(report("complained"))
    assert [each.status for each in await book(report("complained", " Kim@Example.com"))] == ["repeated"]
    (found,) = (await client.get("/v1/addresses")).json()["data"]
    assert found["complained_at"] == NOW.isoformat().replace("+00:00", "Z")


async def test_an_address_is_lifted_once(book: Book, client: httpx.AsyncClient) -> None:
    await book(report("bounced"))
    assert [each.code for each in await book(*[LiftAddress("email", "kim@example.com", "works again")] * 2)] == [
        None,
        "address-unknown",
    ]
    assert await known(client) == []
    await book(report("bounced"))
    assert await known(client) == [("kim@example.com", "everything", 0)]


# Over REST


async def test_a_shop_that_sends_by_itself_reports_what_came_back(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    said = [await client.post("/v1/addresses/reports", json=KIM | {"kind": "bounced"}) for _ in range(2)]
    assert [(each.status_code, each.json()["keeps_from"]) for each in said] == [
        (201, "everything"),
        (200, "everything"),
    ]
    lifted = [await client.post("/v1/addresses/lift", json=KIM | {"reason": "works again"}) for _ in range(2)]
    assert [each.status_code for each in lifted] == [201, 404]
    assert lifted[1].json()["code"] == "address-unknown"
    async with engine.connect() as connection:
        rows = await fetch(connection, "SELECT action, subject, reason FROM audit ORDER BY id")
    assert [tuple(row) for row in rows] == [
        ("address.report", "email: k…@example.com", "bounced"),
        ("address.lift", "email: k…@example.com", "works again"),
    ]


async def test_addresses_are_found_and_listed_page_by_page(book: Book, client: httpx.AsyncClient) -> None:
    await book(*(report("bounced", f"{name}@example.com") for name in "abcde"), HearReport("sms", "+4917", "bounced"))
    assert await known(client, "?address=C@example.com") == [("c@example.com", "everything", 0)]
    assert await known(client, "?channel=sms") == [("+4917", "everything", 0)]
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await client.get(f"/v1/addresses?channel=email&limit=2{cursor}")).json()
        seen += [each["address"] for each in page["data"]]
        cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else None
    assert seen == [f"{name}@example.com" for name in "abcde"]
