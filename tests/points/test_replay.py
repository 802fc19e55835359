"""A year of real invoices, booked day by day with the job at every night, and all at one go when the year is over."""

import datetime as dt
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.points import jobs
from services.points.commands import Command, Request
from services.points.ledger import Ledger
from services.points.programme import Programme
from services.points.service import PointsService
from services.points.verification import verify
from shared import embedded_postgres
from shared.database import create_engine, fetch, transact
from shared.requests import Origin
from tests.conftest import fresh_database
from tests.points.conftest import publish, purchase, refund
from tests.retail import SALES, retail_folder  # noqa: F401 - a fixture

DAY = dt.timedelta(days=1)
LONDON = ZoneInfo("Europe/London")
FIRST, LAST = dt.date(2010, 1, 1), dt.date(2010, 12, 31)
OVER = dt.datetime(2010, 12, 31, 23, 59, tzinfo=dt.UTC)
LONG_AGO = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)

PROGRAMME = {
    "time_zone": "Europe/London",
    "pending_days": 14,
    "expiry": {"model": "after_earning", "months": 3, "rounded_to": "month"},
    "tiers": {
        "window": "calendar_year",
        "levels": [
            {"name": "Basic", "threshold": 0},
            {"name": "Silver", "threshold": 500, "multiplier": "1.25"},
            {"name": "Gold", "threshold": 2000, "multiplier": "1.5"},
        ],
    },
    "campaigns": [{"name": "big basket", "points": 100, "minimum": "400", "per_customer": {"points": 250}}],
}

INVOICES = """
SELECT invoice, customer, sold_at, total, refunded FROM sale
 WHERE customer IS NOT NULL AND customer::int % 8 = 0 AND sold_at >= ? AND sold_at < ? ORDER BY sold_at, invoice"""

STANDINGS = """
SELECT customer_id, available, pending, lifetime_points, tier, (
    SELECT sum(remaining)::int FROM lot WHERE lot.customer_id = account.customer_id) AS open,
    (SELECT max(expires_on) FROM lot WHERE lot.customer_id = account.customer_id AND remaining > 0) AS last_day
  FROM account ORDER BY customer_id"""

Said = tuple[dt.datetime, Command]


@pytest.fixture(scope="module")
def year(retail_folder: Path) -> list[Said]:  # noqa: F811 - the fixture
    """What happened in a year, in its order: purchases, and ten days later what was taken back of them."""
    with duckdb.connect() as connection:
        connection.execute(SALES.format(folder=retail_folder))
        rows = connection.execute(INVOICES, [FIRST, LAST + DAY]).fetchall()
    return sorted((said for row in rows for said in _happened(*row)), key=lambda said: said[0])


def _happened(invoice: str, customer: str, sold_at: dt.datetime, total: Decimal, refunded: Decimal) -> Iterator[Said]:
    bought_at = sold_at.replace(tzinfo=LONDON).astimezone(dt.UTC)
    bought = purchase(invoice, str(total), customer, currency="GBP", occurred_at=bought_at.isoformat())
    yield bought_at, bought._replace(origin=Origin("/retail", invoice, bought_at))
    returned_at = bought_at + 10 * DAY
    if refunded and returned_at < OVER:
        returned = refund(invoice, str(refunded), currency="GBP", occurred_at=returned_at.isoformat())
        yield returned_at, returned._replace(origin=Origin("/retail", f"{invoice} returned", returned_at))


@asynccontextmanager
async def books(server: embedded_postgres.Server, template: str) -> AsyncIterator[AsyncEngine]:
    async with fresh_database(server, template) as url:
        engine = create_engine(url, name="replay", pool_size=8)
        await publish(engine, Programme.model_validate(PROGRAMME), valid_from=LONG_AGO)
        yield engine
        await engine.dispose()


async def book(engine: AsyncEngine, ledger: Ledger, said: list[Said], now: dt.datetime) -> None:
    for first in range(0, len(said), 500):
        request = Request([command for _, command in said[first : first + 500]])
        (reply,) = await transact(engine, lambda c, r=request: ledger.book(c, [r], now=now))  # type: ignore[misc]
        assert all(outcome.status == "booked" for outcome in reply.outcomes)


async def settle(engine: AsyncEngine, now: dt.datetime) -> None:
    await jobs.settle(PointsService(engine, clock=lambda: now), engine, lambda _done, _of: None)


async def standings(engine: AsyncEngine) -> list[tuple[Any, ...]]:
    async with engine.connect() as connection:
        found = [tuple(row) for row in await fetch(connection, STANDINGS)]
        await connection.rollback()
        assert await verify(connection) == []
    return found


async def test_a_year_day_by_day_ends_as_at_one_go(
    year: list[Said], server: embedded_postgres.Server, template: str
) -> None:
    """The same in every balance, tier and lot, since all of it lies in one calendar year and comes in its order.

    Over several years the tiers would differ, and out of order the room of the cap: both are those at booking (rule 6).
    Had points been spent meanwhile, late refunds would find others to take.
    """
    async with books(server, template) as daily:
        ledger = Ledger()
        for number in range((LAST - FIRST).days + 1):
            night = dt.datetime.combine(FIRST + number * DAY, dt.time(23, 59), dt.UTC)
            await book(daily, ledger, [said for said in year if night - DAY < said[0] <= night], night)
            await settle(daily, night)
        day_by_day = await standings(daily)
    async with books(server, template) as late:
        await book(late, Ledger(), year, OVER)
        await settle(late, OVER)
        at_one_go = await standings(late)
    assert day_by_day == at_one_go
    assert len(day_by_day) > 300
    assert all(any(row[place] for row in day_by_day) for place in (1, 2, 4))
