"""What is owed leaves in order, at least once, by one relay at a time; dead letters leave as they came."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest
from confluent_kafka import Producer
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database import create_engine
from shared.messaging import dead_letters, kafka, outbox
from shared.messaging.dead_letters import Failed
from shared.messaging.outbox import KafkaCarrier, Relay
from tests.brokers import Broker
from tests.shared.messaging.conftest import Listener
from tests.shared.messaging.proxy import Proxy
from tests.shared.messaging.reading import standing_on
from tests.shared.messaging.waiting import running, until

pytestmark = pytest.mark.kafka

LEFT = "SELECT count(*)::int FROM outbox"
SENT = "SELECT count(*)::int FROM outbox_sent"


def relay(engine: AsyncEngine, servers: str) -> Relay:
    return Relay(engine, KafkaCarrier(servers, service="tests"), service="tests")


async def owe(listener: Listener, count: int, *, keys: int = 7) -> None:
    """Owe events whose payload is `{"key", "number"}`, numbered in the order in which they are owed."""
    await listener.change(
        """INSERT INTO outbox (topic, key, payload)
           SELECT $1, 'c-' || n % $3, convert_to(json_build_object('key', 'c-' || n % $3, 'number', n)::text, 'UTF8')
             FROM generate_series(1, $2::int) AS n ORDER BY n""",
        listener.answers, count, keys,
    )  # fmt: skip


async def numbers_by_key(listener: Listener) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for record in await standing_on(listener.servers, listener.answers):
        event = orjson.loads(record.value or b"{}")
        assert record.key == event["key"].encode()
        found.setdefault(event["key"], []).append(event["number"])
    return found


def expected(count: int, keys: int = 7) -> dict[str, list[int]]:
    return {f"c-{key}": [n for n in range(1, count + 1) if n % keys == key] for key in range(keys)}


async def test_events_leave_in_their_order_within_each_key(listener: Listener) -> None:
    await owe(listener, 12_000)
    async with running(relay(listener.engine, listener.servers).run()):
        await until(lambda: listener.rows(SENT), [(12_000,)])
    assert await numbers_by_key(listener) == expected(12_000)


async def test_a_key_goes_where_the_java_client_puts_it(listener: Listener) -> None:
    keys = [f"c-{number}" for number in range(50)] + ["", "é", "2990000000422"]
    other = Producer({"bootstrap.servers": listener.servers, "partitioner": "murmur2"})
    for key in keys:
        other.produce(listener.topic, value=b"", key=key.encode())
    await asyncio.to_thread(other.flush, 10)
    for record in await standing_on(listener.servers, listener.topic):
        assert kafka.partition_of(record.key or b"", 2) == record.partition


async def test_a_relay_that_died_between_publishing_and_moving_publishes_again(listener: Listener) -> None:
    await owe(listener, 20)
    producer = kafka.producer(listener.servers, client="tests")
    await producer.start()
    await outbox.publish(producer, await listener.rows(outbox.READ, 10))
    await producer.stop()
    async with running(relay(listener.engine, listener.servers).run()):
        await until(lambda: listener.rows(SENT), [(20,)])
    first, whole = expected(10), expected(20)
    assert await numbers_by_key(listener) == {key: first[key] + whole[key] for key in whole}


async def test_of_two_relays_one_works_and_the_other_takes_over(
    listener: Listener, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "STANDBY_SECONDS", 0.05)
    engines = [create_engine(database_url, name=f"relay-{number}", pool_size=2) for number in (1, 2)]
    async with running(relay(engines[1], listener.servers).run()):
        await until(lambda: holders(listener), ["relay-2"])
        async with running(relay(engines[0], listener.servers).run()):
            await owe(listener, 50)
            await until(lambda: listener.rows(SENT), [(50,)])
            assert await holders(listener) == ["relay-2"]
            await listener.change(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'relay-2'"
            )
            await until(lambda: holders(listener), ["relay-1"])
            await owe(listener, 50)
            await until(lambda: listener.rows(SENT), [(100,)])
    for engine in engines:
        await engine.dispose()


async def holders(listener: Listener) -> list[str]:
    held = await listener.rows(
        """SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
            WHERE locktype = 'advisory' AND granted AND objid = $1 AND datname = current_database()""",
        outbox.ADVISORY_LOCK,
    )
    return [row["application_name"] for row in held]


async def test_a_relay_that_ends_gives_its_lock_back(listener: Listener) -> None:
    nobody: list[str] = []
    for _ in range(2):
        async with running(relay(listener.engine, listener.servers).run()):
            await until(lambda: holders(listener), ["tests"])
        await until(lambda: holders(listener), nobody)


async def test_a_wake_spares_the_wait(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "IDLE_SECONDS", 30.0)
    working = relay(listener.engine, listener.servers)
    async with running(working.run()):
        await owe(listener, 1)
        await until(lambda: listener.rows(SENT), [(1,)])
        await asyncio.sleep(3)  # by now it waits for seconds
        await owe(listener, 1)
        working.wake()
        await until(lambda: listener.rows(SENT), [(2,)], seconds=1)


async def test_a_database_that_leaves_a_relay_finds_its_rows_relayed_afterwards(
    listener: Listener, wire: Proxy
) -> None:
    engine = create_engine(wire.url, name="wired", pool_size=3)
    async with running(relay(engine, listener.servers).run()):
        await until(lambda: holders(listener), ["wired"])
        await wire.cut()
        await owe(listener, 10)
        await asyncio.sleep(0.5)
        assert await listener.rows(LEFT) == [(10,)]
        await wire.join()
        await until(lambda: listener.rows(SENT), [(10,)])
    await engine.dispose()


async def test_a_broker_that_is_killed_gets_every_event_when_it_is_back(engine: AsyncEngine, broker: Broker) -> None:
    listener = Listener(engine, "orders", broker.bootstrap_servers)
    await kafka.create_topics(broker.bootstrap_servers, [kafka.Topic(listener.answers, 2)])
    async with running(relay(engine, broker.bootstrap_servers).run()):
        await owe(listener, 100)
        await until(lambda: listener.rows(SENT), [(100,)])
        await asyncio.to_thread(broker.kill)
        await owe(listener, 100, keys=1)
        await asyncio.sleep(1)
        assert await listener.rows(LEFT) == [(100,)]
        await asyncio.to_thread(broker.start)
        await until(lambda: listener.rows(SENT), [(200,)], seconds=40)
    numbers = (await numbers_by_key(listener))["c-0"]
    # in order; what was on its way when the broker died may have come twice
    assert sorted(set(numbers[14:])) == list(range(1, 101))


async def test_sent_events_stand_in_partitions_of_a_day_for_a_week(listener: Listener) -> None:
    today = (await listener.rows(outbox.TODAY))[0]["today"]
    for back in (9, 8, 7, 6):
        day = today - dt.timedelta(days=back)
        await listener.change(
            f"CREATE TABLE outbox_sent_{day:%Y%m%d} PARTITION OF outbox_sent FOR VALUES"
            f" FROM ('{day} 00:00:00+00') TO ('{day + dt.timedelta(days=1)} 00:00:00+00')"
        )
    async with listener.engine.begin() as connection:
        await outbox.keep_days(connection)
        await outbox.keep_days(connection)
    kept = sorted(row["name"] for row in await listener.rows(outbox.PARTITIONS))
    assert kept == [f"outbox_sent_{today + dt.timedelta(days=n):%Y%m%d}" for n in (-7, -6, 0, 1)]


# Dead letters on their topic


@asynccontextmanager
async def relayed(listener: Listener, *records: Failed) -> AsyncIterator[None]:
    async with listener.engine.begin() as connection:
        await dead_letters.store(connection, records)
    async with running(relay(listener.engine, listener.servers).run()):
        await until(lambda: listener.rows("SELECT count(*)::int FROM dead_letter WHERE relayed_at IS NULL"), [(0,)])
        yield


def failed(listener: Listener, **more: object) -> Failed:
    said = {
        "partition": 1,
        "offset": 7,
        "key": b"k\xff",
        "value": b"v\x00",
        "code": "event-malformed",
        "error": "data.x: no",
    }
    return Failed(**({"consumer": "tests", "topic": listener.topic} | said | more))  # type: ignore[arg-type]


async def test_a_dead_letter_stands_on_its_topic_as_it_came(listener: Listener) -> None:
    headers = [("ce_id", b"w1"), ("raw", b"\xff\x00"), ("none", None)]
    async with relayed(listener, failed(listener, headers=headers)):
        (record,) = await standing_on(listener.servers, f"{listener.topic}.dlt", partitions=1)
    assert (record.key, record.value) == (b"k\xff", b"v\x00")
    assert {name: record.headers[name] for name, _ in headers} == dict(headers)
    said = {name: record.headers[f"dlt-{name}"] for name in ("topic", "partition", "offset", "consumer", "error")}
    assert said == {
        "topic": listener.topic.encode(), "partition": b"1", "offset": b"7", "consumer": b"tests",
        "error": b"event-malformed: data.x: no",
    }  # fmt: skip
    assert dt.datetime.fromisoformat(record.headers["dlt-at"].decode()).tzinfo is not None


async def test_a_dead_letter_without_key_and_value_leaves_too(listener: Listener) -> None:
    async with relayed(listener, failed(listener, key=None, value=None)):
        (record,) = await standing_on(listener.servers, f"{listener.topic}.dlt", partitions=1)
    assert (record.key, record.value) == (b"", None)


async def test_a_dead_letter_too_large_for_its_topic_leaves_without_its_value(listener: Listener) -> None:
    async with relayed(listener, failed(listener, value=b"x" * 1_500_000), failed(listener, offset=8)):
        large, next_one = await standing_on(listener.servers, f"{listener.topic}.dlt", partitions=1)
    assert (large.value, large.key) == (None, b"k\xff")
    assert b"stands in the database" in large.headers["dlt-value"]
    assert next_one.value == b"v\x00"
    assert await listener.rows("SELECT length(value) FROM dead_letter ORDER BY id LIMIT 1") == [(1_500_000,)]


async def test_the_declared_topics_can_be_made_twice(listener: Listener) -> None:
    topics = kafka.declared(["loyalty.purchases"], partitions=3)
    for _ in range(2):
        await kafka.create_topics(listener.servers, topics)
    assert [(each.name, each.partitions) for each in topics] == [("loyalty.purchases", 3), ("loyalty.purchases.dlt", 1)]
