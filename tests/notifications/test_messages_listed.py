"""What was said to a customer and what was not, as staff read it."""

import datetime as dt

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notifications.records import notification_id
from shared.database import fetch
from tests.notifications.conftest import NOW

INSERT = """
INSERT INTO notification (notification_id, customer_id, subject, reference, status, purpose, happened_at, due_at, reason)
VALUES ($1, $2, 'welcome', $3, 'suppressed', 'account', $4, $4, 'consent-missing')"""


async def test_messages_are_listed_page_by_page_the_newest_first(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        await fetch(connection, "INSERT INTO customer (customer_id) VALUES ('anna'), ('ben')")
        for number in range(5):  # two of them at one instant
            at = NOW - dt.timedelta(hours=max(1, number))
            name = notification_id("anna", "welcome", str(number))
            await fetch(connection, INSERT, name, "anna", str(number), at)
        await fetch(connection, INSERT, notification_id("ben", "welcome", "0"), "ben", "0", NOW)
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await client.get(f"/v1/customers/anna/notifications?limit=2{cursor}")).json()
        seen += [each["reference"] for each in page["data"]]
        assert {(each["status"], each["reason"]) for each in page["data"]} == {("suppressed", "consent-missing")}
        cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else None
    assert (sorted(seen[:2]), seen[2:]) == (["0", "1"], ["2", "3", "4"])


async def test_of_nobody_there_is_no_history(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/customers/nobody/notifications")
    assert (answer.status_code, answer.json()["code"]) == (404, "customer-unknown")
    wrong = await client.get("/v1/customers/nobody/notifications?cursor=WyJhIiwiYiJd")
    assert (wrong.status_code, wrong.json()["code"]) == (422, "cursor-invalid")
