"""The whole way of an event: from a topic through a handler into the outbox, and out on a topic."""

import pytest

from shared.messaging.outbox import KafkaCarrier, Relay
from tests.shared.messaging.conftest import Listener, said
from tests.shared.messaging.waiting import running, until

pytestmark = pytest.mark.kafka


async def test_what_is_said_on_a_topic_is_heard_and_answered(listener: Listener) -> None:
    await listener.send(said("w1"), said("w2"))
    await listener.send(said("w3"), partition=1)
    relay = Relay(listener.engine, KafkaCarrier(listener.servers, service="tests"), service="tests")
    async with running(listener.consume()), running(relay.run()):
        await until(lambda: listener.rows("SELECT count(*)::int FROM outbox_sent"), [(3,)])
    assert sorted(await listener.heard()) == ["w1", "w2", "w3"]
    assert await listener.read_up_to() == 3
