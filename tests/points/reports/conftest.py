"""Two years of real invoices, in the books and beside them in DuckDB, where the same questions are asked in other words.

The books are filled past the ledger, so that reports are tested apart from it.
"""

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import duckdb
import pytest

from services.points.reports.catalogue import REPORTS
from services.points.reports.reader import points_reports
from shared import embedded_postgres
from shared.database import create_engine
from shared.reports.reader import Reports
from shared.reports.report import Answer
from tests.conftest import fresh_database
from tests.retail import END, FIRST, NOW, ask, retail, retail_folder  # noqa: F401 - fixtures

BERLIN = ZoneInfo("Europe/Berlin")

Read = Callable[..., Awaitable[Answer]]

STAGED = """
CREATE TEMP TABLE sale (invoice text, customer text, sold_at timestamp, total numeric, refunded numeric, shop text, currency text,
  promoted boolean, bonus boolean, base bigint, points bigint)"""

BOOKED = (
    """UPDATE programme SET document = document || '{"time_zone": "Europe/London"}'""",
    """
    INSERT INTO account (customer_id, card_number, enrolled_at)
    SELECT customer, 'card-' || customer, min(sold_at) AT TIME ZONE 'Europe/London' FROM sale
     WHERE customer IS NOT NULL GROUP BY customer""",
    """
    INSERT INTO purchase (shop_id, invoice_number, status, customer_id, currency, total, shipping, gift_cards, points_paid,
      occurred_at, received_at, points, refunded, promoted, award)
    SELECT shop, invoice, CASE WHEN customer IS NULL THEN 'unclaimed' ELSE 'booked' END, customer, currency, total, 0, 0, 0,
        sold_at AT TIME ZONE 'Europe/London', now(), points, refunded, promoted,
        jsonb_build_object('breakdown', jsonb_build_array(jsonb_build_object('rule', 'base', 'points', base))
          || CASE WHEN bonus THEN '[{"rule": "Spring", "points": 50}]' ELSE '[]'::jsonb END)
        || CASE WHEN bonus THEN '{"bonuses": [{"name": "Spring"}]}' ELSE '{}'::jsonb END
      FROM sale""",
    """
    INSERT INTO entry (customer_id, sequence, kind, points, available_after, reference, occurred_at, recorded_at)
    SELECT customer, row_number() OVER past, kind, points, sum(points) OVER past, invoice,
        sold_at AT TIME ZONE 'Europe/London', now()
      FROM (
        SELECT customer, 'award' AS kind, points, invoice, sold_at FROM sale
        UNION ALL SELECT customer, 'clawback', floor(total - refunded)::bigint - base, invoice, sold_at + interval '10 days'
          FROM sale) AS e WHERE points <> 0 AND customer IS NOT NULL
    WINDOW past AS (PARTITION BY customer ORDER BY sold_at, kind, invoice)""",
    """
    INSERT INTO lot (customer_id, sequence, points, remaining, expired, expires_on, expires_at)
    SELECT customer_id, sequence, points, CASE WHEN sequence % 3 = 0 THEN 0 ELSE points / 2 END,
        CASE WHEN sequence % 3 = 0 THEN points ELSE 0 END, '2012-06-30', '2012-06-30 23:00:00+00'
      FROM entry WHERE points > 0""",
)


@pytest.fixture(scope="session")
async def retail_url(
    server: embedded_postgres.Server,
    template: str,
    retail: "duckdb.DuckDBPyConnection",  # noqa: F811 - the fixture
) -> AsyncIterator[str]:
    async with fresh_database(server, template) as url:
        rows = retail.execute("SELECT * EXCLUDE (n) FROM sale").fetchall()
        connection = await asyncpg.connect(url)
        await connection.execute(STAGED)
        await connection.copy_records_to_table("sale", records=rows)
        for statement in BOOKED:
            await connection.execute(statement)
        await connection.execute("ANALYZE")
        await connection.close()
        yield url


@pytest.fixture(scope="session")
async def reports(retail_url: str) -> AsyncIterator[Reports]:
    engine = create_engine(retail_url, name="tests")
    made = points_reports(engine, clock=lambda: NOW)
    yield made
    await made.close()
    await engine.dispose()


@pytest.fixture
def read(reports: Reports) -> Read:
    """Read a report by its name, on all that there is unless something narrower is said."""

    async def reading(
        name: str, first: dt.date = FIRST, end: dt.date = END, period: Any = None, **narrowing: Any
    ) -> Answer:
        return await reports.read(REPORTS[name], first=first, end=end, period=period, narrowing=narrowing)

    return reading
