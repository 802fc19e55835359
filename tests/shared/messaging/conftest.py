"""A tiny service that hears a topic of its own and notes what it heard, beside a real broker and a real database."""

import datetime as dt
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import orjson
import pytest
from pydantic import BaseModel, Discriminator, TypeAdapter
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared import embedded_postgres
from shared.contracts.envelope import Envelope
from shared.database import create_engine, fetch
from shared.messaging import consumer
from shared.messaging.events import Received, Subscription, Verdict
from shared.messaging.kafka import Topic, create_topics, producer
from tests.conftest import fresh_database
from tests.shared.messaging.proxy import Proxy, wire  # noqa: F401 - a fixture

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
SAID, ANSWERED = "loyalty.word.said.v1", "loyalty.word.answered.v1"


class Word(BaseModel):
    """`refuse` asks the handler to reject it; a text of "bad" is one that PostgreSQL refuses."""

    text: str
    refuse: bool = False


class Said(Envelope):
    type: Literal["loyalty.word.said.v1"]
    data: Word


class Answered(Envelope):
    type: Literal["loyalty.word.answered.v1"]
    data: Word


EVENTS: TypeAdapter[Any] = TypeAdapter(Annotated[Said | Answered, Discriminator("type")])

HEARD = """
CREATE TABLE heard (
  number bigint GENERATED ALWAYS AS IDENTITY, id text PRIMARY KEY, text text NOT NULL CHECK (text <> 'bad'))"""
HEAR = """
INSERT INTO heard (id, text) SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT (id) DO NOTHING RETURNING id"""
OWE = "INSERT INTO outbox (topic, key, payload) SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[])"


def said(name: str, text: str = "hello", *, refuse: bool = False, **more: Any) -> bytes:
    data = {"text": text, "refuse": refuse}
    return orjson.dumps(
        {"specversion": "1.0", "id": name, "source": "/test", "type": SAID, "subject": "c-1", "data": data} | more
    )


@dataclass
class Listener:
    """A service with one topic: what it heard stands in `heard`, its answers are owed to `<topic>.answers`."""

    engine: AsyncEngine
    topic: str
    servers: str = ""
    name: str = "listener"
    before: Callable[[Sequence[Received]], Any] | None = None
    """Awaited at the start of each batch."""
    calls: list[int] = field(default_factory=list)

    @property
    def answers(self) -> str:
        return f"{self.topic}.answers"

    @property
    def subscription(self) -> Subscription:
        return Subscription(f"{self.name}-{self.topic}", (self.topic,), EVENTS, self.hear)

    async def hear(self, connection: AsyncConnection, events: Sequence[Received]) -> list[Verdict]:
        """Note each word once, and owe an answer for it."""
        self.calls.append(len(events))
        if self.before is not None:
            await self.before(events)
        wanted = {each.event.id: each.event for each in events if not each.event.data.refuse}
        texts = [each.data.text for each in wanted.values()]
        new = {row["id"] for row in await fetch(connection, HEAR, list(wanted), texts)}
        answers = [(self.answers, wanted[name].subject, said(name, type=ANSWERED)) for name in wanted if name in new]
        if answers:
            await fetch(connection, OWE, *zip(*answers, strict=True))
        return [self._verdict(each.event, new) for each in events]

    def _verdict(self, event: Any, new: set[str]) -> Verdict:
        if event.data.refuse:
            return Verdict("rejected", "word-refused", "as it asked")
        if event.id in new:
            new.remove(event.id)
            return Verdict("accepted")
        return Verdict("duplicate")

    async def consume(self, **limits: Any) -> None:
        chosen = consumer.Limits(**({"poll_seconds": 0.2} | limits))
        await consumer.run(
            self.subscription, engine=self.engine, bootstrap_servers=self.servers, clock=lambda: NOW, limits=chosen
        )

    async def rows(self, statement: str, *arguments: object) -> list[Any]:
        async with self.engine.connect() as connection:
            return list(await fetch(connection, statement, *arguments))

    async def change(self, statement: str, *arguments: object) -> None:
        async with self.engine.begin() as connection:
            await fetch(connection, statement, *arguments)

    async def heard(self) -> list[str]:
        return [row["id"] for row in await self.rows("SELECT id FROM heard ORDER BY number")]

    async def dead(self) -> list[tuple[int | None, str]]:
        found = await self.rows("SELECT record_offset, code FROM dead_letter ORDER BY id")
        return [(row["record_offset"], row["code"]) for row in found]

    async def read_up_to(self) -> int:
        """How many records of all partitions are accounted for."""
        return int((await self.rows("SELECT coalesce(sum(next_offset), 0)::int AS read FROM kafka_offset"))[0]["read"])

    async def send(self, *values: bytes | None, partition: int = 0, key: bytes = b"c-1", headers: Any = ()) -> None:
        """Put records on the topic."""
        async with producer(self.servers, client="tests") as sender:
            for value in values:
                await sender.send_and_wait(self.topic, value, key, partition=partition, headers=list(headers))


async def listening(engine: AsyncEngine, topic: str, servers: str = "") -> Listener:
    async with engine.begin() as connection:
        await fetch(connection, HEARD)
    return Listener(engine, topic, servers)


@pytest.fixture
def topic() -> str:
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
async def listener(engine: AsyncEngine, kafka: str, topic: str) -> Listener:
    """A listener with a topic of two partitions on the broker."""
    await create_topics(kafka, [Topic(topic, 2), Topic(f"{topic}.answers", 2), Topic(f"{topic}.dlt", 1)])
    return await listening(engine, topic, kafka)


@pytest.fixture
async def neighbour(
    server: embedded_postgres.Server, template: str, topic: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Listener, Proxy]]:
    """A second service with its own database, reached through a wire that can be cut."""
    async with (
        fresh_database(server, template) as url,
        Proxy(url, tmp_path_factory.mktemp("wire")) as proxy,
    ):
        engine = create_engine(proxy.url, name="neighbour", pool_size=5)
        yield await listening(engine, topic), proxy
        await engine.dispose()


@pytest.fixture
async def another(server: embedded_postgres.Server, template: str, topic: str) -> AsyncIterator[Listener]:
    """A third service, which hears the same topic under its own name."""
    async with fresh_database(server, template) as url:
        engine = create_engine(url, name="another", pool_size=5)
        made = await listening(engine, topic)
        made.name = "another"
        yield made
        await engine.dispose()
