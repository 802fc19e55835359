"""Every record has its effect once: through repeats, fences, topics made anew, bad records and a database that leaves."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from shared.database import create_engine
from shared.messaging.consumer import Log, Row, StalledError, Start, TooManyDeadLettersError, start_of
from shared.messaging.kafka import Topic, create_topics, delete_topics
from tests.shared.messaging.conftest import Listener, said
from tests.shared.messaging.proxy import Proxy
from tests.shared.messaging.waiting import running, until

pytestmark = pytest.mark.kafka

COUNT = "SELECT count(*)::int FROM heard"


@pytest.mark.parametrize(
    ("row", "log", "start"),
    [
        (None, Log(begin=0, end=10), Start(0)),
        (None, Log(begin=3, end=10, committed=7), Start(3)),
        (Row(5), Log(begin=0, end=10, committed=5), Start(5)),
        (Row(5), Log(begin=0, end=10, committed=4), Start(4)),
        (Row(5), Log(begin=0, end=10, committed=9), Start(5)),
        (Row(5), Log(begin=3, end=10, committed=2), Start(3)),
        (Row(10), Log(begin=0, end=10, committed=10), Start(10)),
        (Row(11), Log(begin=0, end=10, committed=11), Start(0, "offset_beyond_log")),
        (Row(11, "a"), Log(begin=2, end=10, topic_id="a"), Start(2, "offset_beyond_log")),
        (Row(5), Log(begin=0, end=10), Start(0, "offset_not_in_kafka")),
        (Row(5), Log(begin=0, end=10, topic_id="a"), Start(0, "offset_not_in_kafka")),
        (Row(5, "a"), Log(begin=0, end=10, topic_id="a"), Start(5)),
        (Row(5, "a"), Log(begin=0, end=10, committed=5, topic_id="b"), Start(0, "topic_made_anew")),
        (Row(0), Log(begin=0, end=10), Start(0)),
        (Row(5), Log(begin=8, end=10, committed=5), Start(8, "records_lost", 3)),
        (Row(5), Log(begin=8, end=10), Start(8, "records_lost", 3)),
    ],
)
def test_reading_starts_where_nothing_is_skipped(row: Row | None, log: Log, start: Start) -> None:
    assert start_of(row, log) == start


async def test_a_record_delivered_again_has_no_second_effect(listener: Listener) -> None:
    await listener.send(said("w1"), said("w2"), said("w1"))
    async with running(listener.consume()):
        await until(listener.read_up_to, 3)
    await listener.change("DELETE FROM kafka_offset")
    async with running(listener.consume()):
        await until(listener.read_up_to, 3)
    assert await listener.heard() == ["w1", "w2"]
    assert len(await listener.rows("SELECT 1 FROM outbox")) == 2


async def test_a_zombie_drops_its_batch(listener: Listener) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def hold(_events: Sequence[Any]) -> None:
        begun.set()
        await go.wait()

    zombie = Listener(listener.engine, listener.topic, listener.servers, before=hold)
    await listener.send(said("w1"), said("w2"))
    async with running(zombie.consume()):
        await asyncio.wait_for(begun.wait(), 20)
        # what another consumer does that was given the partition: it books the first record and moves the row
        await listener.change("INSERT INTO heard (id, text) VALUES ('w1', 'by another')")
        await listener.change("UPDATE kafka_offset SET next_offset = 1 WHERE partition = 0")
        go.set()
        await until(listener.read_up_to, 2)
    assert len(zombie.calls) == 2
    assert await listener.rows("SELECT id, text FROM heard ORDER BY number") == [("w1", "by another"), ("w2", "hello")]
    assert len(await listener.rows("SELECT 1 FROM outbox")) == 1


async def test_a_topic_made_anew_is_read_from_its_beginning(listener: Listener) -> None:
    await listener.send(said("w1"), said("w2"))
    async with running(listener.consume()):
        await until(listener.read_up_to, 2)
    await delete_topics(listener.servers, [listener.topic])
    await create_topics(listener.servers, [Topic(listener.topic, 2)])
    await listener.send(said("w3"), said("w2"), said("w4"), said("w5"))
    async with running(listener.consume()):
        await until(listener.read_up_to, 4)
    assert await listener.heard() == ["w1", "w2", "w3", "w4", "w5"]


async def test_a_topic_made_anew_under_a_running_consumer_is_read_from_its_beginning(listener: Listener) -> None:
    await listener.send(said("w1"), said("w2"), said("w3"))
    async with running(listener.consume(watch_seconds=0.2)):
        await until(listener.read_up_to, 3)
        await delete_topics(listener.servers, [listener.topic])
        await create_topics(listener.servers, [Topic(listener.topic, 2)])
        await listener.send(said("w4"), said("w2"), said("w5"), said("w6"))
        await until(lambda: listener.rows(COUNT), [(6,)], seconds=30)
    assert await listener.heard() == ["w1", "w2", "w3", "w4", "w5", "w6"]


async def test_a_row_beyond_the_end_of_the_log_is_reset(listener: Listener) -> None:
    await listener.send(said("w1"))
    consumer = f"listener-{listener.topic}"
    await listener.change("INSERT INTO kafka_offset VALUES ($1, $2, 0, 1000)", consumer, listener.topic)
    async with running(listener.consume()):
        await until(listener.read_up_to, 1)
    assert await listener.heard() == ["w1"]


async def test_an_unusable_record_costs_only_itself(listener: Listener) -> None:
    words = [said(f"w{number}", "bad" if number == 13 else "good") for number in range(20)]
    await listener.send(*words)
    async with running(listener.consume()):
        await until(listener.read_up_to, 20)
    assert await listener.heard() == [f"w{number}" for number in range(20) if number != 13]
    assert await listener.dead() == [(13, "unprocessable")]


async def test_refused_records_are_dead_letters_once(listener: Listener) -> None:
    await listener.send(said("w1"), b"nonsense", None, said("w2", refuse=True), said("w3", type="unknown.v1"))
    for _ in range(2):
        async with running(listener.consume()):
            await until(listener.read_up_to, 5)
        await listener.change("UPDATE kafka_offset SET next_offset = 0 WHERE partition = 0")
    assert await listener.heard() == ["w1"]
    assert await listener.dead() == [(1, "event-malformed"), (2, "event-empty"), (3, "word-refused")]


async def test_a_database_that_leaves_is_waited_for(listener: Listener, wire: Proxy) -> None:
    async def cut(_events: Sequence[Any]) -> None:
        if len(away.calls) == 1:
            await wire.cut()

    engine = create_engine(wire.url, name="wired", pool_size=3)
    away = Listener(engine, listener.topic, listener.servers, before=cut)
    await listener.send(said("w1"), said("w2"))
    async with running(away.consume()) as task:
        await asyncio.sleep(3)
        assert not task.done()
        assert await listener.heard() == []
        await wire.join()
        await until(listener.heard, ["w1", "w2"])
    await engine.dispose()


async def test_a_client_that_breaks_with_its_broker_is_replaced(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    poll = AIOKafkaConsumer.getmany
    broken: list[Any] = []

    async def breaking(client: Any, *partitions: Any, **how: Any) -> Any:
        if not broken:
            broken.append(client)
            raise KafkaError("Unexpected error during coordination")
        return await poll(client, *partitions, **how)

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", breaking)
    await listener.send(said("w1"), said("w2"))
    async with running(listener.consume()):
        await until(listener.read_up_to, 2)
    assert broken
    assert await listener.heard() == ["w1", "w2"]


async def test_a_flood_of_refusals_stops_the_consumer_before_it_buries_the_topic(listener: Listener) -> None:
    await listener.send(*[said(f"w{number}", refuse=True) for number in range(30)])
    with pytest.raises(TooManyDeadLettersError, match="30 of its last 30"):
        await asyncio.wait_for(listener.consume(dead_letter_floor=20), 20)
    assert (await listener.dead(), await listener.read_up_to()) == ([], 0)


async def test_a_share_of_refusals_below_the_limit_passes(listener: Listener) -> None:
    await listener.send(*[said(f"w{number}", refuse=number % 2 == 0) for number in range(60)])
    async with running(listener.consume(dead_letter_floor=20)):
        await until(listener.read_up_to, 60)
    assert len(await listener.dead()) == 30


async def test_a_consumer_that_stands_still_ends(listener: Listener) -> None:
    async def hang(_events: Sequence[Any]) -> None:
        await asyncio.Event().wait()

    listener.before = hang
    await listener.send(said("w1"))
    with pytest.raises(StalledError, match="1 records to read"):
        await asyncio.wait_for(listener.consume(watch_seconds=0.1, stalled_seconds=0.5), 20)


async def test_what_nobody_foresaw_ends_the_consumer_with_the_offset_uncommitted(listener: Listener) -> None:
    async def stumble(_events: Sequence[Any]) -> None:
        raise KeyError("a mistake of ours")

    listener.before = stumble
    await listener.send(said("w1"))
    with pytest.raises(KeyError):
        await asyncio.wait_for(listener.consume(), 20)
    assert await listener.read_up_to() == 0


async def test_a_second_member_joins_and_leaves_and_everything_is_heard_once(listener: Listener) -> None:
    async def ask() -> int:
        return int((await listener.rows(COUNT))[0][0])

    for partition in (0, 1):
        await listener.send(*[said(f"w{partition}-{number}") for number in range(300)], partition=partition)
    async with running(listener.consume(max_records=10)):
        for _ in range(2):
            async with running(listener.consume(max_records=10)):
                await asyncio.sleep(0.7)
        await until(ask, 600)
    assert len(await listener.rows("SELECT 1 FROM outbox")) == 600
