"""Tills that post purchases at the same time, remember what they were answered, and look it up in the books."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg
import httpx

from tests import plain
from tests.processes import Running, command, loyalty, wait_until_ready

CUSTOMERS = 40
AT_ONCE = 32

HALF_BOOKED = """
SELECT p.invoice_number FROM purchase p
  LEFT JOIN entry e ON e.customer_id = p.customer_id AND e.kind = 'award' AND e.reference = 'shop/' || p.invoice_number
 GROUP BY p.shop_id, p.invoice_number HAVING count(e.*) <> 1"""

SAID = """
SELECT (convert_from(payload, 'UTF8')::json)->'data'->>'invoice_number' FROM outbox
 WHERE (convert_from(payload, 'UTF8')::json)->>'type' = 'loyalty.points.awarded.v1'"""


@dataclass
class Tills:
    """`answers` has the last answer to each purchase, `unanswered` those that broke off or were refused."""

    url: str
    answers: dict[int, httpx.Response] = field(default_factory=dict)
    unanswered: set[int] = field(default_factory=set)
    refusals: list[httpx.Response] = field(default_factory=list)

    async def post(self, numbers: Iterable[int]) -> None:
        """Post these purchases, a few dozen at once."""
        waiting = iter(numbers)
        limits = httpx.Limits(max_connections=AT_ONCE)
        async with httpx.AsyncClient(
            verify=plain.NO_CERTIFICATES, base_url=self.url, limits=limits, timeout=60
        ) as client:
            await asyncio.gather(*(self._till(client, waiting) for _ in range(AT_ONCE)))

    async def _till(self, client: httpx.AsyncClient, waiting: Iterable[int]) -> None:
        for number in waiting:
            # every second till names its request as well as its purchase
            headers = {"Idempotency-Key": f"k-{number}"} if number % 2 else {}
            try:
                answer = await client.post("/v1/purchases", json=purchase(number), headers=headers)
            except httpx.TransportError:
                self.unanswered.add(number)
                continue
            if answer.is_success:
                self.answers[number] = answer
                self.unanswered.discard(number)
            else:
                self.refusals.append(answer)
                self.unanswered.add(number)


def purchase(number: int) -> dict[str, str]:
    customer, total = f"c-{number % CUSTOMERS}", f"{points(number)}.99"
    return {
        "shop_id": "shop",
        "invoice_number": f"R-{number}",
        "customer_id": customer,
        "currency": "EUR",
        "total": total,
    }


def points(number: int) -> int:
    return 1 + number % 97


@asynccontextmanager
async def api(url: str, **settings: str) -> AsyncIterator[Running]:
    """Give a process with the API alone, so that what it owes the world stays in the outbox."""
    with loyalty("services", "points", "--no-worker", points_database_url=url, **settings) as running:
        await asyncio.to_thread(wait_until_ready, running)
        yield running
        if running.process.poll() is None:
            # in a thread: the wire to its database, by which it says good-bye, may be in this loop
            assert await asyncio.to_thread(running.interrupt) == 0


async def each_is_booked_once(url: str, numbers: Iterable[int]) -> None:
    """Prove that these purchases and no others stand in the books, each whole and once."""
    expected = {f"R-{number}": points(number) for number in numbers}
    books = await asyncpg.connect(url)
    assert dict(await books.fetch("SELECT invoice_number, points FROM purchase")) == expected
    assert await books.fetch(HALF_BOOKED) == []
    said = [row[0] for row in await books.fetch(SAID)]
    assert sorted(said) == sorted(expected)
    assert await books.fetchval("SELECT sum(available) FROM account") == sum(expected.values())
    await books.close()
    verified = await asyncio.to_thread(command, "verify", points_database_url=url)
    assert verified.returncode == 0, verified.stdout


async def each_booked_is_whole(url: str) -> set[int]:
    """Prove that what stands in the books stands there whole, and return which purchases do."""
    books = await asyncpg.connect(url)
    booked = {row[0] for row in await books.fetch("SELECT invoice_number FROM purchase")}
    await books.close()
    numbers = {int(invoice.removeprefix("R-")) for invoice in booked}
    await each_is_booked_once(url, numbers)
    return numbers
