"""A tiny service that hears one topic and notes what it heard, beside a real broker and a real database."""

import datetime as dt
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Annotated, Any, Literal

import orjson
import pytest
from pydantic import BaseModel, Discriminator, TypeAdapter
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.contracts.envelope import Envelope
from shared.database import fetch
from shared.messaging.events import Received, Subscription, Verdict
from shared.messaging.kafka import Topic, create_topics, producer

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
SAID, ANSWERED = "loyalty.word.said.v1", "loyalty.word.answered.v1"


class Word(BaseModel):
    """`refuse` asks the handler to reject it, `break_it` to write what PostgreSQL refuses."""

    text: str
    refuse: bool = False
    break_it: bool = False


class Said(Envelope):
    type: Literal["loyalty.word.said.v1"]
    data: Word


class Answered(Envelope):
    type: Literal["loyalty.word.answered.v1"]
    data: Word


EVENTS: TypeAdapter[Any] = TypeAdapter(Annotated[Said | Answered, Discriminator("type")])

HEARD = """
CREATE TABLE heard (number bigint GENERATED ALWAYS AS IDENTITY, id text PRIMARY KEY, text text NOT NULL CHECK (text <> 'bad'))"""
HEAR = """
INSERT INTO heard (id, text) SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT (id) DO NOTHING RETURNING id"""
OWE = "INSERT INTO outbox (topic, key, payload) SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[])"


def document(id_: str, text: str = "hello", **more: Any) -> dict[str, Any]:
    data = {"text": text} | {name: more.pop(name) for name in ("refuse", "break_it") if name in more}
    return {"specversion": "1.0", "id": id_, "source": "/test", "type": SAID, "subject": "c-1", "data": data} | more


def said(id_: str, text: str = "hello", **more: Any) -> bytes:
    return orjson.dumps(document(id_, text, **more))


async def hear(answers_topic: str, connection: AsyncConnection, events: Sequence[Received]) -> list[Verdict]:
    """Note each word once and owe an answer for it."""
    wanted = [each.event for each in events if not each.event.data.refuse]
    ids, texts = [each.id for each in wanted], ["bad" if each.data.break_it else each.data.text for each in wanted]
    new = {row["id"] for row in await fetch(connection, HEAR, ids, texts)}
    answers = [each for each in wanted if each.id in new]
    documents = [said(each.id, each.data.text, type=ANSWERED) for each in answers]
    await fetch(connection, OWE, [answers_topic] * len(answers), [each.subject for each in answers], documents)
    return [
        Verdict("rejected", "word-refused", "as it asked") if each.event.data.refuse
        else Verdict("accepted" if each.event.id in new else "duplicate")
        for each in events
    ]  # fmt: skip


@pytest.fixture
async def listener(engine: AsyncEngine) -> Callable[[str], Subscription]:
    """Return a subscription to a topic of the database that `engine` reaches."""
    async with engine.begin() as connection:
        await fetch(connection, HEARD)
    return lambda topic: Subscription(f"listener-{topic}", (topic,), EVENTS, partial(hear, f"{topic}.answers"))


@pytest.fixture
async def topic(kafka: str) -> str:
    """A topic of one's own, with two partitions, and its dead letters."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    await create_topics(kafka, [Topic(name, 2), Topic(f"{name}.answers", 2), Topic(f"{name}.dlt", 1)])
    return name


Send = Callable[..., Awaitable[int]]


@pytest.fixture
async def send(kafka: str, topic: str) -> AsyncIterator[Send]:
    """Put a record on the test's topic and return its offset."""
    sender = producer(kafka, client="tests")
    await sender.start()

    async def put(value: bytes | None, *, key: bytes = b"c-1", headers: Sequence[Any] = (), partition: int = 0) -> int:
        stored = await sender.send_and_wait(topic, value, key, headers=list(headers), partition=partition)
        return int(stored.offset)

    yield put
    await sender.stop()


@pytest.fixture
def rows(engine: AsyncEngine) -> Callable[..., Awaitable[list[Any]]]:
    async def run(statement: str, *arguments: object) -> list[Any]:
        async with engine.connect() as connection:
            return list(await fetch(connection, statement, *arguments))

    return run
