"""From Kafka into the database: each partition's records in their order, their effect and their offset in one commit."""

import asyncio
import datetime as dt
import random
import time
from collections import Counter as Tally
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.database import DatabaseAwayError, UnusableError, fetch, transact
from shared.messaging import dead_letters, kafka
from shared.messaging.decoding import LARGEST_EVENT, decode
from shared.messaging.events import Received, Subscription, Verdict
from shared.messaging.waiting import pauses

Result = TypeVar("Result")

log = structlog.get_logger(__name__)

RECORDS = Counter("loyalty_consumer_records", "Records by what became of them", ["consumer", "topic", "status"])
SECONDS = Histogram(
    "loyalty_consumer_batch_seconds",
    "Time from a batch's records to its commit",
    ["consumer"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
LAG = Gauge("loyalty_consumer_lag", "Records not yet read", ["consumer", "topic", "partition"])

READ_ROW = "SELECT next_offset, topic_id FROM kafka_offset WHERE consumer = $1 AND topic = $2 AND partition = $3"

ADD_ROW = """
INSERT INTO kafka_offset (consumer, topic, partition, next_offset, topic_id) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING"""

RESET_ROW = """
UPDATE kafka_offset SET next_offset = $5, topic_id = coalesce($6, topic_id)
 WHERE consumer = $1 AND topic = $2 AND partition = $3 AND next_offset = $4"""

MOVE = """
UPDATE kafka_offset SET next_offset = $5
 WHERE consumer = $1 AND topic = $2 AND partition = $3 AND next_offset = $4 RETURNING next_offset"""
"""Fence and move in one: no row where another consumer has moved it since."""


HINT_SECONDS = 5.0
"""So long a partition waits for Kafka to take its offset before it reads on."""


class TooManyDeadLettersError(Exception):
    """More of the last records were refused than bad luck explains; nothing of this batch was committed."""


class StalledError(Exception):
    """There are records to read and none was read for too long."""


class FencedError(Exception):
    """Another consumer has moved the offset: this batch is not ours any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much at once, how long, how bad."""

    max_records: int = 4_000
    concurrency: int = 3
    """Partitions booked at the same time; each needs a connection of the engine's pool."""
    max_event_bytes: int = LARGEST_EVENT
    poll_seconds: float = 1.0
    watch_seconds: float = 5.0
    stalled_seconds: float = 300.0
    dead_letter_share: float = 0.5
    dead_letter_window: int = 1_000
    dead_letter_floor: int = 200
    """So many must be bad whatever the share."""


@dataclass(slots=True)
class Position:
    """Where we are in a partition, and what the database's row said when we last saw it."""

    row: int
    next: int


@dataclass(frozen=True, slots=True)
class Start:
    """Where to begin reading, and what to tell about it."""

    offset: int
    remark: str | None = None
    lost: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A partition as the broker has it: its bounds, our group's commit, the id of its topic where the broker gives one."""

    begin: int
    end: int
    committed: int | None = None
    topic_id: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A partition as the database has it."""

    next_offset: int
    topic_id: str | None = None


def start_of(row: Row | None, log_: Log) -> Start:
    """Return where a partition is read from.

    Whatever is read a second time is recognised by the permanent keys; what is skipped is lost. So in doubt: earlier.
    """
    if row is None:
        return Start(log_.begin)
    known = row.topic_id is not None and log_.topic_id is not None
    if known and row.topic_id != log_.topic_id:
        return Start(log_.begin, "topic_made_anew")
    if row.next_offset > log_.end:
        return Start(log_.begin, "offset_beyond_log")
    if row.next_offset < log_.begin:
        return Start(log_.begin, "records_lost", log_.begin - row.next_offset)
    if log_.committed is None:
        # the commits of a group are deleted with the topic; they also expire, which a known topic tells apart
        return (
            Start(row.next_offset)
            if known or row.next_offset == log_.begin
            else Start(log_.begin, "offset_not_in_kafka")
        )
    # who sets the group back with Kafka's own tools wants to read again
    return Start(max(min(row.next_offset, log_.committed), log_.begin))


async def run(
    subscription: Subscription,
    *,
    engine: AsyncEngine,
    bootstrap_servers: str,
    clock: Callable[[], dt.datetime],
    limits: Limits | None = None,
) -> None:
    """Consume until cancelled; a batch under way is then rolled back. Raises whatever must end the process.

    A client whose own tasks have died with a broker comes back to nothing by itself, so another takes its place.
    """
    for pause in pauses():
        try:
            await Consumer(subscription, engine, bootstrap_servers, clock=clock, limits=limits or Limits()).run()
        except kafka.KafkaError as error:
            log.warning("kafka_client_replaced", consumer=subscription.consumer, error=repr(error))
            await asyncio.sleep(pause)


class Consumer:
    """One member of a consumer group, with a task for each partition it holds."""

    def __init__(
        self,
        subscription: Subscription,
        engine: AsyncEngine,
        bootstrap_servers: str,
        *,
        clock: Callable[[], dt.datetime],
        limits: Limits,
    ) -> None:
        self._subscription = subscription
        self._name = subscription.consumer
        self._engine = engine
        self._clock = clock
        self._limits = limits
        self._kafka = kafka.consumer(bootstrap_servers, group=subscription.consumer)
        self._positions: dict[Any, Position] = {}
        self._topic_ids: dict[str, str] = {}
        self._turns = asyncio.Semaphore(limits.concurrency)
        self._recent: deque[bool] = deque(maxlen=limits.dead_letter_window)
        self._progress_at = time.monotonic()

    async def run(self) -> None:
        followers: dict[Any, asyncio.Task[None]] = {}
        try:
            await self._start()
            watch = asyncio.create_task(self._watch())
            followers[None] = watch
            while True:
                for partition in self._kafka.assignment() - followers.keys():
                    followers[partition] = asyncio.create_task(self._follow(partition))
                done, _ = await asyncio.wait(followers.values(), timeout=0.2, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                followers = {key: task for key, task in followers.items() if task not in done}
        finally:
            for task in followers.values():
                task.cancel()
            await asyncio.gather(*followers.values(), return_exceptions=True)
            await kafka.stop(self._kafka)

    async def _start(self) -> None:
        self._kafka.subscribe(self._subscription.topics, listener=_Revoked(self._positions))
        for pause in pauses():
            try:
                await self._kafka.start()
                return
            except kafka.KafkaError as error:
                log.warning("kafka_away", consumer=self._name, error=str(error))
                await asyncio.sleep(pause)

    async def _follow(self, partition: Any) -> None:
        """Read a partition until it is taken from us."""
        poll_ms = int(self._limits.poll_seconds * 1000)
        while partition in self._kafka.assignment():
            position = self._positions.get(partition) or await self._find(partition)
            if position is None:
                continue
            polled = await self._kafka.getmany(partition, timeout_ms=poll_ms, max_records=self._limits.max_records)
            records = polled.get(partition)
            if records:
                async with self._turns:
                    await self._take(partition, position, records)

    # Where a partition is read from

    async def _find(self, partition: Any) -> Position | None:
        """Seek to where the database and the log say; none where the partition was taken from us meanwhile."""
        try:
            start, row = await self._start_of(partition)
            self._kafka.seek(partition, start.offset)
        except kafka.IllegalStateError:
            return None
        except kafka.KafkaError as error:
            log.warning("kafka_away", consumer=self._name, error=repr(error))
            await asyncio.sleep(random.random())  # noqa: S311 - spreads retries, keeps no secret
            return None
        position = self._positions[partition] = Position(row, start.offset)
        self._progress_at = time.monotonic()
        self._tell(partition, start)
        return position

    async def _log(self, partition: Any) -> Log:
        self._topic_ids |= await kafka.topic_ids(self._kafka, [partition.topic])
        return Log(
            begin=(await self._kafka.beginning_offsets([partition]))[partition],
            end=(await self._kafka.end_offsets([partition]))[partition],
            committed=await self._kafka.committed(partition),
            topic_id=self._topic_ids.get(partition.topic),
        )

    async def _start_of(self, partition: Any) -> tuple[Start, int]:
        """Return where to begin and what the row says then."""
        found = await self._log(partition)
        key = (self._name, partition.topic, partition.partition)

        async def work(connection: AsyncConnection) -> tuple[Start, int]:
            rows = [Row(*each) for each in await fetch(connection, READ_ROW, *key)]
            row = rows[0] if rows else None
            start = start_of(row, found)
            if row is None:
                await fetch(connection, ADD_ROW, *key, start.offset, found.topic_id)
            elif start.remark is not None or row.topic_id != found.topic_id:
                await fetch(connection, RESET_ROW, *key, row.next_offset, start.offset, found.topic_id)
            else:
                return start, row.next_offset
            return start, start.offset

        return await self._patiently(lambda: transact(self._engine, work))

    def _tell(self, partition: Any, start: Start) -> None:
        if start.remark is None:
            return
        say = log.error if start.lost else log.warning
        place = {"consumer": self._name, "topic": partition.topic, "partition": partition.partition}
        say(start.remark, **place, start=start.offset, lost_records=start.lost)

    # What is done with records

    async def _take(self, partition: Any, position: Position, records: Sequence[Any]) -> None:
        if self._positions.get(partition) is not position:
            return  # taken from us, and perhaps given back, since these were fetched
        if records[0].offset != position.next and not await self._is_gap(partition, position, records[0].offset):
            self._positions.pop(partition, None)
            return
        began = time.perf_counter()
        try:
            await self._book(partition, position, [(record, self._decoded(record)) for record in records])
        except FencedError:
            log.warning("fenced", consumer=self._name, topic=partition.topic, partition=partition.partition)
            self._positions.pop(partition, None)
            return
        SECONDS.labels(self._name).observe(time.perf_counter() - began)
        await self._hint(partition, position.next)

    async def _is_gap(self, partition: Any, position: Position, offset: int) -> bool:
        """Tell numbers that the log has left out (transactions do) from a log that is not the one we knew."""
        if offset < position.next:
            return False
        try:
            begin = (await self._kafka.beginning_offsets([partition]))[partition]
        except kafka.KafkaError:
            return False
        return bool(begin <= position.next)

    def _decoded(self, record: Any) -> Received | Verdict:
        limit = self._limits.max_event_bytes
        return decode(self._subscription.events, record.value, record.headers, now=self._clock(), limit=limit)

    async def _book(self, partition: Any, position: Position, batch: Sequence[tuple[Any, Received | Verdict]]) -> None:
        """Commit the batch; where the database refuses it, its halves, down to the one that is unusable."""
        try:
            await self._patiently(lambda: self._commit(partition, position, batch))
        except UnusableError as error:
            if len(batch) > 1:
                middle = len(batch) // 2
                await self._book(partition, position, batch[:middle])
                await self._book(partition, position, batch[middle:])
                return
            refusal = Verdict("rejected", "unprocessable", str(error))
            if batch[0][1] == refusal:
                raise
            await self._book(partition, position, [(batch[0][0], refusal)])

    async def _commit(
        self, partition: Any, position: Position, batch: Sequence[tuple[Any, Received | Verdict]]
    ) -> None:
        following = batch[-1][0].offset + 1
        events = [event for _, event in batch if isinstance(event, Received)]

        async def work(connection: AsyncConnection) -> list[Verdict]:
            booked = iter(await self._subscription.handle(connection, events) if events else ())
            verdicts = [next(booked) if isinstance(event, Received) else event for _, event in batch]
            failed = [self._failed(*pair) for pair in zip(batch, verdicts, strict=True) if pair[1].status == "rejected"]
            self._check_share(failed, len(batch))
            await dead_letters.store(connection, failed)
            place = (self._name, partition.topic, partition.partition)
            if not await fetch(connection, MOVE, *place, position.row, following):
                raise FencedError
            return verdicts

        self._note(partition, await transact(self._engine, work))
        position.row = position.next = following

    def _failed(self, entry: tuple[Any, object], verdict: Verdict) -> dead_letters.Failed:
        record = entry[0]
        return dead_letters.Failed(
            consumer=self._name,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=record.key,
            value=record.value,
            headers=record.headers,
            code=verdict.code or "rejected",
            error=verdict.detail or "",
        )

    def _check_share(self, failed: Sequence[object], size: int) -> None:
        window = self._limits.dead_letter_window
        earlier = list(self._recent)[-(window - size) :] if size < window else []
        bad, of = len(failed) + sum(earlier), size + len(earlier)
        if failed and bad >= self._limits.dead_letter_floor and bad > self._limits.dead_letter_share * of:
            raise TooManyDeadLettersError(
                f"{self._name} refused {bad} of its last {of} records; nothing of the last batch was committed."
                " Mend the cause, or raise LOYALTY_DEAD_LETTER_SHARE to let them pass."
            )

    def _note(self, partition: Any, verdicts: Sequence[Verdict]) -> None:
        self._progress_at = time.monotonic()
        self._recent.extend(verdict.status == "rejected" for verdict in verdicts[-self._limits.dead_letter_window :])
        for status, number in Tally(verdict.status for verdict in verdicts).items():
            RECORDS.labels(self._name, partition.topic, status).inc(number)

    async def _hint(self, partition: Any, offset: int) -> None:
        """Tell Kafka how far we are, for its own tools; the truth is in the database."""
        hint = asyncio.ensure_future(self._kafka.commit({partition: offset}))
        # never cancelled: what the client does inside goes on all the same, and would complain to nobody
        hint.add_done_callback(_forget)
        await asyncio.wait([hint], timeout=HINT_SECONDS)

    async def _patiently(self, work: Callable[[], Awaitable[Result]]) -> Result:
        """Do it, and again for as long as the database is away."""
        for pause in pauses():
            try:
                return await work()
            except DatabaseAwayError as error:
                self._progress_at = time.monotonic()  # waiting for the database is no standstill of ours
                log.warning("database_away", consumer=self._name, error=str(error), retry_in=round(pause, 2))
                await asyncio.sleep(pause)
        raise AssertionError

    # That it goes on

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._limits.watch_seconds)
            try:
                await self._look_for_new_topics()
                lag = await self._lag()
            except (kafka.KafkaError, AssertionError) as error:
                log.warning("kafka_away", consumer=self._name, error=repr(error))
                continue
            still = time.monotonic() - self._progress_at
            if lag == 0:
                self._progress_at = time.monotonic()
            elif lag and still > self._limits.stalled_seconds:
                raise StalledError(f"{self._name} has {lag} records to read and read none for {still:.0f} s")

    async def _look_for_new_topics(self) -> None:
        """Forget where we are in a topic that was made anew: the client goes on at the old offset, and would skip records."""
        ids = await kafka.topic_ids(self._kafka, self._subscription.topics)
        if any(self._kafka.partitions_for_topic(topic) is None for topic in ids):
            await kafka.refresh_topics(self._kafka)
        for partition in list(self._positions):
            if ids.get(partition.topic, self._topic_ids.get(partition.topic)) != self._topic_ids.get(partition.topic):
                self._positions.pop(partition, None)

    async def _lag(self) -> int:
        """Return how many records are unread in our partitions."""
        positions = dict(self._positions)
        ends = await self._kafka.end_offsets(list(positions)) if positions else {}
        lag = 0
        for partition, end in ends.items():
            behind = end - positions[partition].next
            LAG.labels(self._name, partition.topic, partition.partition).set(max(behind, 0))
            lag += max(behind, 0)
            if behind < 0 and self._positions.get(partition) is positions[partition]:
                del self._positions[partition]  # the log is shorter than what we read of it: it is another one
        return lag


def _forget(hint: "asyncio.Future[None]") -> None:
    """Let a hint fail in silence: the next batch gives a better one."""
    error = None if hint.cancelled() else hint.exception()
    if error is not None and not isinstance(error, kafka.KafkaError):
        log.warning("offset_not_hinted", error=repr(error))


class _Revoked(kafka.ConsumerRebalanceListener):  # type: ignore[misc]
    """Forgets where we are in partitions that are taken from us."""

    def __init__(self, positions: dict[Any, Position]) -> None:
        self._positions = positions

    def on_partitions_revoked(self, revoked: Any) -> None:
        for partition in revoked:
            self._positions.pop(partition, None)

    def on_partitions_assigned(self, assigned: Any) -> None:
        for partition in assigned:
            self._positions.pop(partition, None)
