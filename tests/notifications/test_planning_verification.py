"""Each invariant of what is planned is broken once, and found; what the service itself did never breaks one."""

import datetime as dt

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notifications.service import NotificationsService
from services.notifications.verification import PLANS, verify
from shared.database import fetch
from tests.notifications.conftest import NOW, Book, issue
from tests.notifications.test_news import Ear, announce, awarded, opened
from tests.notifications.test_planning import birthday, customers, day, plan, publish

BREAKAGES = {
    "a-thing-is-said-once": """
        INSERT INTO notification (notification_id, customer_id, subject, reference, status, purpose, happened_at, due_at)
        SELECT gen_random_uuid(), customer_id, subject, reference, status, purpose, happened_at, due_at
          FROM notification WHERE subject = 'welcome'""",
    "a-season-is-the-year-of-its-day": "UPDATE notification SET day = day - 365 WHERE day IS NOT NULL",
    "a-digest-has-something-to-tell": """
        UPDATE notification SET content = '{"awarded": 0, "activated": 0}' WHERE subject = 'points_digest'""",
    "a-reminder-is-of-a-coupon-that-can-be-used": "UPDATE coupon SET status = 'voided', ended_at = now()",
}


async def found(engine: AsyncEngine) -> set[str]:
    async with engine.connect() as connection:
        return {finding.name for finding in await verify(connection)}


@pytest.fixture
async def history(engine: AsyncEngine, book: Book, notifications: NotificationsService) -> None:
    """Something of each kind that is planned."""
    await Ear(engine).hear(opened(), awarded())
    await book(issue(days=20))
    await announce(notifications, engine, NOW + dt.timedelta(days=15))
    await publish(notifications, NOW, birthday())
    await customers(engine, {"customer_id": "ben", "birthday": day("1990-11-24")})
    await plan(notifications, engine)


@pytest.mark.usefixtures("history")
async def test_what_the_service_did_breaks_none(engine: AsyncEngine) -> None:
    assert await found(engine) == set()


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("name", [each.name for each in PLANS])
async def test_each_is_found_when_it_is_broken(name: str, engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await fetch(connection, BREAKAGES[name])
    assert name in await found(engine)
