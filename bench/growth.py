"""What an award costs in a large ledger beside a small one: the same batches, booked in turn."""

import contextlib
import datetime as dt
import statistics
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.place import BenchError, Place
from bench.purchases import purchase
from bench.report import Bar, Line, Section, Tell, neighbour_ratio
from services.points.commands import AwardPurchase, Request
from services.points.ledger import Ledger
from shared.contracts.purchases import PurchaseCompleted
from shared.database import create_engine, transact
from shared.requests import Origin

ENTRIES_EACH = 10
"""Entries of a customer: a larger ledger has more customers, not older ones."""

ACCOUNTS = """
INSERT INTO account (customer_id, card_number, sequence, event_sequence, available, lifetime_points, enrolled_at)
SELECT 'c-' || n, 'F-' || n, $2::int, $2::int + 1, 114 * $2::int, 114 * $2::int, now() - interval '400 days'
  FROM generate_series(0, $1::int / $2::int - 1) AS n"""

CARDS = (
    "INSERT INTO card (card_number, customer_id, issued_at) SELECT card_number, customer_id, enrolled_at FROM account"
)

NUMBERED = """
SELECT i, 'c-' || i % ($1::int / $2::int) AS customer_id, i / ($1::int / $2::int) + 1 AS sequence,
    'R-' || lpad(i::text, 10, '0') AS invoice_number, now() - interval '1 year' * (1 - i::float8 / $1::int) AS at
  FROM generate_series(0, $1::int - 1) AS i"""
"""Every purchase in the order of its time, so that a customer's rows stand as far apart as they would."""

PURCHASES = f"""
INSERT INTO purchase (shop_id, invoice_number, status, customer_id, currency, total, shipping, gift_cards, points_paid,
  occurred_at, received_at, points, entry_sequence, award)
SELECT 'webshop-de', invoice_number, 'booked', customer_id, 'EUR', 119.00, 4.90, 0, 0, at, at, 114, sequence,
    '{{"version": 1, "rate": "1", "minimum": "0", "gross": "114.10", "base": "114.10",
      "breakdown": [{{"rule": "base", "points": 114}}]}}'::jsonb
  FROM ({NUMBERED}) AS n"""

ENTRIES = f"""
INSERT INTO entry (customer_id, sequence, kind, points, available_after, reference, occurred_at, recorded_at)
SELECT customer_id, sequence, 'award', 114, 114 * sequence, 'webshop-de/' || invoice_number, at, at
  FROM ({NUMBERED}) AS n"""

LOTS = f"INSERT INTO lot (customer_id, sequence, points, remaining) SELECT customer_id, sequence, 114, 114 FROM ({NUMBERED}) AS n"

EVENTS = f"INSERT INTO event (source, id) SELECT '/shops/webshop-de', md5(i::text)::uuid::text FROM ({NUMBERED}) AS n"

LARGE = {"purchase": PURCHASES, "entry": ENTRIES, "lot": LOTS, "event": EVENTS}

PRIMARY_KEY = """
SELECT conname AS name, pg_get_constraintdef(oid) AS definition FROM pg_constraint
 WHERE conrelid = $1::text::regclass AND contype = 'p'"""


@dataclass(frozen=True, slots=True)
class Size:
    """Entries of the two ledgers; batches of awards, and how many are booked before it counts."""

    small: int = 100_000
    large: int = 1_000_000
    batches: int = 20
    awards: int = 1_000
    warm_up: int = 5


QUICK = Size(large=300_000, batches=8)
FULL = Size(large=10_000_000)


@dataclass(slots=True)
class Book:
    """A filled ledger and the seconds that each of its batches took."""

    engine: AsyncEngine
    entries: int
    ledger: Ledger = field(default_factory=Ledger)
    random: Random = field(default_factory=lambda: Random(3))
    taken: list[float] = field(default_factory=list)

    async def book(self, awards: int) -> None:
        """Award new purchases of any of its customers, in one transaction."""
        now = dt.datetime.now(dt.UTC)
        request = Request([self._award(now) for _ in range(awards)])
        began = time.perf_counter()
        replies = await transact(self.engine, lambda connection: self.ledger.book(connection, [request], now=now))
        self.taken.append(time.perf_counter() - began)
        if any(outcome.status != "booked" for outcome in replies[0].outcomes):
            raise BenchError("every award should be booked")

    def _award(self, now: dt.datetime) -> AwardPurchase:
        customer = f"c-{self.random.randrange(self.entries // ENTRIES_EACH)}"
        said = purchase(f"N-{uuid.uuid4().hex}", customer, occurred_at=now.isoformat())
        return AwardPurchase(PurchaseCompleted.model_validate(said), Origin("/bench", str(uuid.uuid4()), now, now))


async def measure(place: Place, size: Size, tell: Tell) -> Section:
    """Measure the cost of an award in both ledgers."""
    async with contextlib.AsyncExitStack() as stack:
        books: list[Book] = []
        for entries in (size.small, size.large):
            tell(f"growth, a ledger of {entries:,} entries is filled")
            books.append(await stack.enter_async_context(_filled(place, entries)))
        await place.settle()
        tell("growth, the same batches in both ledgers")
        for _ in range(size.warm_up + size.batches):
            for book in books:
                await book.book(size.awards)
    return _section(books[0], books[1], size)


def _section(small: Book, large: Book, size: Size) -> Section:
    section = Section("Cost of an award as the ledger grows (the ledger alone, without Kafka)")
    ratio = neighbour_ratio(large.taken[size.warm_up :], small.taken[size.warm_up :])
    cost = {book.entries: _microseconds(book, size) for book in (small, large)}
    section.figures = {
        "growth_ratio": ratio,
        "growth_entries": large.entries,
        "award_microseconds_small": cost[small.entries],
        "award_microseconds_large": cost[large.entries],
    }
    what = f"{large.entries:,} entries beside {small.entries:,}"
    mine, theirs = (f"{cost[book.entries]:.0f} µs" for book in (large, small))
    section.lines.append(Line(what, mine, theirs, ratio, Bar(goal=1.2, least=1.2, down=True)))
    return section


def _microseconds(book: Book, size: Size) -> float:
    return statistics.median(book.taken[size.warm_up :]) / size.awards * 1e6


@asynccontextmanager
async def _filled(place: Place, entries: int) -> AsyncIterator[Book]:
    async with place.database() as url:
        await fill(url, entries)
        engine = create_engine(url, name="bench")
        try:
            yield Book(engine, entries)
        finally:
            await engine.dispose()


async def fill(url: str, entries: int) -> None:
    """Make the books that so many awards would have left, their events long sent."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SET maintenance_work_mem = '512MB'")
        await connection.execute(ACCOUNTS, entries, ENTRIES_EACH)
        await connection.execute(CARDS)
        for table, statement in LARGE.items():
            await _fill_table(connection, table, statement, entries)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


async def _fill_table(connection: asyncpg.Connection, table: str, statement: str, entries: int) -> None:
    """Insert without the primary key, which is made faster afterwards."""
    key = await connection.fetchrow(PRIMARY_KEY, table)
    await connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {key['name']}")
    await connection.execute(statement, entries, *([ENTRIES_EACH] if "$2" in statement else []))
    await connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT {key['name']} {key['definition']}")
