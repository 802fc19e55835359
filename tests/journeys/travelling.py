"""A shop whose clock we set: its services in this process as they run in theirs, on real Kafka and with a real mail server."""

import asyncio
import datetime as dt
import random
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from email.message import EmailMessage
from typing import Any, NamedTuple

import asyncpg
import httpx
import orjson
from confluent_kafka import Producer

from services.notifications.programme import Programme
from services.registry import NOTIFICATIONS, AllSettings, Kind
from services.running import Opened, jobs_of, opened, worker
from shared import jobs
from shared.documents import BEGINNING
from shared.verification import Finding
from tests.journeys.friends import CUSTOMERS, Record, record
from tests.journeys.reading import standing_on
from tests.mail_servers import MailServer
from tests.notifications.clocks import Clock
from tests.shared.messaging.waiting import running, until

SAID = "loyalty.notifications"
KEY = "the-link-key-of-this-journey-0000"
URL = "https://shop.example"
PATIENCE = 60
LONG_AGO = dt.datetime(2020, 5, 17, 12, tzinfo=dt.UTC)

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


class Mail(NamedTuple):
    """What came to a customer, and when; `unsubscribe` is where one click leads."""

    name: str
    at: dt.datetime
    text: str
    unsubscribe: str


class Shop:
    """Its customers' records, what it says, and the mails that come of it; `at` is when it begins."""

    api: httpx.AsyncClient
    books: asyncpg.Connection

    def __init__(self, servers: str, post: MailServer, at: dt.datetime, **urls: Any) -> None:
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
            self._jobs, self._engine = await ends.enter_async_context(jobs_of(self._running[0]))
            app = NOTIFICATIONS.create_app(self._running[0].service, self.settings)
            self.api = await ends.enter_async_context(httpx.AsyncClient(transport=httpx.ASGITransport(app)))
            self.books = await asyncpg.connect(self.settings.notifications_database_url)
            ends.push_async_callback(self.books.close)
            yield

    @property
    def environment(self) -> dict[str, str]:
        """What a process of notifications is set to, to be the same."""
        return {
            name: str(value)
            for name, value in self.settings.model_dump(include=self.settings.model_fields_set).items()
            if name.startswith(("kafka_", "notifications_"))
        }

    async def publish(self, rules: Programme) -> None:
        await self._running[0].service.publish(rules, valid_from=BEGINNING, now=self.clock(), actor="tester")

    def customer(self, name: str, **said: Any) -> Record:
        """Return the record of somebody who came long ago and agreed to offers by mail."""
        yes = {"channel": "email", "purpose": "offers", "given": True, "how": "checkout", "text": "newsletter/3"}
        data = {"customer_id": name, "email": f"{name}@example.com", "consents": [yes]} | said
        return record(self._rng, CUSTOMERS, "customer.registered", who=name, at=LONG_AGO, data=data)

    async def send(self, *records: Record) -> None:
        """Have them stand on their topics, each twice."""
        for each in records * 2:
            self._producer.produce(each.topic, each.value, each.key)
        # the services here make the topics meanwhile
        assert await asyncio.to_thread(self._producer.flush, PATIENCE) == 0

    async def know(self, customers: int) -> None:
        """Wait until so many customers are known."""
        await until(lambda: self.books.fetchval(KNOWN), customers, seconds=PATIENCE)

    async def live_through(self, instants: Iterable[dt.datetime]) -> None:
        """Have each of these instants come, and all be done that is due then."""
        for at in instants:
            self.clock.now = at
            for job in self._jobs:
                await jobs.run(self._engine, job, service=NOTIFICATIONS.name, tell=lambda _done, _of: None)
            self._running[0].service.committed()
            await until(lambda: self.books.fetchval(UNDONE, self.clock.now), 0, seconds=PATIENCE)

    async def say_all(self) -> None:
        """Wait until all that was said stands on its topic."""
        await until(lambda: self.books.fetchval(UNSENT), 0, seconds=PATIENCE)

    async def findings(self) -> list[Finding]:
        """Return every invariant that is broken."""
        found: list[Finding] = []
        for each in self._running:
            async with each.service.engine.connect() as connection:
                found += await each.kind.verify(connection)
        return found

    # What came of it

    def mails(self) -> list[Mail]:
        return [opened_mail(each) for each in self.post.mails()]

    def said(self, happened: str) -> list[dict[str, Any]]:
        """Return the data of such events on the topic, each once however often it stands there."""
        events: dict[tuple[str, str], dict[str, Any]] = {}
        for each in standing_on(self.servers, SAID):
            event = orjson.loads(each.value)
            assert events.setdefault((event["subject"], event["sequence"]), event) == event
        return [each["data"] for each in events.values() if each["type"] == f"loyalty.{happened}.v1"]


def opened_mail(mail: EmailMessage) -> Mail:
    body = mail.get_body(("plain",))
    assert body is not None
    name, at = mail["To"].partition("@")[0], mail["Date"].datetime
    return Mail(name, at, body.get_content(), str(mail["List-Unsubscribe"]).strip("<>"))
