"""Each invariant of what is said is broken once, and found; what the service itself did never breaks one."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notifications.sending.alarm import Alarm
from services.notifications.sending.saying import Sayer
from services.notifications.service import NotificationsService
from services.notifications.verification import SAYINGS, verify
from tests.notifications.messages import NOW, enrol, execute, plan

BREAKAGES = {
    "a-delivery-is-of-a-message": "UPDATE notification SET status = 'suppressed'",
    "nothing-is-kept-of-what-is-over": "UPDATE dispatch SET address = NULL",
    "a-gift-is-of-its-occasion": "UPDATE notification SET coupon_id = NULL",
    "what-was-said-was-said-somewhere": "UPDATE notification SET channel = NULL",
}


async def found(engine: AsyncEngine) -> set[str]:
    async with engine.connect() as connection:
        return {finding.name for finding in await verify(connection)}


@pytest.fixture
async def history(engine: AsyncEngine, sending: NotificationsService) -> None:
    """A birthday that was said and is to be delivered."""
    await enrol(engine)
    await plan(engine, due_at=NOW)
    await Sayer(sending, Alarm()).say_due()


@pytest.mark.usefixtures("history")
async def test_what_the_service_did_breaks_none(engine: AsyncEngine) -> None:
    assert await found(engine) == set()


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("name", [each.name for each in SAYINGS])
async def test_each_is_found_when_it_is_broken(name: str, engine: AsyncEngine) -> None:
    await execute(engine, BREAKAGES[name])
    assert name in await found(engine)
