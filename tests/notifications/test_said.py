"""What was heard and planned by the service itself is what its default messages can say: from the event to the words."""

import datetime as dt
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notifications.jobs import announce_coupons, plan_occasions
from services.notifications.programme import Programme
from services.notifications.sending.alarm import Alarm
from services.notifications.sending.saying import Sayer
from services.notifications.service import NotificationsService
from services.notifications.verification import verify
from shared.documents import BEGINNING
from tests.notifications.clocks import Clock
from tests.notifications.conftest import LINKS, NOW, Book, issue
from tests.notifications.messages import enrol, execute, statuses, told
from tests.notifications.test_news import BALANCE, COUPON, INVITED, REFERRAL, Ear, awarded, opened

DAY = dt.timedelta(days=1)
EXPIRING = ("points.expiring", {"customer_id": "anna", "points": 80, "on": "2027-01-31", "balance": BALANCE})
REACHED = (
    "tier.changed",
    {"customer_id": "anna", "from": "Silver", "to": "Gold", "since": "2026-11-23", "reason": "earned"},
)
DROPPING = (
    "tier.expiring",
    {"customer_id": "anna", "tier": "Gold", "to": "Silver", "on": "2027-01-01", "missing": 220, "counts": "spend"},
)
REWARDED = ("referral.rewarded", REFERRAL | {"reward_id": "r-1/referrer/1", "reward": COUPON, "rung": 5})
HEARD = [opened(), awarded(), EXPIRING, REACHED, DROPPING, REWARDED, INVITED]


class Shop:
    """The service with its jobs and its worker, at instants that are chosen."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.clock = Clock(NOW)
        self.service = NotificationsService(engine, links=LINKS, delivers_mail=True, clock=self.clock)

    async def publish(self, **document: Any) -> None:
        programme = Programme.model_validate({"frequency_cap": None, **document})
        await self.service.publish(programme, valid_from=BEGINNING, now=NOW, actor="tests")

    async def pass_to(self, now: dt.datetime) -> None:
        """Do what the jobs and the worker do at an instant."""
        self.clock.now = now
        await plan_occasions(self.service, self.engine, lambda _done, _of: None)
        await announce_coupons(self.service, self.engine, lambda _done, _of: None)
        while await Sayer(self.service, Alarm()).say_due():
            pass

    async def texts(self) -> dict[str, str]:
        said = [each for each in await told(self.engine) if each["type"] == "notification.requested"]
        return {each["about"]: each["text"] for each in said}


@pytest.fixture
def shop(engine: AsyncEngine) -> Shop:
    return Shop(engine)


async def test_all_that_is_heard_is_said_in_words(shop: Shop, book: Book, engine: AsyncEngine) -> None:
    await shop.publish(occasions=[])
    await enrol(engine, language="en")
    await book(issue(days=30))
    await Ear(engine).hear(*HEARD)
    for days in range(25):
        await shop.pass_to(NOW + days * DAY)
    found = await statuses(engine)
    assert {status for status, _reason in found.values()} == {"requested"}, found
    assert set(found) == set(Programme().messages.model_dump()) - {"confirm_consent"}
    texts = await shop.texts()
    assert "Newly collected: 114" in texts["points_digest"]
    assert "10 % off" in texts["referral_rewarded"]
    async with engine.connect() as connection:
        assert await verify(connection) == []


async def test_a_birthday_comes_with_its_coupon_on_its_morning(shop: Shop, engine: AsyncEngine) -> None:
    await shop.publish()
    await enrol(engine, language="de", time_zone="Europe/Berlin")
    dates = {"birthday": dt.date(1990, 11, 24), "birthday_entered_on": dt.date(2020, 1, 1)}
    await execute(engine, "UPDATE customer SET birthday = $1, birthday_entered_on = $2", *dates.values())
    await shop.pass_to(NOW)
    assert await shop.texts() == {}
    for hours in range(20, 24):
        await shop.pass_to(NOW + dt.timedelta(hours=hours))
    texts = await shop.texts()
    assert list(texts) == ["occasion:birthday"]
    assert "BDAY-" in texts["occasion:birthday"]
    async with engine.connect() as connection:
        assert await verify(connection) == []
