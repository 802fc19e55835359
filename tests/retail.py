"""Two years of real invoices in DuckDB, where reports' questions are asked in other words.

What the invoices lack (shops, refunds, offers, another currency) follows from their numbers.
"""

import datetime as dt
import os
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

FIRST, END = dt.date(2009, 12, 1), dt.date(2011, 12, 10)
NOW = dt.datetime(2011, 12, 9, 13, tzinfo=dt.UTC)

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


@pytest.fixture
def ask(retail: "duckdb.DuckDBPyConnection") -> Ask:
    """Ask DuckDB."""

    def asking(question: str, *arguments: Any) -> list[tuple[Any, ...]]:
        return retail.execute(question, arguments).fetchall()

    return asking


def same_share(found: Decimal | None, part: Any, whole: Any) -> bool:
    """Compare a percentage with the float that it should be."""
    return found is None if not whole else abs(float(found or 0) - float(part) / float(whole) * 100) < 0.0051
