"""What a till was answered holds: through a database that leaves, a process that dies, and two processes at once."""

import asyncio
import random

import httpx
import pytest

from shared.database import create_engine, fetch
from tests import plain
from tests.faults.tills import Tills, api, each_booked_is_whole, each_is_booked_once
from tests.shared.messaging.proxy import Proxy
from tests.shared.messaging.waiting import running, until

pytestmark = pytest.mark.slow

PURCHASES = range(1_000)

REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END$$"""
DISK_FULL = "CREATE TRIGGER disk_full BEFORE INSERT ON lot FOR EACH ROW EXECUTE FUNCTION refuse()"


async def answered(tills: Tills, count: int) -> None:
    async def enough() -> bool:
        return len(tills.answers) >= count

    await until(enough, wanted=True, seconds=60)


async def refused(tills: Tills, count: int) -> bool:
    return len(tills.refusals) >= count


async def ask_until_ready(url: str) -> None:
    async def ready() -> int:
        async with httpx.AsyncClient(verify=plain.NO_CERTIFICATES, base_url=url, timeout=30) as client:
            return (await client.get("/health/ready")).status_code

    await until(ready, 200, seconds=60)


async def test_a_database_that_leaves_is_said_and_nothing_answered_is_lost(database_url: str, wire: Proxy) -> None:
    async with api(wire.url) as process:
        tills = Tills(process.url)
        async with running(tills.post(PURCHASES)) as posting:
            await answered(tills, 200)
            await wire.cut()
            await until(lambda: refused(tills, 50), wanted=True, seconds=60)
            await wire.join()
            await ask_until_ready(process.url)
            await posting
        assert {each.status_code for each in tills.refusals} == {503}
        assert {each.json()["code"] for each in tills.refusals} == {"database-away"}
        assert all(int(each.headers["Retry-After"]) > 0 for each in tills.refusals)
        first = dict(tills.answers)
        assert await each_booked_is_whole(database_url) >= first.keys()
        await tills.post(PURCHASES)
    assert tills.unanswered == set()
    _repeats_are_answered_alike(first, tills)
    await each_is_booked_once(database_url, PURCHASES)


async def test_a_process_that_is_killed_has_booked_all_it_answered_and_nothing_by_halves(
    database_url: str,
) -> None:
    moment = random.Random(20261124).randrange(100, 800)
    async with api(database_url) as process:
        tills = Tills(process.url)
        async with running(tills.post(PURCHASES)) as posting:
            await answered(tills, moment)
            process.kill()
            await posting
    first = dict(tills.answers)
    assert tills.unanswered
    assert await each_booked_is_whole(database_url) >= first.keys()
    async with api(database_url) as process:
        tills.url = process.url
        await tills.post(PURCHASES)
    _repeats_are_answered_alike(first, tills)
    await each_is_booked_once(database_url, PURCHASES)


def _repeats_are_answered_alike(first: dict[int, httpx.Response], tills: Tills) -> None:
    """Under its own key a request gets its first answer; without one the purchase is there already, with its points."""
    for number, answer in first.items():
        again = tills.answers[number]
        if number % 2:
            assert (again.status_code, again.content) == (answer.status_code, answer.content)
        else:
            assert (again.status_code, again.json()["points"]) == (200, answer.json()["points"])


async def test_two_processes_on_one_database_book_each_purchase_once(database_url: str) -> None:
    async with api(database_url) as one, api(database_url) as other:
        tills = [Tills(process.url) for process in (one, other)]
        await asyncio.gather(*(each.post(PURCHASES) for each in tills))
    assert [each.refusals for each in tills] == [[], []]
    answers = [[each.answers[number] for each in tills] for number in PURCHASES]
    assert all(first.json()["points"] == second.json()["points"] for first, second in answers)
    created = [sorted(answer.status_code for answer in both) for both in answers]
    # under the same key both get the one answer that is stored, without it the second hears that it is there already
    assert {tuple(each) for each in created[1::2]} == {(201, 201)}
    assert {tuple(each) for each in created[0::2]} == {(200, 201)}
    await each_is_booked_once(database_url, PURCHASES)


async def test_a_disk_that_is_full_is_said_and_nothing_is_booked_by_halves(database_url: str) -> None:
    """PostgreSQL's own word for it, raised where rows are written: no test can fill the machine's disk."""
    engine = create_engine(database_url, name="tests", pool_size=1)
    async with api(database_url) as process:
        tills = Tills(process.url)
        await tills.post(range(100))
        async with engine.begin() as connection:
            await fetch(connection, REFUSE)
            await fetch(connection, DISK_FULL)
        await tills.post(range(100, 200))
        assert {(each.status_code, each.json()["code"]) for each in tills.refusals} == {(503, "database-away")}
        await each_is_booked_once(database_url, range(100))
        async with engine.begin() as connection:
            await fetch(connection, "DROP TRIGGER disk_full ON lot")
        await tills.post(range(200))
    await engine.dispose()
    assert tills.unanswered == set()
    await each_is_booked_once(database_url, range(200))
