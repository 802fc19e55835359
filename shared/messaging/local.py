"""Without a broker: the outbox is handed to the other services in this process, as durable and with the same keys."""

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.database import DatabaseAwayError, UnusableError, fetch, transact
from shared.messaging import dead_letters
from shared.messaging.decoding import decode
from shared.messaging.events import Received, Subscription, Verdict
from shared.messaging.outbox import BATCH, IDLE_SECONDS, PUBLISHED, move
from shared.messaging.waiting import pauses, until

log = structlog.get_logger(__name__)

DELIVERED = 1_000

READ = """
SELECT id, topic, key, payload FROM outbox
 WHERE topic = ANY($1::text[]) AND NOT $2::text = ANY(delivered_to) ORDER BY id LIMIT $3"""

NOTE = """
UPDATE outbox SET delivered_to = delivered_to || $2::text
 WHERE id = ANY(string_to_array($1, ',')::bigint[]) AND NOT $2::text = ANY(delivered_to)"""

FINISHED = """
SELECT id FROM outbox
 WHERE delivered_to @> ARRAY(SELECT jsonb_array_elements_text($1::jsonb -> topic)) ORDER BY id LIMIT $2"""
"""Rows that everyone who hears their topic has, or whose topic nobody hears; `$1` says who hears what."""


@dataclass(slots=True)
class Neighbour:
    """Another service of this process: what it hears, and its own database."""

    subscription: Subscription
    engine: AsyncEngine
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        return self.subscription.consumer


class LocalCarrier:
    """Hands the outbox of one service to its neighbours, each at its own pace; the list may be empty."""

    def __init__(
        self, engine: AsyncEngine, neighbours: Sequence[Neighbour], *, service: str, clock: Callable[[], dt.datetime]
    ) -> None:
        self._engine = engine
        self._neighbours = neighbours
        self._service = service
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []
        self._heard_by: dict[str, list[str]] = {}
        for each in neighbours:
            for topic in each.subscription.topics:
                self._heard_by.setdefault(topic, []).append(each.name)

    async def start(self) -> None:
        self._tasks = [asyncio.create_task(self._serve(each)) for each in self._neighbours]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def work(self, connection: AsyncConnection) -> bool:
        for task in self._tasks:
            if task.done():
                task.result()
        for each in self._neighbours:
            each.news.set()
        finished = await fetch(connection, FINISHED, orjson.dumps(self._heard_by).decode(), BATCH)
        if finished:
            await move(connection, [row["id"] for row in finished])
            PUBLISHED.labels(self._service).inc(len(finished))
        return len(finished) == BATCH

    async def _serve(self, neighbour: Neighbour) -> None:
        """Deliver for ever; a neighbour whose database is away is waited for, and nobody else with it."""
        pause = pauses()
        while True:
            try:
                if await self._deliver(neighbour) < DELIVERED:
                    await until(neighbour.news, IDLE_SECONDS)
                    neighbour.news.clear()
                pause = pauses()
            except DatabaseAwayError as error:
                log.warning("neighbour_away", service=self._service, neighbour=neighbour.name, error=str(error))
                await asyncio.sleep(next(pause))

    async def _deliver(self, neighbour: Neighbour) -> int:
        topics = list(neighbour.subscription.topics)
        rows = await transact(
            self._engine, lambda connection: fetch(connection, READ, topics, neighbour.name, DELIVERED)
        )
        if rows:
            await self._book(neighbour, rows)
            ids = ",".join(str(row["id"]) for row in rows)
            # should this fail they come again, and are recognised
            await transact(self._engine, lambda connection: fetch(connection, NOTE, ids, neighbour.name))
        return len(rows)

    async def _book(self, neighbour: Neighbour, rows: Sequence[Any]) -> None:
        """Book the rows in the neighbour's database; where it refuses them, their halves, down to the unusable one."""
        try:
            await transact(neighbour.engine, lambda connection: self._handle(connection, neighbour, rows))
        except UnusableError as error:
            if len(rows) > 1:
                middle = len(rows) // 2
                await self._book(neighbour, rows[:middle])
                await self._book(neighbour, rows[middle:])
                return
            letter = _failed(neighbour, rows[0], Verdict("rejected", "unprocessable", str(error)))
            await transact(neighbour.engine, lambda connection: dead_letters.store(connection, [letter]))

    async def _handle(self, connection: AsyncConnection, neighbour: Neighbour, rows: Sequence[Any]) -> None:
        now, events = self._clock(), neighbour.subscription.events
        decoded = [decode(events, row["payload"], now=now) for row in rows]
        received = [each for each in decoded if isinstance(each, Received)]
        booked = iter(await neighbour.subscription.handle(connection, received) if received else ())
        verdicts = [next(booked) if isinstance(each, Received) else each for each in decoded]
        refused = [
            _failed(neighbour, *pair) for pair in zip(rows, verdicts, strict=True) if pair[1].status == "rejected"
        ]
        await dead_letters.store(connection, refused)


def _failed(neighbour: Neighbour, row: Any, verdict: Verdict) -> dead_letters.Failed:
    return dead_letters.Failed(
        consumer=neighbour.name,
        topic=row["topic"],
        key=row["key"].encode(),
        value=row["payload"],
        code=verdict.code or "rejected",
        error=verdict.detail or "",
    )
