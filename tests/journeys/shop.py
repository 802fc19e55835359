"""A shop with a Kafka client that is not ours: what it sends in every way there is, and what the books should say then."""

import json
import random
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from confluent_kafka import Producer

TOPIC = "loyalty.purchases"
COMPLETED, REFUNDED = "loyalty.purchase.completed.v1", "loyalty.purchase.refunded.v1"
SOURCE = "/shops/harbour"
CUSTOMERS = 3_000
APART = 1_000
"""So many purchases lie at most between a purchase and what follows from it."""


@dataclass(frozen=True, slots=True)
class Record:
    key: str
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(slots=True)
class Purchase:
    invoice_number: str
    customer_id: str
    total: Decimal
    refunded: Decimal = Decimal(0)

    @property
    def points(self) -> int:
        return _floor(self.total)

    @property
    def clawed_back(self) -> int:
        return self.points - _floor(self.total - self.refunded)


@dataclass
class Shop:
    """`records` counts what was sent; `dead` says with which codes records should end as dead letters."""

    servers: str
    rng: random.Random
    purchases: list[Purchase] = field(default_factory=list)
    records: int = 0
    dead: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.connect()

    def connect(self) -> None:
        """Have a client that knows nothing of the topics there were."""
        settings = {"bootstrap.servers": self.servers, "enable.idempotence": True, "linger.ms": 5, "log_level": 0}
        self.producer = Producer(settings | {"queue.buffering.max.messages": 500_000, "partitioner": "murmur2_random"})

    def sell(self, count: int) -> None:
        """Send new purchases and what follows from some of them, in an order that does justice to each customer's."""
        placed: list[tuple[float, Record]] = []
        for number in range(count):
            place: float = number
            way: Way = self.rng.choices(list(WAYS), list(WAYS.values()))[0]
            for record in way(self, self._new()):
                placed.append((place, record))
                place += self.rng.random() * APART
        self.send(record for _, record in sorted(placed, key=lambda each: each[0]))

    def send(self, records: Iterable[Record]) -> None:
        """Hand records to the client, which delivers them in the background."""
        for record in records:
            self.producer.produce(
                TOPIC, record.value, record.key, headers=list(record.headers), callback=self._delivered
            )
            self.producer.poll(0)
            self.records += 1

    def flush(self) -> None:
        """Wait until the broker has everything."""
        assert self.producer.flush(60) == 0
        assert self.failed == []

    def _delivered(self, error: object, _record: object) -> None:
        if error is not None:
            self.failed.append(str(error))

    def _new(self) -> Purchase:
        number = len(self.purchases)
        made = Purchase(f"R-{number}", f"c-{self.rng.randrange(CUSTOMERS)}", _money(self.rng.randrange(100, 50_000)))
        self.purchases.append(made)
        return made

    def event(self, kind: str, customer: str, data: dict[str, Any]) -> Record:
        """Return an event in one of the modes of CloudEvents."""
        attributes = {"specversion": "1.0", "id": str(uuid.UUID(int=self.rng.getrandbits(128))), "source": SOURCE}
        attributes |= {"type": kind, "subject": customer, "time": "2026-11-23T10:15:00+01:00"}
        if self.rng.random() < 0.5:
            headers = [(f"ce_{name}", text.encode()) for name, text in attributes.items()]
            return Record(customer, json.dumps(data).encode(), (*headers, ("content-type", b"application/json")))
        said = ((), (("content-type", b"application/cloudevents+json; charset=utf-8"),))
        return Record(customer, json.dumps(attributes | {"data": data}).encode(), self.rng.choice(said))

    def purchase(self, made: Purchase, **more: Any) -> Record:
        data = {"shop_id": "harbour", "invoice_number": made.invoice_number, "customer_id": made.customer_id}
        return self.event(COMPLETED, made.customer_id, data | {"currency": "EUR", "total": str(made.total)} | more)

    def refund(self, made: Purchase, amount: Decimal, refund_id: str = "1") -> Record:
        data = {"shop_id": "harbour", "invoice_number": made.invoice_number, "refund_id": refund_id}
        return self.event(REFUNDED, made.customer_id, data | {"currency": "EUR", "amount": str(amount)})

    def part_of(self, made: Purchase) -> Decimal:
        """Return an amount to take back, and remember it."""
        amount = _money(self.rng.randrange(1, int((made.total - made.refunded) * 100)))
        made.refunded += amount
        return amount


def _money(cents: int) -> Decimal:
    return Decimal(cents) / 100


def _floor(amount: Decimal) -> int:
    return int(amount.to_integral_value(ROUND_FLOOR))


# The ways of a purchase: the records that it makes, in the order in which they arrive

Way = Callable[[Shop, Purchase], list[Record]]


def plain(shop: Shop, made: Purchase) -> list[Record]:
    return [shop.purchase(made)]


def delivered_twice(shop: Shop, made: Purchase) -> list[Record]:
    return [shop.purchase(made)] * 2


def said_twice(shop: Shop, made: Purchase) -> list[Record]:
    return [shop.purchase(made), shop.purchase(made, channel="web", shipping="0.00")]


def refunded(shop: Shop, made: Purchase) -> list[Record]:
    return [shop.purchase(made), shop.refund(made, shop.part_of(made))]


def refunded_before(shop: Shop, made: Purchase) -> list[Record]:
    first = shop.refund(made, shop.part_of(made))
    return [first, shop.purchase(made), first]


def refunded_around(shop: Shop, made: Purchase) -> list[Record]:
    first = shop.refund(made, shop.part_of(made), "1")
    second = shop.refund(made, made.total - made.refunded, "2")
    made.refunded = made.total
    return [first, shop.purchase(made), second]


def refunded_too_much(shop: Shop, made: Purchase) -> list[Record]:
    shop.dead["refund-exceeds-purchase"] += 1
    return shop.rng.sample([shop.purchase(made), shop.refund(made, made.total + 1)], 2)


def conflicting(shop: Shop, made: Purchase) -> list[Record]:
    shop.dead["purchase-conflict"] += 1
    return [shop.purchase(made), shop.purchase(made, total=str(made.total + 1))]


def beside_malformed(shop: Shop, made: Purchase) -> list[Record]:
    shop.dead["event-malformed"] += 1
    wrong = (b"{", b"\xff\xfe\x00", shop.purchase(made, total=12.5).value, b'{"specversion": "1.0"}')
    return [Record(made.customer_id, shop.rng.choice(wrong)), shop.purchase(made)]


def beside_unknown(shop: Shop, made: Purchase) -> list[Record]:
    return [shop.event("loyalty.purchase.dreamt.v1", made.customer_id, {"of": "wine"}), shop.purchase(made)]


def beside_empty(shop: Shop, made: Purchase) -> list[Record]:
    shop.dead["event-empty"] += 1
    return [Record(made.customer_id, None), shop.purchase(made)]


def beside_oversized(shop: Shop, made: Purchase) -> list[Record]:
    shop.dead["event-too-large"] += 1
    return [shop.purchase(made, channel="x" * 300_000), shop.purchase(made)]


WAYS: dict[Way, int] = {
    plain: 8_800,
    delivered_twice: 300,
    said_twice: 200,
    refunded: 300,
    refunded_before: 200,
    refunded_around: 100,
    refunded_too_much: 20,
    conflicting: 20,
    beside_malformed: 20,
    beside_unknown: 20,
    beside_empty: 20,
    beside_oversized: 3,
}
"""Each way and how many of ten thousand purchases go it."""
