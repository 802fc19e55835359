"""Events leave here: the rows that services owe the world are published in their order and set aside as sent."""

import asyncio
import datetime as dt
import time
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

import structlog
from prometheus_client import Counter, Gauge
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.database import DatabaseAwayError, database_errors, fetch
from shared.messaging import dead_letters, kafka
from shared.messaging.waiting import pauses, until

log = structlog.get_logger(__name__)

PUBLISHED = Counter("loyalty_outbox_published", "Events that have left", ["service"])
OLDEST = Gauge("loyalty_outbox_oldest_seconds", "Age of the oldest event that has not left", ["service"])

ADVISORY_LOCK = 7_215_002
"""One relay at a time works in a database, however many processes a service has."""

BATCH = 5_000
DEAD_LETTERS = 200
KEPT_DAYS = 7
STANDBY_SECONDS = 1.0
GATHER_SECONDS = 0.02
"""After a batch that was not full more is let come together, or every commit would cost a batch of its own."""
IDLE_SECONDS = 0.5
HOUSEKEEPING_SECONDS = 3600.0

READ = "SELECT id, topic, key, payload, recorded_at FROM outbox ORDER BY id LIMIT $1"

MOVE = """
WITH gone AS (DELETE FROM outbox WHERE id = ANY(string_to_array($1, ',')::bigint[])
  RETURNING id, topic, key, payload, recorded_at)
INSERT INTO outbox_sent (id, topic, key, payload, recorded_at, sent_at) SELECT *, now() FROM gone"""

READ_DEAD_LETTERS = f"""
SELECT {dead_letters.COLUMNS} FROM dead_letter WHERE relayed_at IS NULL ORDER BY id LIMIT $1"""
RELAYED = "UPDATE dead_letter SET relayed_at = now() WHERE id = ANY(string_to_array($1, ',')::bigint[])"

TRY_LOCK = "SELECT pg_try_advisory_lock($1) AS ours"
TODAY = "SELECT (now() AT TIME ZONE 'UTC')::date AS today"
PARTITIONS = """
SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'outbox_sent'::regclass"""


class Carrier(Protocol):
    """Brings events to those who wait for them."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def work(self, connection: AsyncConnection) -> bool:
        """Carry what stands in the outbox first; answer whether there may be more at once. The connection holds the lock
        of the relay and is in no transaction.
        """


class Relay:
    """Drives a carrier while it holds the relay's lock; of several, in whichever processes, one works and the others wait."""

    def __init__(self, engine: AsyncEngine, carrier: Carrier, *, service: str) -> None:
        self._engine = engine
        self._carrier = carrier
        self._service = service
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Say that a transaction with events has been committed."""
        self._woken.set()

    async def run(self) -> None:
        """Relay until cancelled. A database or broker that is away is waited for; rows stay until they have left."""
        waits = pauses()
        while True:
            try:
                async with database_errors(), lock(self._engine) as connection, carrying(self._carrier):
                    waits = pauses()
                    await self._relay(connection)
            except (DatabaseAwayError, kafka.KafkaError) as error:
                log.warning("relay_waits", service=self._service, error=repr(error))
                await asyncio.sleep(next(waits))

    async def _relay(self, connection: AsyncConnection) -> None:
        kept_at, idle = -HOUSEKEEPING_SECONDS, GATHER_SECONDS
        while True:
            if time.monotonic() - kept_at >= HOUSEKEEPING_SECONDS:
                await keep_days(connection)
                kept_at = time.monotonic()
            self._woken.clear()
            if await self._carrier.work(connection):
                idle = GATHER_SECONDS
                continue
            await asyncio.sleep(GATHER_SECONDS)
            await until(self._woken, idle)
            idle = min(idle * 2, IDLE_SECONDS)


class KafkaCarrier:
    """Publishes the outbox, and dead letters on their own topics."""

    def __init__(self, bootstrap_servers: str, *, service: str) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._service = service
        self._producer: Any = None
        self._oldest: float | None = None
        OLDEST.labels(service).set_function(lambda: 0.0 if self._oldest is None else time.time() - self._oldest)

    async def start(self) -> None:
        self._producer = kafka.producer(self._bootstrap_servers, client=self._service)
        await self._producer.start()

    async def stop(self) -> None:
        if self._producer is not None:
            await kafka.stop(self._producer)

    async def work(self, connection: AsyncConnection) -> bool:
        rows = await fetch(connection, READ, BATCH)
        self._oldest = rows[0]["recorded_at"].timestamp() if rows else None
        if rows:
            await publish(self._producer, rows)
            await move(connection, [row["id"] for row in rows])
            PUBLISHED.labels(self._service).inc(len(rows))
        letters = await fetch(connection, READ_DEAD_LETTERS, DEAD_LETTERS)
        if letters:
            await publish_dead_letters(self._producer, [dead_letters.dead_letter(row) for row in letters])
            await fetch(connection, RELAYED, ",".join(str(row["id"]) for row in letters))
        return len(rows) == BATCH or len(letters) == DEAD_LETTERS


async def publish(producer: Any, rows: Sequence[Any]) -> None:
    """Publish in the order given, which holds within each key, and return when the broker has all.

    Batches are filled here, since the client's own way costs 20 microseconds a record, and this one 7.
    """
    counts = {topic: len(await producer.partitions_for(topic)) for topic in {row["topic"] for row in rows}}
    filling: dict[tuple[str, int], Any] = {}
    sent = []
    for row in rows:
        topic, key = row["topic"], row["key"].encode()
        place = (topic, kafka.partition_of(key, counts[topic]))
        batch = filling.get(place)
        if batch is None or batch.append(key=key, value=row["payload"], timestamp=None) is None:
            if batch is not None:
                sent.append(await producer.send_batch(batch, topic, partition=place[1]))
            batch = filling[place] = producer.create_batch()
            batch.append(key=key, value=row["payload"], timestamp=None)
    for (topic, partition), batch in filling.items():
        sent.append(await producer.send_batch(batch, topic, partition=partition))
    await settled(sent)


async def publish_dead_letters(producer: Any, letters: Iterable[dead_letters.DeadLetter]) -> None:
    """Publish each as it came, with headers that say where and why; without its value where the broker can't take it."""
    for letter in letters:
        headers = headers_of(letter)
        try:
            await _publish_letter(producer, letter, letter.value, headers)
        except (kafka.MessageSizeTooLargeError, kafka.RecordTooLargeError):
            note = (
                "dlt-value",
                f"too large; the full record stands in the database as dead letter {letter.id}".encode(),
            )
            await _publish_letter(producer, letter, None, [*headers, note])


async def _publish_letter(producer: Any, letter: dead_letters.DeadLetter, value: bytes | None, headers: Any) -> None:
    # the client sends no record of which both are null
    key = b"" if letter.key is None and value is None else letter.key
    await producer.send_and_wait(kafka.dead_letter_topic(letter.topic), value, key, headers=headers)


def headers_of(letter: dead_letters.DeadLetter) -> list[tuple[str, bytes | None]]:
    said = {
        "dlt-topic": letter.topic,
        "dlt-partition": "" if letter.partition is None else str(letter.partition),
        "dlt-offset": "" if letter.offset is None else str(letter.offset),
        "dlt-consumer": letter.consumer,
        "dlt-error": f"{letter.code}: {letter.error}",
        "dlt-at": letter.failed_at.isoformat(),
    }
    return [*letter.headers, *((name, text.encode()) for name, text in said.items())]


async def settled(sent: Sequence[Awaitable[Any]]) -> None:
    """Wait for every acknowledgement, then raise the first refusal."""
    for answer in await asyncio.gather(*sent, return_exceptions=True):
        if isinstance(answer, BaseException):
            raise answer


@asynccontextmanager
async def carrying(carrier: Carrier) -> AsyncIterator[None]:
    try:
        await carrier.start()
        yield
    finally:
        await carrier.stop()


# The rows


async def move(connection: AsyncConnection, ids: Sequence[int]) -> None:
    """Set exactly these events aside as sent."""
    await fetch(connection, MOVE, ",".join(map(str, ids)))


async def keep_days(connection: AsyncConnection) -> None:
    """Have partitions of sent events for today and tomorrow, and drop those older than a week."""
    today: dt.date = (await fetch(connection, TODAY))[0]["today"]
    for day in (today, today + dt.timedelta(days=1)):
        after = day + dt.timedelta(days=1)
        await fetch(
            connection,
            f"CREATE TABLE IF NOT EXISTS {_partition(day)} PARTITION OF outbox_sent"
            f" FOR VALUES FROM ('{day} 00:00:00+00') TO ('{after} 00:00:00+00')",
        )
    oldest = _partition(today - dt.timedelta(days=KEPT_DAYS))
    for row in await fetch(connection, PARTITIONS):
        if row["name"] < oldest:
            await fetch(connection, f"DROP TABLE {row['name']}")


def _partition(day: dt.date) -> str:
    return f"outbox_sent_{day:%Y%m%d}"


@asynccontextmanager
async def lock(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Wait for the relay's lock, and hold it for as long as this connection lives."""
    async with engine.connect() as connection:
        try:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            while not (await fetch(connection, TRY_LOCK, ADVISORY_LOCK))[0]["ours"]:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(STANDBY_SECONDS)
            yield connection
        finally:
            # back in the pool the session would go on holding it
            await connection.invalidate()
