"""Occasions are planned on the real database: once for a season, for everybody whose day is near, whatever was cut off."""

import asyncio
import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.notifications import planning, tables
from services.notifications.commands import DropSegment, Request
from services.notifications.jobs import jobs, plan_occasions
from services.notifications.programme import Anniversary, Programme
from services.notifications.records import notification_hex, notification_id
from services.notifications.service import NotificationsService
from shared.database import fetch, transact
from shared.documents import UnpublishableError
from tests.asking import rows
from tests.notifications.conftest import NOW

WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
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
            await connection.execute(
                tables.customer.insert().values(**{"time_zone": "Europe/Berlin", **values, **each})
            )


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


async def test_each_kind_of_anniversary_finds_those_whose_day_is_near(
    notifications: NotificationsService, engine: AsyncEngine
) -> None:
    terms = [
        birthday(),
        birthday(name="joined", of="joining", template="anniversary"),
        birthday(name="wedding", of="own:wedding", template="birthday"),
    ]
    await publish(notifications, NOW, *terms)
    await customers(
        engine,
        {"customer_id": "anna", "birthday": day("1990-11-25")},
        {"customer_id": "ben", "joined_on": day("2023-11-24")},
        {"customer_id": "cleo"},
        {"customer_id": "far", "birthday": day("1990-05-17"), "joined_on": day("2026-11-24")},
        {"customer_id": "gone", "birthday": day("1990-11-25"), "erased_at": NOW},
    )
    async with engine.begin() as connection:
        for name, date in [("wedding", "2001-11-23"), ("name-day", "2001-11-23")]:
            values = {"customer_id": "cleo", "name": name, "date": day(date), "entered_on": LONG_AGO}
            await connection.execute(tables.own_date.insert().values(**values))
    await plan(notifications, engine)
    assert await planned(engine) == [
        ("anna", "occasion:birthday", "2026", "2026-11-25"),
        ("ben", "occasion:joined", "2026", "2026-11-24"),
        ("cleo", "occasion:wedding", "2026", "2026-11-23"),
    ]
    contents = await rows(engine, "SELECT customer_id, content FROM notification ORDER BY customer_id")
    assert [each["content"] for each in contents] == [{}, {"years": 3}, {}]


@pytest.mark.parametrize(
    ("born", "now", "kept_on"),
    [
        ("1992-02-29", "2027-02-27T12:00:00Z", "2027-02-28"),
        ("1992-02-29", "2028-02-28T12:00:00Z", "2028-02-29"),
        ("1990-12-30", "2027-01-02T12:00:00Z", "2026-12-30"),
        ("1990-01-01", "2026-12-30T12:00:00Z", "2027-01-01"),
    ],
)
async def test_leap_days_and_years_ends_are_found(
    notifications: NotificationsService, engine: AsyncEngine, born: str, now: str, kept_on: str
) -> None:
    await customers(engine, {"customer_id": "anna", "birthday": day(born)})
    await plan(notifications, engine, now)
    assert [(each[2], each[3]) for each in await planned(engine)] == [(kept_on[:4], kept_on)]


async def test_what_was_had_lately_is_not_planned_again(
    notifications: NotificationsService, engine: AsyncEngine
) -> None:
    await customers(engine, {"customer_id": "anna", "birthday": day("1990-11-24")})
    await plan(notifications, engine)
    async with engine.begin() as connection:
        # 329 days before the next one that she tells of
        await connection.execute(tables.customer.update().values(birthday=day("1990-10-19")))
    await plan(notifications, engine, "2027-10-18T12:00:00Z")
    assert [each[2] for each in await planned(engine)] == ["2026"]
    await plan(notifications, engine, "2028-10-18T12:00:00Z")
    assert [each[2] for each in await planned(engine)] == ["2026", "2028"]


async def test_a_week_away_is_caught_up(notifications: NotificationsService, engine: AsyncEngine) -> None:
    await publish(notifications, NOW, birthday())
    await customers(engine, {"customer_id": "anna", "birthday": day("1990-11-24")})
    await plan(notifications, engine, "2026-12-01T12:00:00Z")
    (row,) = await rows(engine, "SELECT * FROM notification")
    assert row["due_at"] == instant("2026-11-24T08:00:00Z")
    assert row["happened_at"] == instant("2026-12-01T12:00:00Z")


async def test_what_is_over_is_not_caught_up(notifications: NotificationsService, engine: AsyncEngine) -> None:
    await publish(notifications, NOW, birthday())
    await customers(engine, {"customer_id": "anna", "birthday": day("1990-11-24")})
    assert await plan(notifications, engine, "2026-12-02T00:00:00Z") == 0


async def test_a_campaign_is_planned_before_its_window_for_all(
    notifications: NotificationsService, engine: AsyncEngine
) -> None:
    await publish(notifications, NOW, christmas())
    await customers(engine, *({"customer_id": f"c-{number}"} for number in range(20)))
    assert await plan(notifications, engine, "2026-12-01T00:00:00Z") == 0
    assert await plan(notifications, engine, "2026-12-02T12:00:00Z") == 20
    found = await rows(engine, "SELECT due_at, day, until, happened_at FROM notification")
    assert all(day("2026-12-04") <= each["day"] <= day("2026-12-15") for each in found)
    assert len({each["due_at"] for each in found}) > 10
    assert all(each["due_at"] == each["happened_at"] for each in found)


async def test_who_joins_later_is_found_later(notifications: NotificationsService, engine: AsyncEngine) -> None:
    await publish(notifications, NOW, christmas())
    await customers(engine, {"customer_id": "anna"})
    assert await plan(notifications, engine, "2026-12-03T12:00:00Z") == 1
    await customers(engine, {"customer_id": "aaron"})
    assert await plan(notifications, engine, "2026-12-03T12:05:00Z") == 0
    assert await plan(notifications, engine, "2026-12-03T13:00:00Z") == 1
    await customers(engine, {"customer_id": "zoe"})
    # catching up is over at the end of 22 December
    assert await plan(notifications, engine, "2026-12-23T12:00:00Z") == 0


async def test_another_programme_looks_at_all_of_them_again(
    notifications: NotificationsService, engine: AsyncEngine
) -> None:
    now = instant("2026-12-03T12:00:00Z")
    await publish(notifications, NOW, christmas(enabled=False))
    await customers(engine, {"customer_id": "anna"})
    assert await plan(notifications, engine, now) == 0
    await publish(notifications, now, christmas())
    assert await plan(notifications, engine, now) == 1


class _KilledError(Exception):
    """What ends a run in the middle."""


async def test_what_is_cut_off_goes_on_where_it_was(
    notifications: NotificationsService, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "BATCH", 7)
    await publish(notifications, NOW, christmas())
    await customers(engine, *({"customer_id": f"c-{number:02}"} for number in range(20)))
    notifications.clock = lambda: instant("2026-12-03T12:00:00Z")

    def kill(done: int, _of: int) -> None:
        if done == 14:
            raise _KilledError

    with pytest.raises(_KilledError):
        await plan_occasions(notifications, engine, kill)
    (sweep,) = await rows(engine, "SELECT passed FROM sweep")
    assert sweep["passed"] == "c-13"
    assert await plan(notifications, engine, "2026-12-03T12:10:00Z") == 6
    assert len(await planned(engine)) == 20


async def test_whoever_is_still_to_be_gone_through_is_counted(
    notifications: NotificationsService, engine: AsyncEngine
) -> None:
    await publish(notifications, NOW, christmas(), birthday())
    await customers(engine, {"customer_id": "anna"}, {"customer_id": "ben"})
    job = next(each for each in jobs(notifications, engine) if each.name == "plan")
    counted = []
    for now in ("2026-11-25T12:00:00Z", "2026-12-03T12:00:00Z"):
        notifications.clock = lambda at=now: instant(at)  # type: ignore[misc]
        async with engine.connect() as connection:
            counted.append(await job.waiting(connection))
    assert await job.work(lambda _done, _of: None) == 2
    async with engine.connect() as connection:
        assert (counted, await job.waiting(connection)) == ([0, 2], 0)


GOLD = {"field": "tier", "in": ["Gold"]}


async def save_segment(engine: AsyncEngine, name: str, document: dict[str, Any]) -> None:
    async with engine.begin() as connection:
        values = {"name": name, "filter": document, "saved_at": NOW, "saved_by": "tests"}
        await connection.execute(tables.segment.insert().values(**values))


async def test_an_occasion_is_only_for_its_segment(notifications: NotificationsService, engine: AsyncEngine) -> None:
    await save_segment(engine, "gold", GOLD)
    await publish(notifications, NOW, christmas(segment="gold"), birthday(segment="gold"))
    await customers(
        engine,
        {"customer_id": "anna", "tier": "Gold", "birthday": day("1990-12-04")},
        {"customer_id": "ben", "tier": "Silver", "birthday": day("1990-12-04")},
    )
    assert await plan(notifications, engine, "2026-12-03T12:00:00Z") == 2
    assert {each[0] for each in await planned(engine)} == {"anna"}
    async with engine.begin() as connection:
        await connection.execute(tables.customer.update().values(tier="Gold"))
    # who comes into it later is found later
    assert await plan(notifications, engine, "2026-12-03T13:00:00Z") == 2


async def test_a_segment_has_to_be_there(notifications: NotificationsService, engine: AsyncEngine) -> None:
    notifications.clock = lambda: NOW
    with pytest.raises(UnpublishableError):
        await publish(notifications, NOW, christmas(segment="gold"))
    await save_segment(engine, "gold", GOLD)
    await publish(notifications, NOW, christmas(segment="gold"))
    (outcome,) = (await notifications.submit(Request([DropSegment("gold")]))).outcomes
    assert outcome.code == "segment-needed"
    await publish(notifications, NOW, christmas())
    (outcome,) = (await notifications.submit(Request([DropSegment("gold")]))).outcomes
    assert outcome.status == "booked"


async def test_two_runs_at_once_plan_each_once(notifications: NotificationsService, engine: AsyncEngine) -> None:
    await publish(notifications, NOW, christmas())
    await customers(engine, *({"customer_id": f"c-{number:03}"} for number in range(300)))
    now = instant("2026-12-03T12:00:00Z")
    programme = (await notifications.programme_now()).programme
    (asked,) = await transact(engine, lambda each: planning.rounds(each, programme, now))

    async def run() -> int:
        return (await transact(engine, lambda each: planning.plan(each, asked, programme, after="", now=now)))[0]

    assert sum(await asyncio.gather(*(run() for _ in range(4)))) == 300
    assert len(await planned(engine)) == 300


MANY = """
INSERT INTO customer (customer_id, birthday, birthday_entered_on, joined_on)
SELECT 'c-' || n, date '1950-01-01' + n, date '2020-01-01', date '1950-01-01' + n FROM generate_series(1, 20000) AS n"""
MANY_DATES = "INSERT INTO own_date SELECT customer_id, 'wedding', birthday, joined_on FROM customer"


READ = """
SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) AS rows FROM pg_stat_xact_user_tables
 WHERE relname IN ('customer', 'own_date')"""


@pytest.mark.parametrize("of", ["birthday", "joining", "own:wedding"])
async def test_of_many_customers_only_those_are_read_whose_day_it_is(engine: AsyncEngine, of: str) -> None:
    for statement in (MANY, MANY_DATES, "ANALYZE"):
        await transact(engine, lambda connection, each=statement: fetch(connection, each))  # type: ignore[misc]
    (asked, *_) = planning.rounds_of(Anniversary.model_validate(birthday(of=of)), NOW, planning.HORIZON)

    async def read(connection: AsyncConnection) -> tuple[int, int]:
        # what this connection did before may still be among it
        before = (await fetch(connection, READ))[0]["rows"]
        found = await planning.candidates(connection, asked, now=NOW, after="", limit=100, lock=True)
        return len(found), (await fetch(connection, READ))[0]["rows"] - before

    found, read_of_all = await transact(engine, read)
    assert 50 < found < 60
    assert read_of_all < 4 * found


async def test_a_birthday_that_is_changed_meanwhile_is_not_planned(
    notifications: NotificationsService, engine: AsyncEngine
) -> None:
    await publish(notifications, NOW, birthday())
    await customers(engine, {"customer_id": "anna", "birthday": day("1990-11-24")})
    async with engine.begin() as connection:
        await connection.execute(tables.customer.update().values(birthday=day("1990-05-17")))
        running = asyncio.create_task(plan(notifications, engine))
        while not await rows(engine, WAITING):  # noqa: ASYNC110 - in the database
            await asyncio.sleep(0.01)
    assert await running == 0
    assert await planned(engine) == []


@given(*[st.text(st.characters(codec="utf-8"))] * 3)
def test_an_id_is_the_same_in_digits(customer_id: str, subject: str, reference: str) -> None:
    name = customer_id, subject, reference
    assert notification_hex(*name) == notification_id(*name).hex
