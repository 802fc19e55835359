"""The whole way of an event: from a topic through a handler into the outbox, and out on a topic."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from shared.messaging import consumer
from shared.messaging.outbox import KafkaCarrier, Relay
from tests.shared.messaging.conftest import NOW, said
from tests.shared.messaging.waiting import running, until

pytestmark = pytest.mark.kafka


async def test_what_is_said_on_a_topic_is_heard_and_answered(engine, kafka, topic, send, listener, rows):
    for number in range(5):
        await send(said(f"w{number}"), partition=number % 2)
    relay = Relay(engine, KafkaCarrier(kafka, service="tests"), service="tests")
    async with running(consumer.run(listener(topic), engine=engine, bootstrap_servers=kafka, clock=lambda: NOW)):
        await until(lambda: rows("SELECT 1 FROM heard"), 5)
    async with running(relay.run()):
        await until(lambda: rows("SELECT 1 FROM outbox_sent"), 5)
    assert await rows("SELECT sum(next_offset) AS read FROM kafka_offset") == [(5,)]
