"""A clock that jumps by an hour between batches, back and forth: no effect is lost or doubled, and nothing is out of order."""

import datetime as dt
import random
from collections.abc import Sequence
from functools import partial

import orjson
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.points import handlers
from services.points.ledger import Ledger
from services.points.verification import verify
from shared.database import fetch, transact
from shared.messaging.decoding import decode
from shared.messaging.events import Received, Subscription, Verdict

HOUR = dt.timedelta(hours=1)
PURCHASES = 400

SAID = """
SELECT key, array_agg(convert_from(payload, 'UTF8')::json->>'sequence' ORDER BY id) AS sequences
  FROM outbox WHERE topic = 'loyalty.points' GROUP BY key"""


class Clock:
    """Shows an hour more or less whenever it is asked."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.now = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        self.now += self.rng.choice((-HOUR, HOUR))
        return self.now


def event(name: str, kind: str, **data: str) -> bytes:
    said = {"shop_id": "s", "currency": "EUR"} | data
    head = {"specversion": "1.0", "id": name, "source": "/s", "type": f"loyalty.purchase.{kind}.v1"}
    return orjson.dumps(head | {"data": said})


def history(rng: random.Random) -> list[bytes]:
    """Purchases of 100.00 with refunds of 40.00 for every third, each event twice, all shuffled; none says when it was."""
    events = []
    for number in range(PURCHASES):
        invoice = f"R-{number}"
        customer = f"c-{number % 20}"
        events.append(event(f"p{number}", "completed", invoice_number=invoice, customer_id=customer, total="100.00"))
        if number % 3 == 0:
            events.append(event(f"r{number}", "refunded", invoice_number=invoice, refund_id="1", amount="40.00"))
    both = events * 2
    rng.shuffle(both)
    return both


@pytest.mark.parametrize("seed", range(3))
async def test_a_clock_that_jumps_changes_no_effect(engine: AsyncEngine, seed: int) -> None:
    rng = random.Random(seed)
    clock = Clock(rng)
    subscription = handlers.subscription(Ledger(), clock=clock)
    verdicts: list[Verdict] = []
    left = history(rng)
    while left:
        batch, left = left[:17], left[17:]
        received = [decode(handlers.EVENTS, each, now=clock()) for each in batch]
        events = [each for each in received if isinstance(each, Received)]
        verdicts += await transact(engine, partial(_handle, subscription, events))
    assert not [verdict for verdict in verdicts if verdict.status in {"rejected", "skipped"}]
    await the_books_are_right(engine)


async def _handle(subscription: Subscription, events: Sequence[Received], connection: AsyncConnection) -> list[Verdict]:
    return await subscription.handle(connection, events)


async def the_books_are_right(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        assert await verify(connection) == []
        assert (await fetch(connection, "SELECT count(*) FROM purchase WHERE status = 'booked'"))[0][0] == PURCHASES
        refunds = len(range(0, PURCHASES, 3))
        assert (await fetch(connection, "SELECT sum(available)::int FROM account"))[0][
            0
        ] == PURCHASES * 100 - refunds * 40
        for row in await fetch(connection, SAID):
            in_order: Sequence[str] = row["sequences"]
            assert [int(each) for each in in_order] == list(range(1, len(in_order) + 1))
