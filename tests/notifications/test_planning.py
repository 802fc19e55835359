"""Occasions are planned on the real database: once for a season, for everybody whose day is near, whatever was cut off."""

import datetime as dt
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notifications import planning, tables
from services.notifications.jobs import plan_occasions
from services.notifications.programme import Programme
from services.notifications.service import NotificationsService
from shared.database import transact
from tests.asking import rows
from tests.notifications.conftest import NOW

LONG_AGO = dt.date(2020, 1, 1)
DAY = dt.timedelta(days=1)


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def instant(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def birthday(**more: Any) -> dict[str, Any]:
    return {"kind": "anniversary", "of": "birthday", "name": "birthday", "template": "birthday", **more}


def christmas(**more: Any) -> dict[str, Any]:
    return {"kind": "campaign", "name": "christmas", "template": "christmas", "begins": "12-04", "days": 12, **more}


async def customers(engine: AsyncEngine, *profiles: dict[str, Any]) -> None:
    async with engine.begin() as connection:
        for each in profiles:
            values = each | ({"birthday_entered_on": LONG_AGO} if "birthday" in each else {})
            await connection.execute(tables.customer.insert().values(**{"time_zone": "Europe/Berlin", **values, **each}))


async def publish(notifications: NotificationsService, now: dt.datetime, *occasions: dict[str, Any]) -> None:
    programme = Programme.model_validate({"occasions": list(occasions)})
    await notifications.publish(programme, valid_from=now, now=now, actor="tests")


async def plan(notifications: NotificationsService, engine: AsyncEngine, now: str | dt.datetime = NOW) -> int:
    at = instant(now) if isinstance(now, str) else now
    notifications.clock = lambda: at
    return await plan_occasions(notifications, engine, lambda _done, _of: None)


async def planned(engine: AsyncEngine) -> list[tuple[str, str, str, str]]:
    """Who, what, of which season, on which day."""
    found = await rows(
        engine, "SELECT customer_id, subject, reference, day FROM notification ORDER BY customer_id, subject, reference"
    )
    return [(each["customer_id"], each["subject"], each["reference"], each["day"].isoformat()) for each in found]


async def test_a_birthday_is_planned_once(notifications: NotificationsService, engine: AsyncEngine) -> None:
    await customers(engine, {"customer_id": "anna", "birthday": day("1990-11-24")})
    assert await plan(notifications, engine) == 1
    assert await plan(notifications, engine) == 0
    (row,) = await rows(engine, "SELECT * FROM notification")
    assert (row["customer_id"], row["subject"], row["reference"]) == ("anna", "occasion:birthday", "2026")
    assert (row["status"], row["purpose"], row["day"]) == ("planned", "offers", day("2026-11-24"))
    assert row["due_at"] == row["happened_at"] == instant("2026-11-24T08:00:00Z")
    assert row["until"] == instant("2026-12-01T23:00:00Z")
