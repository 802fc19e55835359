"""Two years of real invoices, in the books and beside them in DuckDB, where the same questions are asked in other words.

The books are filled past the ledger, so that reports are tested apart from it. What the invoices lack (shops, refunds,
offers, another currency) follows from their numbers.
"""

import datetime as dt
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
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

FIRST, END = dt.date(2009, 12, 1), dt.date(2011, 12, 10)
NOW = dt.datetime(2011, 12, 9, 13, tzinfo=dt.UTC)
BERLIN = ZoneInfo("Europe/Berlin")

Read = Callable[..., Awaitable[Answer]]
Ask = Callable[..., list[tuple[Any, ...]]]

SALES = """
CREATE TABLE sale AS
WITH line AS (
    SELECT * FROM read_csv('{folder}/online_retail_2009_2010.csv.zst', all_varchar = true)
     WHERE InvoiceDate < '2010-12-01'
    UNION ALL SELECT * FROM read_csv('{folder}/online_retail_2010_2011.csv.zst', all_varchar = true)),
  invoice AS (
    SELECT InvoiceNo AS invoice, nullif(CustomerID, '') AS customer, min(InvoiceDate::timestamp) AS sold_at,
        sum(Quantity::decimal(18, 4) * UnitPrice::decimal(18, 4))::decimal(18, 4) AS total
      FROM line WHERE InvoiceNo NOT LIKE 'C%' AND InvoiceNo NOT LIKE 'A%'
       AND Quantity::decimal(18, 4) > 0 AND UnitPrice::decimal(18, 4) > 0 GROUP BY ALL)
SELECT invoice, customer, sold_at, total, invoice::int AS n,
    CASE WHEN n % 40 = 0 THEN total WHEN n % 10 = 3 THEN (total / 2)::decimal(18, 2) ELSE 0 END::decimal(18, 4) AS refunded,
    CASE WHEN n % 3 = 0 THEN 'london' ELSE 'leeds' END AS shop, CASE WHEN n % 13 = 0 THEN 'EUR' ELSE 'GBP' END AS currency,
    n % 7 = 0 AS promoted, n % 11 = 0 AS bonus, floor(total)::bigint AS base, base + CASE WHEN bonus THEN 50 ELSE 0 END AS points
  FROM invoice"""

COUNTED = (
    "CREATE VIEW bought AS SELECT *, total - refunded AS kept FROM sale WHERE customer IS NOT NULL AND refunded < total"
)

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
def retail_folder() -> Path:
    folder = os.environ.get("ONLINE_RETAIL_DIR")
    if folder is None and os.environ.get("CI") == "true":
        pytest.fail("ONLINE_RETAIL_DIR is not set")
    if folder is None:
        pytest.skip("ONLINE_RETAIL_DIR is not set")
    return Path(folder)


# DuckDB counts types that annotations hold at the end of the process as leaks, so they are strings
@pytest.fixture(scope="session")
def retail(retail_folder: Path) -> "Iterator[duckdb.DuckDBPyConnection]":
    connection = duckdb.connect()
    connection.execute(SALES.format(folder=retail_folder))
    connection.execute(COUNTED)
    yield connection
    connection.close()


@pytest.fixture(scope="session")
async def retail_url(
    server: embedded_postgres.Server, template: str, retail: "duckdb.DuckDBPyConnection"
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


@pytest.fixture
def ask(retail: "duckdb.DuckDBPyConnection") -> Ask:
    """Ask DuckDB."""

    def asking(question: str, *arguments: Any) -> list[tuple[Any, ...]]:
        return retail.execute(question, arguments).fetchall()

    return asking
