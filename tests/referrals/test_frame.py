"""The frame of the referrals service: it answers for itself, says in documents what it hears, and keeps its house."""

import datetime as dt

import httpx
from pydantic import TypeAdapter

from services.referrals.documents import asyncapi
from services.referrals.handlers import EVENTS
from services.referrals.jobs import jobs
from services.referrals.service import ReferralsService
from services.referrals.verification import verify
from shared.contracts import referrals as said
from shared.database import fetch

LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


async def test_it_answers_for_its_health_and_its_events(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health/ready")).json()["checks"] == {"database": "ok", "migrations": "ok"}
    assert (await client.get("/asyncapi.json")).json() == asyncapi()


def test_every_event_example_is_an_event() -> None:
    heard = EVENTS.json_schema()["discriminator"]["mapping"]
    messages = asyncapi()["components"]["messages"]
    assert messages.keys() == {*heard, *said.EVENTS.json_schema()["discriminator"]["mapping"]}
    for name, message in messages.items():
        adapter: TypeAdapter[object] = EVENTS if name in heard else said.EVENTS
        for example in message["examples"]:
            assert adapter.validate_python(example["payload"])


async def test_answers_and_dead_letters_of_long_ago_are_let_go(referrals: ReferralsService) -> None:
    housekeeping = next(each for each in jobs(referrals, referrals.engine) if each.name == "housekeeping")
    async with referrals.engine.begin() as connection:
        await fetch(
            connection,
            """INSERT INTO stored_answer SELECT 'till', 'k' || lasting, '', 200, '', '', $1, lasting
               FROM unnest(ARRAY[true, false]) AS lasting""",
            LONG_AGO,
        )
        await fetch(
            connection,
            """INSERT INTO dead_letter (consumer, topic, code, error, status, settled_at, relayed_at, digest)
               VALUES ('referrals', 't', 'c', 'e', 'dropped', $1, $1, '')""",
            LONG_AGO,
        )
    async with referrals.engine.connect() as connection:
        assert await housekeeping.waiting(connection) == 2
    assert await housekeeping.work(lambda _done, _of: None) == 2
    async with referrals.engine.connect() as connection:
        assert [row["lasting"] for row in await fetch(connection, "SELECT lasting FROM stored_answer")] == [True]


async def test_new_books_are_right(referrals: ReferralsService) -> None:
    async with referrals.engine.connect() as connection:
        assert await verify(connection) == []
