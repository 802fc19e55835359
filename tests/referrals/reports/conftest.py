"""Recommendations over two years of real invoices, in the books and beside them in DuckDB.

The books are filled past the lifecycle, so that reports are tested apart from it.
"""

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import asyncpg
import duckdb
import pytest

from services.referrals.reports.catalogue import REPORTS
from services.referrals.reports.reader import referrals_reports
from shared import embedded_postgres
from shared.database import create_engine
from shared.reports.reader import Reports
from shared.reports.report import Answer
from tests.conftest import fresh_database
from tests.referrals.reports.history import History
from tests.retail import END, FIRST, NOW, ask, retail, retail_folder  # noqa: F401 - fixtures

Read = Callable[..., Awaitable[Answer]]

CUSTOMERS = """
SELECT customer, min(sold_at) AS first_at, min_by(invoice, sold_at), min_by(shop, sold_at)
  FROM bought GROUP BY customer ORDER BY first_at, customer"""

TABLES = {
    "claim": "referral_id text, code text, friend text, known_as text, referrer text, partner text, claimed_at timestamp,"
    " status text, invoice text, shop text, round int",
    "due": "reward_id text, customer text, referral_id text, side text, status text, benefit text, rung int",
    "earned": "referral_id text, partner text, shop text, invoice text, claimed_at timestamp, currency text, status text,"
    " amount decimal(18,4)",
    "shared": "code text, channel text, day date, shares int",
}
"""What both databases are told, in the same words."""

SALE = "invoice text, customer text, sold_at timestamp, total numeric, refunded numeric, shop text, currency text"

BOOKED = (
    """UPDATE programme SET document = document || '{"time_zone": "Europe/London"}'""",
    "INSERT INTO customer (customer_id) SELECT DISTINCT customer FROM sale WHERE customer IS NOT NULL",
    "INSERT INTO customer (customer_id, merged_into) SELECT DISTINCT known_as, friend FROM claim WHERE known_as <> friend",
    """
    INSERT INTO purchase (shop_id, invoice_number, status, customer_id, occurred_at, currency, total, amount, refunded, taken_back)
    SELECT shop, invoice, CASE WHEN customer IS NULL THEN 'unclaimed' ELSE 'booked' END,
        -- some of them were bought under the name that is no more
        CASE WHEN invoice::int % 2 = 0 THEN coalesce(past.customer_id, customer) ELSE customer END,
        sold_at AT TIME ZONE 'Europe/London', currency, total, total, refunded, refunded
      FROM sale LEFT JOIN customer AS past ON past.merged_into = customer""",
    """
    INSERT INTO referral (referral_id, code, friend_id, referrer_id, partner_id, programme_version, source, claimed_at,
      received_at, status, shop_id, invoice_number, round, terms_version)
    SELECT referral_id, code, known_as, referrer, partner, 1, 'rest', claimed_at AT TIME ZONE 'Europe/London', now(), status,
        shop, invoice, round, CASE WHEN partner IS NOT NULL THEN 1 END
      FROM claim""",
    """
    INSERT INTO reward (reward_id, customer_id, referral_id, side, round, status, benefit, month, decided_at, rung)
    SELECT reward_id, customer, referral_id, side, 1, status, benefit::jsonb, '2011-01-01', now(), rung FROM due""",
    """
    INSERT INTO commission (referral_id, shop_id, invoice_number, partner_id, occurred_at, hold_until, currency, status, amount,
      sold, refunded, round, month)
    SELECT referral_id, shop, invoice, partner, now(), now(), currency, status, amount, 100, 0, 1, '2011-01-01' FROM earned""",
    """INSERT INTO share SELECT code, channel, day, sum(shares) FROM shared GROUP BY code, channel, day""",
)


@pytest.fixture(scope="session")
def history(retail: "duckdb.DuckDBPyConnection") -> History:  # noqa: F811 - the fixture
    made = History(retail.execute(CUSTOMERS).fetchall())
    told: list[Sequence[tuple[Any, ...]]] = [made.claims, made.rewards, made.commissions, made.shares]
    for (table, columns), rows in zip(TABLES.items(), told, strict=True):
        retail.execute(f"CREATE TABLE {table} ({columns})")
        retail.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
    return made


@pytest.fixture(scope="session")
async def retail_url(
    server: embedded_postgres.Server,
    referrals_template: str,
    retail: "duckdb.DuckDBPyConnection",  # noqa: F811 - the fixture
    history: History,
) -> AsyncIterator[str]:
    assert history.claims
    async with fresh_database(server, referrals_template) as url:
        connection = await asyncpg.connect(url)
        for table, columns in {"sale": SALE, **TABLES}.items():
            await connection.execute(f"CREATE TEMP TABLE {table} ({columns})")
            names = ", ".join(column.split()[0] for column in columns.split(", "))
            rows = retail.execute(f"SELECT {names} FROM {table}").fetchall()
            await connection.copy_records_to_table(table, records=rows)
        for statement in BOOKED:
            await connection.execute(statement)
        await connection.execute("ANALYZE")
        await connection.close()
        yield url


@pytest.fixture(scope="session")
async def reports(retail_url: str) -> AsyncIterator[Reports]:
    engine = create_engine(retail_url, name="tests")
    made = referrals_reports(engine, clock=lambda: NOW)
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
