"""Reports on two years that the ledger has lived through, with every kind of entry, against the invoices in DuckDB.

One customer in eight buys what the invoices say, and takes some of it back after 10, 40 or 130 days: while the points
wait, while they last, and after their end. One of three spends, in the night, whatever has become available, so that what
they take back later is written off. Some get points by hand, some end in debt. What must have become of it all follows
in DuckDB from dates and amounts alone, without balances, and without looking at the books.
"""

import datetime as dt
from collections.abc import AsyncIterator
from decimal import Decimal
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.points import jobs
from services.points.commands import AdjustBalance, Command, Request
from services.points.ledger import Ledger
from services.points.programme import Programme
from services.points.reports.catalogue import REPORTS
from services.points.reports.reader import Reports
from services.points.reports.report import Answer
from services.points.service import PointsService
from shared import embedded_postgres
from shared.database import create_engine, transact
from tests.conftest import fresh_database
from tests.points.conftest import publish, purchase, refund
from tests.points.reports.conftest import FIRST, Ask
from tests.points.reports.test_retail import same_share

Deed = tuple[dt.datetime, Command]

LONDON = ZoneInfo("Europe/London")
LONG_AGO = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
NOW = dt.datetime(2011, 12, 20, 12, tzinfo=dt.UTC)
END = dt.date(2012, 1, 1)

PROGRAMME = {
    "time_zone": "Europe/London",
    "pending_days": 14,
    "expiry": {"model": "after_earning", "months": 3, "rounded_to": "month"},
    "unmet_clawback": "write_off",
    "tiers": {
        "levels": [
            {"name": "Bronze", "threshold": 0},
            {"name": "Silver", "threshold": 1000},
            {"name": "Gold", "threshold": 4000},
        ]
    },
}

LIVES = """
CREATE OR REPLACE TABLE life AS
SELECT invoice, customer, sold_at, total, base AS points, customer::int // 8 % 3 = 0 AS spends,
    sold_at::date + interval 15 day AS available_at, last_day(sold_at::date + interval 3 month) AS last_on,
    last_on + interval 1 day AS ends_at,
    sold_at + CASE n // 10 % 3 WHEN 0 THEN interval 10 day WHEN 1 THEN interval 40 day ELSE interval 130 day END AS returned_at,
    CASE WHEN returned_at < '2011-12-10' THEN refunded ELSE 0 END AS returned, base - floor(total - returned)::bigint AS lost,
    CASE WHEN returned_at < available_at THEN lost ELSE 0 END AS lost_early, lost - lost_early AS lost_late
  FROM sale WHERE customer::int % 8 = 0"""
"""A purchase, and what its points lose with a refund, before and after they become available."""

HANDS = """
CREATE OR REPLACE TABLE hand AS
SELECT customer, timestamp '2010-07-01 09:00' AS done_at, 300::bigint AS points FROM life WHERE customer::int // 8 % 5 = 1
 GROUP BY customer, spends HAVING NOT spends AND min(sold_at) < '2010-07-01'
UNION ALL
SELECT customer, timestamp '2011-12-09 23:00', -100 FROM life GROUP BY customer, spends HAVING spends AND max(sold_at) < '2011-09-01'
UNION ALL
SELECT customer, available_at + interval 30 minute, -(points - lost_early) FROM life
 WHERE spends AND available_at < '2011-12-10' AND points > lost_early"""
"""Points by hand: a gift, a debt, and what is spent in the night in which it becomes available."""

FATES = """
CREATE OR REPLACE TABLE fate AS
SELECT customer, sold_at AS earned_at, points, points - lost_early AS activated, available_at, last_on, ends_at,
    CASE WHEN spends OR ends_at > '2011-12-20' THEN 0 WHEN returned_at < ends_at THEN points - lost ELSE points - lost_early END
      AS expired,
    CASE WHEN ends_at > '2011-12-20' AND NOT (spends AND available_at < '2011-12-10') THEN points - lost ELSE 0 END AS held
  FROM life
UNION ALL SELECT customer, done_at, points, 0, done_at, date '2010-10-31', timestamp '2010-11-01', points, 0 FROM hand WHERE points > 0
UNION ALL SELECT customer, returned_at, lost_late, 0, returned_at, NULL, NULL, 0, 0 FROM life WHERE spends AND lost_late > 0"""
"""Every credit, and what has become of it: a purchase, a gift, a debt that was let go."""

DEEDS = """
SELECT sold_at AS done_at, 'buys' AS what, customer, invoice, total FROM life
UNION ALL SELECT returned_at, 'returns', customer, invoice, returned FROM life WHERE returned > 0
UNION ALL SELECT done_at, 'by hand', customer, row_number() OVER (ORDER BY done_at, customer, points)::text, points FROM hand
 ORDER BY done_at, invoice"""


@pytest.fixture(scope="module")
def deeds(retail: Any) -> list[Deed]:
    """What everybody did, in its order."""
    for statement in (LIVES, HANDS, FATES):
        retail.execute(statement)
    return [_deed(at.replace(tzinfo=LONDON), *told) for at, *told in retail.execute(DEEDS).fetchall()]


def _deed(at: dt.datetime, what: str, customer: str, name: str, amount: Decimal) -> Deed:
    match what:
        case "buys":
            return at, purchase(name, str(amount), customer, currency="GBP", occurred_at=at.isoformat())
        case "returns":
            return at, refund(name, str(amount), currency="GBP", occurred_at=at.isoformat())
        case _:
            # the only ones in daylight are gifts
            is_debt = at.hour == 23
            return at, AdjustBalance(name, customer, int(amount), "by hand", "tester", at, allow_debt=is_debt)


@pytest.fixture(scope="module")
async def books(deeds: list[Deed], server: embedded_postgres.Server, template: str) -> AsyncIterator[AsyncEngine]:
    """What everybody did, booked every evening; the job has never run."""
    async with fresh_database(server, template) as url:
        engine = create_engine(url, name="tests", pool_size=8)
        await publish(engine, Programme.model_validate(PROGRAMME), valid_from=LONG_AGO)
        ledger = Ledger()
        for day, of_day in groupby(deeds, key=lambda deed: deed[0].date()):
            evening = dt.datetime.combine(day, dt.time(23, 30), LONDON)
            request = Request([command for _, command in of_day])
            (reply,) = await transact(engine, lambda c, r=request, at=evening: ledger.book(c, [r], now=at))  # type: ignore[misc]
            assert all(outcome.status == "booked" for outcome in reply.outcomes)
        yield engine
        await engine.dispose()


@pytest.fixture(scope="module")
async def unsettled(books: AsyncEngine) -> AsyncIterator[Reports]:
    made = Reports(books, clock=lambda: NOW)
    yield made
    await made.close()


@pytest.fixture(scope="module")
async def late_liability(unsettled: Reports) -> Answer:
    """The points outstanding while much is due that nobody has booked."""
    return await read(unsettled, "liability")


@pytest.fixture(scope="module")
async def reports(unsettled: Reports, books: AsyncEngine, late_liability: Answer) -> Reports:
    """The reports once the job has run."""
    assert late_liability.findings.rows
    assert await jobs.settle(PointsService(books, clock=lambda: NOW), books, lambda _done, _of: None) > 0
    return unsettled


async def read(reports: Reports, name: str, **narrowing: Any) -> Answer:
    return await reports.read(REPORTS[name], first=FIRST, end=END, narrowing=narrowing)


# Points

MOVED = """
WITH moved(done_at, kind, points) AS (
    SELECT sold_at, 'issued', points FROM life
    UNION ALL SELECT available_at, 'activated', activated FROM fate WHERE available_at <= '2011-12-20'
    UNION ALL SELECT ends_at, 'expired', -expired FROM fate WHERE expired > 0
    UNION ALL SELECT returned_at, 'clawed back', -lost FROM life WHERE spends OR returned_at < ends_at
    UNION ALL SELECT done_at, 'adjusted', points FROM hand
    UNION ALL SELECT returned_at, 'written off', lost_late FROM life WHERE spends),
  month AS (SELECT unnest(range(timestamp '2009-12-01', timestamp '2012-01-01', interval 1 month)) AS first)
SELECT strftime(first, '%Y-%m') AS month,
    coalesce(sum(points) FILTER (WHERE kind = 'issued' AND done_at >= first), 0)::bigint AS issued,
    coalesce(sum(points) FILTER (WHERE kind = 'activated' AND done_at >= first), 0)::bigint AS activated,
    coalesce(sum(points) FILTER (WHERE kind = 'expired' AND done_at >= first), 0)::bigint AS expired,
    coalesce(sum(points) FILTER (WHERE kind = 'clawed back' AND done_at >= first), 0)::bigint AS clawed_back,
    coalesce(sum(points) FILTER (WHERE kind = 'adjusted' AND done_at >= first), 0)::bigint AS adjusted,
    coalesce(sum(points) FILTER (WHERE kind = 'written off' AND done_at >= first), 0)::bigint AS written_off,
    0 AS other, sum(points) FILTER (WHERE kind <> 'activated')::bigint AS outstanding
  FROM month JOIN moved ON done_at < first + interval 1 month GROUP BY first ORDER BY first"""


async def test_points_of_each_kind_and_what_is_left_of_them(reports: Reports, ask: Ask) -> None:
    expected = ask(MOVED)
    assert [row[:9] for row in (await read(reports, "points")).findings.rows] == expected
    assert all(any(row[kind] for row in expected) for kind in range(1, 7)), "the history has every kind"


async def test_what_became_of_every_credit(reports: Reports, ask: Ask) -> None:
    rows = (await read(reports, "breakage")).findings.rows
    expected = ask("""
        SELECT sum(points)::bigint, sum(points - expired - held)::bigint, sum(expired)::bigint, sum(held)::bigint FROM fate
         GROUP BY date_trunc('month', earned_at) ORDER BY date_trunc('month', earned_at)""")
    assert [row[1:5] for row in rows if row[1]] == expected
    assert all(same_share(row[5 + each], row[2 + each], row[1]) for row in rows for each in range(3))


HELD = """
SELECT strftime(last_on, '%Y-%m') AS ends, coalesce(sum(held) FILTER (WHERE available_at <= '2011-12-20'), 0)::bigint,
    coalesce(sum(held) FILTER (WHERE available_at > '2011-12-20'), 0)::bigint, sum(held)::bigint
  FROM fate WHERE held > 0 GROUP BY ends ORDER BY ends"""


@pytest.mark.parametrize("is_late", [True, False], ids=["before the job has run", "after it"])
async def test_points_outstanding_by_when_they_end(
    reports: Reports, late_liability: Answer, ask: Ask, *, is_late: bool
) -> None:
    answer = late_liability if is_late else await read(reports, "liability", cost_per_point=Decimal("0.02"))
    assert [tuple(row) for row in answer.findings.rows] == ask(HELD)
    ((points, waiting, debtors),) = ask("""
        SELECT sum(held)::bigint, sum(held) FILTER (WHERE available_at > '2011-12-20')::bigint,
            (SELECT count(*) FROM hand WHERE done_at = '2011-12-09 23:00') FROM fate""")
    cost = None if is_late else points * Decimal("0.02")
    assert answer.findings.summary == (points - waiting, waiting, debtors * 100, debtors, cost)
    assert waiting > 0 < debtors


# Tiers

STEPS = """
CREATE OR REPLACE TEMP MACRO level(points) AS (points >= 1000)::int + (points >= 4000)::int;
CREATE OR REPLACE TABLE step AS
WITH counted AS (
    SELECT customer, sold_at AS done_at, invoice, year(sold_at) AS year, points, true AS buys FROM life
    UNION ALL SELECT customer, returned_at, invoice, year(sold_at), -lost, false FROM life
     WHERE year(returned_at) = year(sold_at)),
  earned AS (
    SELECT *, level(sum(points) OVER (PARTITION BY customer, year ORDER BY done_at, invoice)) AS level FROM counted),
  kept AS (SELECT customer, year + 1 AS year, level(sum(points)) AS level FROM counted GROUP BY ALL),
  reviewed AS (
    SELECT customer, year, coalesce(level, 0) AS level
      FROM (SELECT DISTINCT customer, unnest([2010, 2011]) AS year FROM life) LEFT JOIN kept USING (customer, year)),
  stood AS (
    SELECT customer, make_timestamp(year, 1, 1, 0, 0, 0) AS done_at, '' AS invoice, level FROM reviewed
    UNION ALL
    SELECT customer, done_at, invoice, greatest(coalesce(reviewed.level, 0), max(earned.level) OVER (
        PARTITION BY customer, year ORDER BY done_at, invoice)) FROM earned LEFT JOIN reviewed USING (customer, year) WHERE buys)
SELECT *, lag(level, 1, 0) OVER (PARTITION BY customer ORDER BY done_at, invoice) AS before,
    ['Bronze', 'Silver', 'Gold'][before + 1] AS left, ['Bronze', 'Silver', 'Gold'][level + 1] AS reached FROM stood"""
"""Each purchase and each review with the tier before and after: what the year has earned so far, or the year before."""


async def test_who_rose_and_fell(reports: Reports, retail: Any, ask: Ask) -> None:
    retail.execute(STEPS)
    expected = ask("""
        SELECT strftime(done_at, '%Y-%m') AS month, "left", reached, count(*), count(DISTINCT customer),
            count(*) FILTER (WHERE level > before), count(*) FILTER (WHERE level < before)
          FROM step WHERE level <> before GROUP BY ALL ORDER BY ALL""")
    assert [row[:7] for row in (await read(reports, "tier-movements")).findings.rows] == expected
    assert {row[1:3] for row in expected} >= {("Bronze", "Gold"), ("Gold", "Silver"), ("Silver", "Bronze")}


async def test_customers_and_their_points_by_tier(reports: Reports, retail: Any, ask: Ask) -> None:
    retail.execute(STEPS)
    expected = ask("""
        WITH standing AS (
            SELECT customer, arg_max(level, (done_at, invoice)) AS level FROM step GROUP BY customer),
          holding AS (SELECT customer, sum(held)::bigint AS points FROM fate GROUP BY customer)
        SELECT count(*), count(*) / sum(count(*)) OVER (), sum(points)::bigint FROM standing JOIN holding USING (customer)
         GROUP BY level ORDER BY level""")
    rows = (await read(reports, "tiers")).findings.rows
    assert [row[0] for row in rows] == ["Bronze", "Silver", "Gold"]
    assert [(row[1], row[3]) for row in rows] == [(customers, points) for customers, _, points in expected]
    assert all(same_share(row[2], share, 1) for row, (_, share, _) in zip(rows, expected, strict=True))
