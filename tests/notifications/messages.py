"""What is to be said to whom, put into the books in one line, and what was said of it."""

import asyncio
import datetime as dt
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notifications.programme import purpose
from services.notifications.records import notification_id
from shared.contracts.notifications import EVENTS
from shared.database import fetch, transact
from tests.asking import rows
from tests.waiting import PATIENCE_SECONDS

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)

CUSTOMER = """
INSERT INTO customer (customer_id, salutation, given_name, family_name, language, time_zone, email, phone, preferred_channel)
VALUES ($1, 'Frau', 'Anna', 'Muster', $2, $3, $4, $5, $6)"""
CONSENT = """
INSERT INTO consent (customer_id, channel, purpose, state, asked_at, asked_how, asked_text)
VALUES ($1, $2, $3, $4, now(), 'form', 'yes') ON CONFLICT (customer_id, channel, purpose) DO UPDATE SET state = excluded.state"""
PLAN = """
INSERT INTO notification (notification_id, customer_id, subject, reference, status, purpose, happened_at, due_at, until, day,
  content) VALUES ($1, $2, $3, $4, 'planned', $5, $6, $7, $8, $9, $10::text::jsonb)"""


async def execute(engine: AsyncEngine, statement: str, *arguments: object) -> None:
    await transact(engine, lambda connection: fetch(connection, statement, *arguments))


async def enrol(engine: AsyncEngine, name: str = "anna", **said: Any) -> None:
    """A customer who agreed to everything by mail, unless that is said otherwise."""
    given = {
        "language": "de",
        "time_zone": "UTC",
        "email": f"{name}@example.com",
        "phone": None,
        "preferred": None,
    } | said
    await execute(
        engine, CUSTOMER, name, *(given[each] for each in ("language", "time_zone", "email", "phone", "preferred"))
    )
    for each in ("offers", "account"):
        await agree(engine, name, purpose=each)


async def agree(
    engine: AsyncEngine, name: str = "anna", *, channel: str = "email", purpose: str = "offers", state: str = "given"
) -> None:
    await execute(engine, CONSENT, name, channel, purpose, state)


async def plan(
    engine: AsyncEngine,
    subject: str = "occasion:birthday",
    name: str = "anna",
    *,
    reference: str = "2026",
    due_at: dt.datetime = NOW,
    until: dt.datetime | None = None,
    content: dict[str, Any] | None = None,
    **more: Any,
) -> UUID:
    """Something to be said, from now on unless that is said otherwise; `more` is its content too."""
    kind = subject.partition(":")[0]
    key = notification_id(name, subject, reference)
    said = orjson.dumps({**(content or {}), **more}).decode()
    day = NOW.date() if kind == "occasion" else None
    if kind == "occasion" and until is None:
        until = NOW + dt.timedelta(days=8)
    await execute(engine, PLAN, key, name, subject, reference, purpose(kind), NOW, due_at, until, day, said)
    return key


async def told(engine: AsyncEngine) -> list[dict[str, Any]]:
    """What was said, in order, each one of the contract: its data, and its type as `type`."""
    events = [orjson.loads(each["payload"]) for each in await rows(engine, "SELECT payload FROM outbox ORDER BY id")]
    for event in events:
        EVENTS.validate_python(event)
    return [each["data"] | {"type": each["type"].removeprefix("loyalty.").removesuffix(".v1")} for each in events]


async def words(engine: AsyncEngine) -> list[str]:
    return [each["type"] for each in await told(engine)]


async def statuses(engine: AsyncEngine) -> dict[str, tuple[str, str | None]]:
    found = await rows(engine, "SELECT subject, status, reason FROM notification ORDER BY subject")
    return {each["subject"]: (each["status"], each["reason"]) for each in found}


async def comes_to(engine: AsyncEngine, status: str) -> None:
    """Wait until every notification has come to a status, in whichever process."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while {found for found, _reason in (await statuses(engine)).values()} != {status}:  # noqa: ASYNC110 - others do it
            await asyncio.sleep(0.05)
