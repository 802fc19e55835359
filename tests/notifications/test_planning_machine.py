"""Years of planning at random: profiles change, customers come, runs are missed, clocks jump; nobody has anything twice or misses it.

The model is what rule 28 says, asked on the day itself; it knows nothing of rounds, sweeps or horizons.
"""

import datetime as dt
import random
from dataclasses import dataclass
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notifications import planning, tables
from services.notifications.jobs import SWEPT
from services.notifications.service import NotificationsService
from services.notifications.verification import verify
from tests.asking import rows
from tests.notifications.test_planning import birthday, christmas, customers, plan, publish

DAY = dt.timedelta(days=1)
BEGINNING = dt.datetime(2026, 10, 1, 6, tzinfo=dt.UTC)
ZONES = ["Europe/Berlin", "Pacific/Kiritimati", "America/Los_Angeles"]
RUNS = 130

SENT = "UPDATE notification SET status = 'sent', channel = 'email', said_at = due_at WHERE status = 'planned' AND due_at <= :now"


@dataclass
class Person:
    name: str
    zone: ZoneInfo
    born: dt.date
    entered_on: dt.date

    def kept_on(self, year: int) -> dt.date:
        try:
            return self.born.replace(year=year)
        except ValueError:
            return dt.date(year, 2, 28)


class History:
    """A shop over the years."""

    def __init__(self, engine: AsyncEngine, notifications: NotificationsService, seed: int) -> None:
        self.engine = engine
        self.notifications = notifications
        self.random = random.Random(seed)
        self.now = BEGINNING
        self.people: dict[str, Person] = {}

    def _date(self) -> dt.date:
        """A date that comes soon, more often than others, or is 29 February."""
        chance = self.random.random()
        if chance < 0.1:
            return dt.date(1992, 2, 29)
        days = self.random.randrange(60) if chance < 0.7 else self.random.randrange(366)
        return (self.now.date() + days * DAY).replace(year=1991, day=min((self.now.date() + days * DAY).day, 28))

    async def join(self) -> None:
        zone = self.random.choice(ZONES)
        today = self.now.astimezone(ZoneInfo(zone)).date()
        entered_on = today - self.random.choice([0, 29, 31, 400]) * DAY
        person = Person(f"c-{len(self.people)}", ZoneInfo(zone), self._date(), entered_on)
        self.people[person.name] = person
        profile = {"customer_id": person.name, "time_zone": zone, "birthday": person.born}
        await customers(self.engine, profile | {"birthday_entered_on": entered_on})

    async def change(self) -> None:
        """Another birthday; what was planned for the one before is planned no more."""
        person = self.random.choice([*self.people.values()])
        person.born, person.entered_on = self._date(), self.now.astimezone(person.zone).date()
        customer, message = tables.customer, tables.notification
        theirs = message.c.customer_id == person.name, message.c.subject == "occasion:birthday"
        async with self.engine.begin() as connection:
            values = {"birthday": person.born, "birthday_entered_on": person.entered_on}
            await connection.execute(customer.update().where(customer.c.customer_id == person.name).values(**values))
            await connection.execute(message.delete().where(*theirs, message.c.status == "planned"))

    def pass_time(self) -> None:
        chance = self.random.random()
        if chance < 0.75:
            self.now += DAY
        elif chance < 0.85:
            self.now += dt.timedelta(hours=self.random.randrange(1, 12))
        elif chance < 0.97:
            self.now += self.random.randrange(2, 60) * DAY
        else:
            self.now -= self.random.randrange(1, 4) * DAY

    async def run(self) -> None:
        await plan(self.notifications, self.engine, self.now)
        await self.check()
        async with self.engine.begin() as connection:
            await connection.execute(sa.text(SENT), {"now": self.now})

    async def check(self) -> None:
        had: dict[str, dict[str, list[dt.date]]] = {"occasion:birthday": {}, "occasion:christmas": {}}
        for each in await rows(self.engine, "SELECT customer_id, subject, day FROM notification ORDER BY day"):
            had[each["subject"]].setdefault(each["customer_id"], []).append(each["day"])
        for person in self.people.values():
            self._check_birthday(person, had["occasion:birthday"].get(person.name, []))
            self._check_christmas(person, had["occasion:christmas"].get(person.name, []))

    def _check_birthday(self, person: Person, had: list[dt.date]) -> None:
        assert all(later - earlier >= 330 * DAY and later.year > earlier.year for earlier, later in pairwise(had)), had
        today = self.now.astimezone(person.zone).date()
        counts = today == person.kept_on(today.year) and today - person.entered_on >= 30 * DAY
        if counts and not any(abs(today - day) < 330 * DAY or day.year == today.year for day in had if day != today):
            assert today in had, (person, self.now)

    def _check_christmas(self, person: Person, had: list[dt.date]) -> None:
        assert len({day.year for day in had}) == len(had)
        assert all(dt.date(day.year, 12, 4) <= day <= dt.date(day.year, 12, 15) for day in had)
        today = self.now.astimezone(person.zone).date()
        if dt.date(today.year, 12, 4) <= today <= dt.date(today.year, 12, 22):
            assert today.year in {day.year for day in had}, (person, self.now)


@pytest.mark.parametrize("seed", range(3))
async def test_years_of_planning(
    engine: AsyncEngine, notifications: NotificationsService, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(planning, "BATCH", 7)
    await publish(notifications, BEGINNING, birthday(), christmas())
    history = History(engine, notifications, seed)
    for _ in range(12):
        await history.join()
    for _ in range(RUNS):
        history.pass_time()
        if history.random.random() < 0.2:
            # who is new is found when all are gone through again
            history.now += SWEPT
            await history.join()
        if history.random.random() < 0.3:
            await history.change()
        await history.run()
    async with engine.connect() as connection:
        assert await verify(connection) == []
