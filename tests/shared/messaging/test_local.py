"""Without a broker: the outbox is delivered to the neighbours in this process, once to each, at each one's own pace."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database import fetch
from shared.messaging import local
from shared.messaging.local import LocalCarrier, Neighbour
from shared.messaging.outbox import Relay
from tests.shared.messaging.conftest import NOW, OWE, Listener, said
from tests.shared.messaging.proxy import Proxy
from tests.shared.messaging.waiting import running, until

LEFT = "SELECT id, delivered_to FROM outbox ORDER BY id"
SENT = "SELECT count(*)::int FROM outbox_sent"


class Service:
    """The service whose outbox is delivered."""

    def __init__(self, engine: AsyncEngine, topic: str) -> None:
        self.engine = engine
        self.topic = topic

    async def rows(self, statement: str) -> list[Any]:
        async with self.engine.connect() as connection:
            return list(await fetch(connection, statement))

    async def owe(self, *payloads: bytes, topic: str = "") -> None:
        rows = [(topic or self.topic, "c-1", payload) for payload in payloads]
        async with self.engine.begin() as connection:
            await fetch(connection, OWE, *zip(*rows, strict=True))

    @asynccontextmanager
    async def delivering(self, *neighbours: Listener) -> AsyncIterator[None]:
        named = [Neighbour(each.subscription, each.engine) for each in neighbours]
        carrier = LocalCarrier(self.engine, named, service="tests", clock=lambda: NOW)
        async with running(Relay(self.engine, carrier, service="tests").run()):
            yield


@pytest.fixture
def service(engine: AsyncEngine, topic: str) -> Service:
    return Service(engine, topic)


async def test_a_row_is_delivered_once_and_set_aside(service: Service, neighbour: tuple[Listener, Proxy]) -> None:
    listener, _ = neighbour
    await service.owe(said("w1"), said("w2"), said("w1"))
    async with service.delivering(listener):
        await until(lambda: service.rows(SENT), [(3,)])
    assert await listener.heard() == ["w1", "w2"]
    assert listener.calls == [3]
    assert await service.rows(LEFT) == []


async def test_a_row_that_nobody_hears_leaves_at_once(service: Service, neighbour: tuple[Listener, Proxy]) -> None:
    listener, _ = neighbour
    await service.owe(said("w1"), topic="of-no-interest")
    async with service.delivering(listener):
        await until(lambda: service.rows(SENT), [(1,)])
    assert listener.calls == []


async def test_more_rows_than_a_batch_keep_their_order(
    service: Service, neighbour: tuple[Listener, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "DELIVERED", 10)
    listener, _ = neighbour
    names = [f"w{number}" for number in range(95)]
    await service.owe(*map(said, names))
    async with service.delivering(listener):
        await until(lambda: service.rows(SENT), [(95,)])
    assert await listener.heard() == names


async def test_a_neighbour_whose_database_is_away_holds_back_only_itself(
    service: Service, neighbour: tuple[Listener, Proxy], another: Listener
) -> None:
    listener, wire = neighbour
    await wire.cut()
    async with service.delivering(listener, another):
        await service.owe(said("w1"), said("w2"))
        await until(another.heard, ["w1", "w2"])
        await until(
            lambda: service.rows(LEFT), [(1, [another.subscription.consumer]), (2, [another.subscription.consumer])]
        )
        await wire.join()
        await until(listener.heard, ["w1", "w2"])
        await until(lambda: service.rows(SENT), [(2,)])
    assert sum(another.calls) == 2


async def test_a_death_between_booking_and_noting_is_recognised_as_a_repeat(
    service: Service, neighbour: tuple[Listener, Proxy]
) -> None:
    listener, _ = neighbour
    await service.owe(said("w1"), said("w2"))
    async with listener.engine.begin() as connection:
        rows = [{"topic": service.topic, "key": "c-1", "payload": said(name)} for name in ("w1", "w2")]
        dead = LocalCarrier(service.engine, [], service="tests", clock=lambda: NOW)
        await dead._handle(connection, Neighbour(listener.subscription, listener.engine), rows)
    async with service.delivering(listener):
        await until(lambda: service.rows(SENT), [(2,)])
    assert listener.calls == [2, 2]
    assert await listener.heard() == ["w1", "w2"]
    assert len(await listener.rows("SELECT 1 FROM outbox")) == 2


async def test_a_row_that_cannot_work_becomes_the_neighbours_dead_letter(
    service: Service, neighbour: tuple[Listener, Proxy]
) -> None:
    listener, _ = neighbour
    await service.owe(said("w1"), said("w2", text="bad"), b"\x00nonsense", said("w3", refuse=True), said("w4"))
    async with service.delivering(listener):
        await until(lambda: service.rows(SENT), [(5,)])
    assert await listener.heard() == ["w1", "w4"]
    assert sorted(code for _, code in await listener.dead()) == ["event-malformed", "unprocessable", "word-refused"]
    assert await service.rows("SELECT 1 FROM dead_letter") == []


async def test_what_nobody_foresaw_ends_the_relay_and_is_delivered_by_the_next(
    service: Service, neighbour: tuple[Listener, Proxy]
) -> None:
    async def stumble(_events: Sequence[Any]) -> None:
        raise KeyError("a mistake of ours")

    listener, _ = neighbour
    listener.before = stumble
    await service.owe(said("w1"))
    relay = Relay(
        service.engine,
        LocalCarrier(
            service.engine, [Neighbour(listener.subscription, listener.engine)], service="tests", clock=lambda: NOW
        ),
        service="tests",
    )
    with pytest.raises(KeyError):
        await asyncio.wait_for(relay.run(), 20)
    listener.before = None
    async with service.delivering(listener):
        await until(listener.heard, ["w1"])
