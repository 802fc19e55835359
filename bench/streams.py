"""Events of purchases on a topic of a real Kafka, and the processes that read them, each on a fresh database."""

import asyncio
import dataclasses
import statistics
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson
from confluent_kafka import Producer

from bench.consumers import Task
from bench.place import BenchError, Place, ask
from bench.purchases import bodies, event
from shared.messaging import kafka

PARTITIONS = 4
CUSTOMERS = 20_000
SAID = ("loyalty.points", "loyalty.referrals")


@dataclass(frozen=True, slots=True)
class Stream:
    """A broker with the events on one topic."""

    servers: str
    topic: str
    events: int

    async def run(self, what: str, url: str, *, service: str = "points") -> dict[str, Any]:
        """Have a process of its own do something with the events; answers its seconds."""
        group = f"bench-{uuid.uuid4().hex}"
        task = Task(what, self.servers, url, self.topic, self.events, group=group, service=service)
        answer: dict[str, Any] = await ask("bench.consumers", dataclasses.asdict(task))
        return answer


async def prepare(stream: Stream) -> None:
    """Put the events on the topic."""
    await kafka.create_topics(stream.servers, [kafka.Topic(stream.topic, PARTITIONS), *kafka.declared(SAID)])
    await asyncio.to_thread(_send, stream)


def _send(stream: Stream) -> None:
    """Produce with a client that is not ours, each customer's events in one partition."""
    producer = Producer(
        {"bootstrap.servers": stream.servers, "linger.ms": 20, "queue.buffering.max.messages": 1_000_000}
    )
    for data in bodies(stream.events, customers=CUSTOMERS):
        producer.produce(stream.topic, orjson.dumps(event(data)), data["customer_id"].encode())
    if producer.flush(60):
        raise BenchError("not every event could be put on the topic")


async def floor(place: Place, stream: Stream) -> dict[str, Any]:
    async with fresh(place) as url:
        answer = await stream.run("floor", url)
        if await count(url, "bench_floor") != stream.events:
            raise BenchError("the floor should have copied every event")
        return answer


@asynccontextmanager
async def fresh(place: Place, service: str = "points") -> AsyncIterator[str]:
    async with place.database(service) as url:
        await place.settle()
        yield url


async def count(url: str, table: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))
    finally:
        await connection.close()


def speeds(answers: list[dict[str, Any]], events: int) -> list[float]:
    return [events / each["seconds"] for each in answers]


def processor(answers: list[dict[str, Any]], events: int) -> float:
    """Return what an event costs the Python process itself."""
    seconds: list[float] = [each["processor_seconds"] for each in answers]
    return statistics.median(seconds) / events * 1e6
