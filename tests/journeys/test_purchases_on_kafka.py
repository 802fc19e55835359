"""A hundred thousand purchases on real Kafka, while processes and the broker die: each awarded once, nothing lost."""

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import asyncpg
import orjson
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.brokers import Broker
from tests.journeys.reading import standing_on
from tests.journeys.shop import TOPIC, Shop
from tests.processes import Running, command, loyalty
from tests.shared.messaging.waiting import until
from tests.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

PURCHASES = int(os.environ.get("JOURNEY_PURCHASES", "100000"))
KILLS = 10
PATIENCE = 120

READ = "SELECT coalesce(sum(next_offset), 0)::bigint FROM kafka_offset WHERE topic = 'loyalty.purchases'"
UNSENT = """
SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM dead_letter WHERE relayed_at IS NULL)"""

SENT = """
CREATE TABLE sent (invoice_number text PRIMARY KEY, customer_id text, total numeric, points bigint, clawed_back bigint)"""

WRONG = """
SELECT s.*, p.status, p.customer_id, p.total, p.points, p.clawed_back
  FROM sent s FULL JOIN (SELECT * FROM purchase WHERE shop_id = 'harbour') p USING (invoice_number)
 WHERE (s.customer_id, s.total, s.points, s.clawed_back, 'booked')
   IS DISTINCT FROM (p.customer_id, p.total, p.points, p.clawed_back, p.status)"""

NOT_ONCE = """
SELECT s.invoice_number, count(e.*) FROM sent s LEFT JOIN entry e
    ON e.customer_id = s.customer_id AND e.kind = 'award' AND e.reference = 'harbour/' || s.invoice_number
 GROUP BY s.invoice_number, s.points HAVING count(e.*) <> 1 OR sum(e.points) <> s.points"""

UNBALANCED = """
SELECT customer_id FROM account FULL JOIN (
    SELECT customer_id, sum(points - clawed_back) AS points FROM sent GROUP BY customer_id) s USING (customer_id)
 WHERE available IS DISTINCT FROM points"""


class Journey:
    """The shop, the broker, the books, and the processes between them."""

    def __init__(self, broker: Broker, books: asyncpg.Connection, url: str, rng: random.Random) -> None:
        self.broker = broker
        self.books = books
        self.url = url
        self.rng = rng
        self.shop = Shop(broker.bootstrap_servers, rng)
        self.admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers, "log_level": 0})
        self.said: list[str] = []

    @contextlib.contextmanager
    def worker(self) -> Iterator[Running]:
        with loyalty(
            "services", "points", "--no-api",
            points_database_url=self.url, kafka_bootstrap_servers=self.broker.bootstrap_servers,
        ) as running:  # fmt: skip
            try:
                yield running
            finally:
                self.said.append(running.said())

    async def read(self) -> int:
        return int(await self.books.fetchval(READ))

    async def until_read(self, count: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while (read := await self.read()) < count:
            assert time.monotonic() < deadline, f"{read} of {count} records are read"
            time.sleep(0.02)

    async def until_settled(self) -> None:
        """Wait until all that was sent is read and all that is owed has left."""
        self.shop.flush()
        await self.until_read(self.shop.records)
        await until(lambda: self.books.fetchval(UNSENT), 0, seconds=PATIENCE)

    async def at_a_random_moment(self, portion: int) -> None:
        """Return in the middle of the last portion, or, three times of ten, whatever the process is at."""
        if self.rng.random() < 0.3:
            time.sleep(self.rng.uniform(0, 3))
            return
        await self.until_read(self.shop.records - int(portion * self.rng.random()))


@pytest.fixture
async def journey(broker: Broker, database_url: str) -> Any:
    seed = int(os.environ.get("JOURNEY_SEED", "20261124"))
    print(f"JOURNEY_SEED={seed}")  # noqa: T201 - makes a failure repeatable
    books = await asyncpg.connect(database_url)
    yield Journey(broker, books, database_url, random.Random(seed))
    await books.close()


async def test_every_purchase_is_awarded_once_whatever_dies(journey: Journey) -> None:
    await sell_while_everything_dies(journey)
    await the_books_are_what_was_sent(journey)
    await what_was_said_has_no_gap(journey)
    await every_bad_record_is_set_aside(journey)
    await the_topic_is_wiped_and_made_anew(journey)


async def sell_while_everything_dies(journey: Journey) -> None:
    portion = PURCHASES // (KILLS + 1)
    with contextlib.ExitStack() as stack:
        second = None
        for kill in range(KILLS):
            first = stack.enter_context(journey.worker())
            if kill == 0:
                eventually(lambda: TOPIC in journey.admin.list_topics(timeout=10).topics)
            if kill == 2:
                second = stack.enter_context(journey.worker())
            journey.shop.sell(portion)
            if kill == 4:
                journey.broker.kill()
                journey.broker.start()
            if kill == 6 and second is not None:
                assert second.interrupt(signal.SIGTERM) == 0
            await journey.at_a_random_moment(portion)
            first.kill()
        last = stack.enter_context(journey.worker())
        journey.shop.sell(PURCHASES - KILLS * portion)
        await journey.until_settled()
        assert last.interrupt() == 0
    assert "Traceback" not in "".join(journey.said)


async def the_books_are_what_was_sent(journey: Journey) -> None:
    sold = journey.shop.purchases
    await journey.books.execute("DROP TABLE IF EXISTS sent")
    await journey.books.execute(SENT)
    rows = [(each.invoice_number, each.customer_id, each.total, each.points, each.clawed_back) for each in sold]
    await journey.books.copy_records_to_table("sent", records=rows)
    await journey.books.execute("ANALYZE sent, purchase, entry, account")
    for question in (WRONG, NOT_ONCE, UNBALANCED):
        assert await journey.books.fetch(f"{question} LIMIT 5") == []
    verified = command("verify", points_database_url=journey.url)
    assert verified.returncode == 0, verified.stdout


async def what_was_said_has_no_gap(journey: Journey) -> None:
    """At least once: a number may come again with the same content, but none is missing and none has two contents."""
    said: dict[tuple[str, int], bytes] = {}
    for record in standing_on(journey.broker.bootstrap_servers, "loyalty.points"):
        event = orjson.loads(record.value)
        assert record.key.decode() == event["subject"]
        assert said.setdefault((event["subject"], int(event["sequence"])), record.value) == record.value
    numbers = Counter(customer for customer, _ in said)
    owed = await journey.books.fetch("SELECT customer_id, event_sequence FROM account")
    assert numbers == {row["customer_id"]: row["event_sequence"] for row in owed}
    assert all((customer, number) in said for customer, last in numbers.items() for number in range(1, last + 1))
    kinds = Counter(orjson.loads(content)["type"] for content in said.values())
    assert kinds["loyalty.points.awarded.v1"] == PURCHASES


async def every_bad_record_is_set_aside(journey: Journey) -> None:
    letters = await journey.books.fetch("SELECT code, coalesce(value, '') AS value FROM dead_letter")
    assert Counter(letter["code"] for letter in letters) == journey.shop.dead
    relayed = {
        (record.headers["dlt-error"].decode().partition(":")[0], record.value)
        for record in standing_on(journey.broker.bootstrap_servers, f"{TOPIC}.dlt")
    }
    assert relayed == {(letter["code"], letter["value"]) for letter in letters}
    assert journey.shop.dead.keys() >= {
        "event-malformed",
        "event-empty",
        "purchase-conflict",
        "refund-exceeds-purchase",
    }


async def the_topic_is_wiped_and_made_anew(journey: Journey) -> None:
    """What stood on it before comes again beside what is new."""
    shop = journey.shop
    with journey.worker():
        await recreate(journey)
        shop.connect()
        shop.records = 0
        again = shop.rng.sample(shop.purchases, 300)
        shop.send([shop.purchase(each) for each in again])
        shop.sell(300)
        await until(
            lambda: journey.books.fetchval("SELECT count(*) FROM purchase WHERE status = 'booked'"),
            len(shop.purchases), seconds=PATIENCE,
        )  # fmt: skip
        await until(lambda: journey.books.fetchval(READ), shop.records, seconds=PATIENCE)
    await the_books_are_what_was_sent(journey)


async def recreate(journey: Journey) -> None:
    journey.admin.delete_topics([TOPIC])[TOPIC].result(30)
    eventually(lambda: TOPIC not in journey.admin.list_topics(timeout=10).topics)
    journey.admin.create_topics([NewTopic(TOPIC, 24, 1)])[TOPIC].result(30)
