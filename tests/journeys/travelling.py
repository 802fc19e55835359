"""A shop whose clock we set: its services in this process as they run in theirs, on real Kafka and with a real mail server."""

import datetime as dt
import random
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from email.message import EmailMessage
from typing import Any

import asyncpg
import httpx
import orjson
from confluent_kafka import Producer

from services.notifications.programme import Programme
from services.registry import NOTIFICATIONS, AllSettings, Kind
from services.running import Opened, jobs_of, opened, worker
from shared import jobs
from shared.documents import BEGINNING
from tests.journeys.friends import CUSTOMERS, Record, record
from tests.journeys.reading import standing_on
from tests.mail_servers import MailServer
from tests.notifications.clocks import Clock
from tests.shared.messaging.waiting import running, until

SAID = "loyalty.notifications"
KEY = "the-link-key-of-this-journey-0000"
URL = "https://shop.example"
PATIENCE = 60

# what is on its way stays on the same day, or its lease would be over before it has arrived
UNDONE = """
SELECT (SELECT count(*) FROM notification WHERE status = 'planned' AND due_at <= $1)
     + (SELECT count(*) FROM dispatch WHERE status = 'waiting')"""
UNSENT = "SELECT count(*) FROM outbox"
KNOWN = "SELECT count(*) FROM customer"

QUIET = ("welcome", "points_digest", "tier_reached", "coupon_expiring")


def programme(*occasions: dict[str, Any], **more: Any) -> Programme:
    """Return one that says nothing but its occasions, and takes the shop's word that a customer agreed."""
    messages = {each: {"template": each, "enabled": False} for each in QUIET}
    return Programme.model_validate({"occasions": occasions, "messages": messages, "double_opt_in": [], **more})


class Shop:
    """What is heard, said and sent of it; `at` is when it is."""

    api: httpx.AsyncClient

    def __init__(self, servers: str, post: MailServer, at: dt.datetime, **urls: str) -> None:
        self.servers = servers
        self.post = post
        self.clock = Clock(at)
        self.settings = AllSettings(
            kafka_bootstrap_servers=servers,
            notifications_link_key=KEY,
            notifications_public_url=URL,
            notifications_smtp_url=f"smtp://127.0.0.1:{post.port}",
            notifications_sender_address="shop@shop.example",
            notifications_mails_per_second=10_000,
            **urls,
        )
        self._rng = random.Random(20261124)
        self._producer = Producer({"bootstrap.servers": servers, "log_level": 0})
        self._running: list[Opened[Any]] = []

    @asynccontextmanager
    async def open(self, *kinds: Kind[Any]) -> AsyncIterator[None]:
        """Run notifications, and other services beside it; before and after that they are down."""
        async with opened(self.settings, [NOTIFICATIONS, *kinds]) as here, AsyncExitStack() as ends:
            self._running = [*here.services]
            for each in self._running:
                each.service.clock = self.clock
                for part in worker(each, self.settings):
                    await ends.enter_async_context(running(part()))
            service = self._running[0].service
            transport = httpx.ASGITransport(NOTIFICATIONS.create_app(service, self.settings))
            self.api = await ends.enter_async_context(httpx.AsyncClient(transport=transport, base_url=URL))
            self.books = await asyncpg.connect(self.settings.notifications_database_url)
            ends.push_async_callback(self.books.close)
            yield

    async def publish(self, rules: Programme) -> None:
        await self._running[0].service.publish(rules, valid_from=BEGINNING, now=self.clock(), actor="tester")

    async def hear(self, *records: Record) -> None:
        """Hear records of the shop's customers, each twice, and wait until all of them are known."""
        for each in records * 2:
            self._producer.produce(each.topic, each.value, each.key)
        assert self._producer.flush(PATIENCE) == 0
        known = len({each.key for each in records})
        await until(lambda: self.books.fetchval(KNOWN), known, seconds=PATIENCE)

    def customer(self, name: str, **said: Any) -> Record:
        """Return the record of somebody who came long ago and agreed to everything by mail."""
        at = dt.datetime(2020, 5, 17, 12, tzinfo=dt.UTC)
        yes = [{"channel": "email", "purpose": "offers", "given": True, "how": "checkout", "text": "newsletter/3"}]
        data = {"customer_id": name, "email": f"{name}@example.com", "consents": yes, "registered_at": at.isoformat()}
        return record(self._rng, CUSTOMERS, "customer.registered", who=name, at=at, data=data | said)

    async def live_until(self, instants: Iterable[dt.datetime]) -> None:
        """Have each of these instants come, and all be done that is due then."""
        for at in instants:
            self.clock.now = at
            await self._do_what_is_due()

    async def _do_what_is_due(self) -> None:
        (of, *_) = self._running
        async with jobs_of(of) as (kept, engine):
            for job in kept:
                await jobs.run(engine, job, service=of.kind.name, tell=lambda _done, _of: None)
        of.service.committed()
        await until(lambda: self.books.fetchval(UNDONE, self.clock.now), 0, seconds=PATIENCE)

    async def all_is_said(self) -> None:
        await until(lambda: self.books.fetchval(UNSENT), 0, seconds=PATIENCE)

    async def findings(self) -> Sequence[Any]:
        """Return every invariant that is broken."""
        found = []
        for each in self._running:
            async with each.service.engine.connect() as connection:
                found += await each.kind.verify(connection)
        return found

    # What came of it

    def mails(self) -> list[EmailMessage]:
        return self.post.mails()

    def said(self, happened: str) -> Iterator[dict[str, Any]]:
        """Yield what stands on the topic of such events, each once however often the same one stands there."""
        events: dict[tuple[str, str], dict[str, Any]] = {}
        for each in standing_on(self.servers, SAID):
            event = orjson.loads(each.value)
            assert events.setdefault((event["subject"], event["sequence"]), event) == event
        yield from (each["data"] for each in events.values() if each["type"] == f"loyalty.{happened}.v1")
