"""The processes that read from Kafka: ours, the floor that only validates and copies, and the relay that publishes."""

import asyncio
import datetime as dt
import json
import logging
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import asyncpg
import uvloop
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.points import handlers
from services.points.ledger import Ledger
from services.referrals import handlers as referrals
from services.referrals.contacts import Contacts
from services.referrals.lifecycle import Lifecycle
from services.running import spare_the_collector
from shared.database import create_engine
from shared.messaging import consumer, kafka, outbox
from shared.messaging.events import Subscription

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LIMITS = consumer.Limits()
"""As the service has them; the floor polls as much at once and works on as many partitions at the same time."""

LOOK_SECONDS = 0.02
NOBODYS = Contacts(lambda: bytes(32), "DE")

FLOOR_TABLE = """
CREATE TABLE IF NOT EXISTS bench_floor (source text, id text, shop_id text, invoice_number text, customer_id text,
  currency text, total numeric, occurred_at timestamptz, PRIMARY KEY (source, id))"""

READ_SO_FAR = "SELECT coalesce(sum(next_offset), 0)::bigint FROM kafka_offset"


@dataclass(frozen=True, slots=True)
class Task:
    """What the process is to do; `events` is how many there are on the topic."""

    what: str
    servers: str
    url: str
    topic: str = ""
    events: int = 0
    group: str = ""
    service: str = "points"


class Watch:
    """A clock for the consumer that notes when it is first asked, which is at the first record."""

    def __init__(self) -> None:
        self.began = 0.0

    def __call__(self) -> dt.datetime:
        self.began = self.began or time.perf_counter()
        return dt.datetime.now(dt.UTC)


class DrainingCarrier(outbox.KafkaCarrier):
    """The service's carrier; it notes when it first works and when nothing is left."""

    def __init__(self, servers: str) -> None:
        super().__init__(servers, service="bench")
        self.began = 0.0
        self.drained = asyncio.Event()

    async def work(self, connection: AsyncConnection) -> bool:
        self.began = self.began or time.perf_counter()
        more = await super().work(connection)
        if not more:
            self.drained.set()
        return more


async def floor(task: Task) -> float:
    """Read the events from Kafka, validate each by the contract's models, copy them into a table with a primary key."""
    pool = await asyncpg.create_pool(task.url, min_size=LIMITS.concurrency, max_size=LIMITS.concurrency)
    await pool.execute(FLOOR_TABLE)
    reader = kafka.consumer(task.servers, group=task.group)
    reader.subscribe([task.topic])
    await reader.start()
    while not reader.assignment():  # noqa: ASYNC110 - the client has no event for it
        await asyncio.sleep(LOOK_SECONDS)
    copier = Copier(reader, pool, task.events)
    await asyncio.gather(*(copier.follow(partition) for partition in reader.assignment()))
    await reader.stop()
    await pool.close()
    return time.perf_counter() - copier.began


@dataclass(slots=True)
class Copier:
    """Follows partitions as our consumer does: a task for each, so many of them at work at the same time."""

    reader: Any
    pool: Any
    left: int
    began: float = 0.0

    async def follow(self, partition: Any) -> None:
        while self.left:
            polled = await self.reader.getmany(partition, timeout_ms=100, max_records=LIMITS.max_records)
            if records := polled.get(partition):
                async with self.pool.acquire() as connection:
                    self.began = self.began or time.perf_counter()
                    await self.copy(connection, records)
                await self.reader.commit({partition: records[-1].offset + 1})
                self.left -= len(records)

    async def copy(self, connection: Any, records: list[Any]) -> None:
        events = [handlers.EVENTS.validate_json(record.value) for record in records]
        rows = [
            (each.source, each.id, data.shop_id, data.invoice_number, data.customer_id, data.currency, data.total,
             data.occurred_at)
            for each in events if (data := each.data)
        ]  # fmt: skip
        await connection.copy_records_to_table("bench_floor", records=rows)


async def ours(task: Task) -> float:
    """Award the events as the service does: read, decided, tables written, offsets stored, outbox filled, committed."""
    watch = Watch()
    async with _engine(task) as engine, _beside(_consume(task, engine, watch)) as consuming:
        await _until_read(task, consuming)
        return time.perf_counter() - watch.began


async def ours_relayed(task: Task) -> float:
    """Award the events while a relay in the same process publishes, as a worker does; until the last has left."""
    watch, carrier = Watch(), DrainingCarrier(task.servers)
    async with (
        _engine(task) as engine,
        _beside(_consume(task, engine, watch)) as consuming,
        _beside(outbox.Relay(engine, carrier, service="bench").run()),
    ):
        await _until_read(task, consuming)
        carrier.drained.clear()
        await carrier.drained.wait()
        return time.perf_counter() - watch.began


async def relay(task: Task) -> float:
    """Publish a full outbox to Kafka."""
    carrier = DrainingCarrier(task.servers)
    async with _engine(task) as engine, _beside(outbox.Relay(engine, carrier, service="bench").run()):
        await carrier.drained.wait()
        return time.perf_counter() - carrier.began


def _consume(task: Task, engine: AsyncEngine, watch: Watch) -> Awaitable[None]:
    heard = replace(HEARD[task.service](watch), consumer=task.group, topics=(task.topic,))
    return consumer.run(heard, engine=engine, bootstrap_servers=task.servers, clock=watch, limits=LIMITS)


HEARD: dict[str, Callable[[Watch], Subscription]] = {
    "points": lambda clock: handlers.subscription(Ledger(), clock=clock),
    "referrals": lambda clock: referrals.subscription(Lifecycle(), contacts=NOBODYS, clock=clock),
}
"""What is heard and booked, by service."""


async def _until_read(task: Task, consuming: "asyncio.Future[None]") -> None:
    connection = await asyncpg.connect(task.url)
    while await connection.fetchval(READ_SO_FAR) < task.events:
        if consuming.done():
            consuming.result()
        await asyncio.sleep(LOOK_SECONDS)
    await connection.close()


@asynccontextmanager
async def _engine(task: Task) -> "AsyncIterator[AsyncEngine]":
    engine = create_engine(task.url, name="bench")
    try:
        yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def _beside(work: Awaitable[None]) -> "AsyncIterator[asyncio.Future[None]]":
    running = asyncio.ensure_future(work)
    try:
        yield running
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


WORK: dict[str, Callable[[Task], Awaitable[float]]] = {
    "floor": floor,
    "ours": ours,
    "ours_relayed": ours_relayed,
    "relay": relay,
}


def main() -> None:
    """Read a task as a line of JSON and answer with the seconds it took, and those of this process's own processor time."""
    task = Task(**json.loads(sys.stdin.readline()))
    # a new broker has no coordinator for the first second, which the client calls an error; results are checked instead
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    spare_the_collector()
    used = resource.getrusage(resource.RUSAGE_SELF)
    before = used.ru_utime + used.ru_stime

    async def work() -> float:
        return await WORK[task.what](task)

    seconds = uvloop.run(work())
    used = resource.getrusage(resource.RUSAGE_SELF)
    answer = {"seconds": seconds, "processor_seconds": used.ru_utime + used.ru_stime - before}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
