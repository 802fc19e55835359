"""Reports on two years that the ledger has lived through, with every kind of entry, against the invoices in DuckDB.

One customer in eight buys what the invoices say, and takes some of it back after 10, 40 or 130 days: while the points
wait, while they last, and after their end. Two of three spend, in the night, whatever has become available, so that what
they take back later is written off: one by hand; one by redemptions, at once or out of holds that are captured in part,
let go, timed out or reversed before. Of the latter some get the last points that they spent back, before or after their
end, and hold half of them until long after. Some get points by hand, some end in debt. What must have become of it all
follows in DuckDB from dates and amounts alone, without balances, and without looking at the books.
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
from services.points.commands import (
    AdjustBalance,
    CaptureHold,
    Command,
    Redeem,
    ReleaseHold,
    Request,
    ReverseRedemption,
)
from services.points.ledger import Ledger
from services.points.programme import Programme
from services.points.reports.catalogue import REPORTS
from services.points.reports.reader import points_reports
from services.points.service import PointsService
from services.points.verification import verify
from shared import embedded_postgres
from shared.database import create_engine, fetch, transact
from shared.reports.reader import Reports
from shared.reports.report import Answer
from tests.conftest import fresh_database
from tests.points.conftest import publish, purchase, refund
from tests.retail import FIRST, Ask, same_share

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
SELECT n, invoice, customer, sold_at, total, base AS points, customer::int // 8 % 3 AS way, way < 2 AS spends,
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
SELECT customer, timestamp '2011-12-09 23:00', -100 FROM life WHERE way = 0 GROUP BY customer HAVING max(sold_at) < '2011-09-01'
UNION ALL
SELECT customer, available_at + interval 30 minute, -(points - lost_early) FROM life
 WHERE way = 0 AND available_at < '2011-12-10' AND points > lost_early"""
"""Points by hand: a gift, a debt, and what is spent in the night in which it becomes available."""

SPENT = """
CREATE OR REPLACE TABLE spent AS
SELECT *, points - lost_early AS amount, CASE WHEN amount > 1 THEN n // 10 % 5 ELSE 0 END AS manner,
    CASE WHEN manner = 1 THEN amount // 2 ELSE 0 END AS captured, available_at + interval 30 minute AS first_at,
    first_at + interval 30 minute AS then_at, CASE WHEN manner = 0 THEN first_at ELSE first_at + interval 1 hour END AS at_last
  FROM life WHERE way = 1 AND available_at < '2011-12-10' AND points > lost_early"""
"""What is redeemed in the night: at once, or after a hold captured in part (1), let go (2) or timed out (3), or reversed (4)."""

BACK = """
CREATE OR REPLACE TABLE back AS
WITH last AS (
    SELECT * FROM spent QUALIFY row_number() OVER (PARTITION BY customer ORDER BY sold_at DESC, n) = 1
       AND sum(lost_late) OVER (PARTITION BY customer) = 0)
SELECT invoice, customer, sold_at, available_at, amount - captured AS points, points // 2 AS half, customer::int // 24 % 2 = 0 AS is_late,
    interval 130 hour + CASE WHEN is_late THEN ended_at ELSE available_at END AS done_at,
    CASE WHEN is_late THEN done_at::date + 30 ELSE ended_at::date - 1 END AS last_on, (last_on + 1)::timestamp AS ends_at,
    CASE WHEN is_late OR half = 0 THEN NULL WHEN ends_at > '2011-12-20' THEN timestamp '2011-12-09 22:00'
      ELSE ends_at - interval 12 hour END AS held_at,
    CASE WHEN customer::int // 48 % 2 = 0 THEN 1 ELSE 1000 END AS days_held, held_at + days_held * interval 1 day AS held_until,
    CASE WHEN held_until > '2011-12-20' THEN half ELSE 0 END AS in_hold
  FROM (SELECT * EXCLUDE (points, last_on, ends_at), ends_at AS ended_at FROM last) WHERE done_at < '2011-12-09'"""
"""What came back for good of those who lost nothing late, and the half of it that was held then."""

FATES = """
CREATE OR REPLACE TABLE fate AS
SELECT customer, sold_at AS earned_at, points, points - lost_early AS activated, available_at, last_on, ends_at,
    CASE WHEN spends OR ends_at > '2011-12-20' THEN 0 WHEN returned_at < ends_at THEN points - lost ELSE points - lost_early END
      AS expired,
    CASE WHEN ends_at > '2011-12-20' AND NOT (spends AND available_at < '2011-12-10') THEN points - lost ELSE 0 END AS held,
    0 AS in_hold, true AS is_issue
  FROM life
UNION ALL SELECT customer, done_at, points, 0, done_at, date '2010-10-31', timestamp '2010-11-01', points, 0, 0, true FROM hand
 WHERE points > 0
UNION ALL SELECT customer, returned_at, lost_late, 0, returned_at, NULL, NULL, 0, 0, 0, false FROM life WHERE spends AND lost_late > 0
UNION ALL SELECT customer, CASE WHEN is_late THEN done_at ELSE sold_at END, 0, 0, available_at, last_on, ends_at,
    CASE WHEN ends_at > '2011-12-20' THEN 0 ELSE points - in_hold END, CASE WHEN ends_at > '2011-12-20' THEN points ELSE in_hold END,
    in_hold, NOT is_late FROM back"""
"""Every credit, and what has become of it: a purchase, a gift, a debt that was let go; and what became of spent points
that came back."""

MOVED = """
CREATE OR REPLACE TABLE moved AS
SELECT sold_at AS done_at, 'award' AS kind, 'loyalty expense' AS debit, 'points pending' AS credit, points FROM life
UNION ALL SELECT available_at, 'activation', 'points pending', 'points outstanding', activated FROM fate
UNION ALL SELECT ends_at, 'expiry', 'points outstanding', 'breakage income', expired FROM fate
UNION ALL SELECT returned_at, 'clawback', 'points pending', 'loyalty expense', lost_early FROM life
UNION ALL SELECT returned_at, 'clawback', 'points outstanding', 'loyalty expense', lost_late FROM life
 WHERE NOT spends AND returned_at < ends_at
UNION ALL SELECT returned_at, 'clawback', 'points owed by customers', 'loyalty expense', lost_late FROM life WHERE spends
UNION ALL SELECT returned_at, 'write_off', 'points written off', 'points owed by customers', lost_late FROM life WHERE spends
UNION ALL SELECT done_at, 'adjustment', 'goodwill and corrections', 'points outstanding', points FROM hand WHERE points > 0
UNION ALL SELECT done_at, 'adjustment', 'points outstanding', 'goodwill and corrections', -points FROM hand
 WHERE points < 0 AND hour(done_at) = 0
UNION ALL SELECT done_at, 'adjustment', 'points owed by customers', 'goodwill and corrections', -points FROM hand
 WHERE points < 0 AND hour(done_at) = 23
UNION ALL SELECT first_at, 'hold', 'points outstanding', 'points held', amount FROM spent WHERE manner IN (1, 2, 3)
UNION ALL SELECT then_at, 'redemption', 'points held', 'points redeemed', captured FROM spent
UNION ALL SELECT CASE WHEN manner = 3 THEN first_at + interval 15 minute ELSE then_at END, 'release', 'points held', 'points outstanding',
    amount - captured FROM spent WHERE manner IN (1, 2, 3)
UNION ALL SELECT first_at, 'redemption', 'points outstanding', 'points redeemed', amount FROM spent WHERE manner = 4
UNION ALL SELECT then_at, 'restoration', 'points redeemed', 'points outstanding', amount FROM spent WHERE manner = 4
UNION ALL SELECT at_last, 'redemption', 'points outstanding', 'points redeemed', amount - captured FROM spent
UNION ALL SELECT done_at, 'restoration', 'points redeemed', 'points outstanding', points FROM back
UNION ALL SELECT held_at, 'hold', 'points outstanding', 'points held', half FROM back WHERE held_at IS NOT NULL
UNION ALL SELECT held_until, 'release', 'points held', 'points outstanding', half FROM back WHERE held_at IS NOT NULL;
DELETE FROM moved WHERE points = 0 OR done_at > '2011-12-20'"""
"""What each entry moves, from where to where."""

DEEDS = """
SELECT sold_at AS done_at, 'buys' AS what, customer, invoice, total FROM life
UNION ALL SELECT returned_at, 'returns', customer, invoice, returned FROM life WHERE returned > 0
UNION ALL SELECT done_at, 'by hand', customer, row_number() OVER (ORDER BY done_at, customer, points)::text, points FROM hand
UNION ALL SELECT first_at, CASE WHEN manner IN (1, 2) THEN 'holds' WHEN manner = 3 THEN 'holds briefly' ELSE 'redeems' END,
    customer, 'first ' || invoice, amount FROM spent WHERE manner > 0
UNION ALL SELECT then_at, CASE manner WHEN 1 THEN 'captures' WHEN 2 THEN 'releases' ELSE 'reverses' END, customer,
    'first ' || invoice, captured FROM spent WHERE manner IN (1, 2, 4)
UNION ALL SELECT at_last, 'redeems', customer, 'last ' || invoice, amount - captured FROM spent
UNION ALL SELECT done_at, 'reverses', customer, 'last ' || invoice, points FROM back
UNION ALL SELECT held_at, CASE days_held WHEN 1 THEN 'holds a day' ELSE 'holds long' END, customer, 'kept ' || invoice, half
  FROM back WHERE held_at IS NOT NULL
 ORDER BY done_at, invoice"""

HOLD_SECONDS = {"holds": 86_400, "holds briefly": 900, "holds a day": 86_400, "holds long": 86_400_000}


@pytest.fixture(scope="module")
def deeds(retail: Any) -> list[Deed]:
    """What everybody did, in its order."""
    for statement in (LIVES, HANDS, SPENT, BACK, FATES, MOVED):
        retail.execute(statement)
    return [_deed(at.replace(tzinfo=LONDON), *told) for at, *told in retail.execute(DEEDS).fetchall()]


def _deed(at: dt.datetime, what: str, customer: str, name: str, amount: Decimal) -> Deed:
    match what:
        case "buys":
            return at, purchase(name, str(amount), customer, currency="GBP", occurred_at=at.isoformat())
        case "returns":
            return at, refund(name, str(amount), currency="GBP", occurred_at=at.isoformat())
        case "by hand":
            # the only ones in daylight are gifts
            is_debt = at.hour == 23
            return at, AdjustBalance(name, customer, int(amount), "by hand", "tester", at, allow_debt=is_debt)
        case _:
            return at, _spending(at, what, customer, name, int(amount))


def _spending(at: dt.datetime, what: str, customer: str, name: str, points: int) -> Command:
    match what:
        case "captures":
            return CaptureHold(name, points)
        case "releases":
            return ReleaseHold(name)
        case "reverses":
            return ReverseRedemption(name, None, "returned")
        case _:
            return Redeem(name, customer, points, at, HOLD_SECONDS.get(what))


def _booked_at(deed: Deed) -> dt.datetime:
    """What was spent is booked at once, the rest of a day in its evening."""
    at, command = deed
    is_spending = isinstance(command, Redeem | CaptureHold | ReleaseHold | ReverseRedemption)
    return at if is_spending else dt.datetime.combine(at.date(), dt.time(23, 30), LONDON)


@pytest.fixture(scope="module")
async def books(deeds: list[Deed], server: embedded_postgres.Server, template: str) -> AsyncIterator[AsyncEngine]:
    """What everybody did, all of it booked; the job has never run."""
    async with fresh_database(server, template) as url:
        engine = create_engine(url, name="tests", pool_size=8)
        await publish(engine, Programme.model_validate(PROGRAMME), valid_from=LONG_AGO)
        ledger = Ledger()
        for booked_at, together in groupby(sorted(deeds, key=_booked_at), key=_booked_at):
            request = Request([command for _, command in together])
            (reply,) = await transact(engine, lambda c, r=request, at=booked_at: ledger.book(c, [r], now=at))  # type: ignore[misc]
            assert all(outcome.status == "booked" for outcome in reply.outcomes)
        yield engine
        await engine.dispose()


@pytest.fixture(scope="module")
async def unsettled(books: AsyncEngine) -> AsyncIterator[Reports]:
    made = points_reports(books, clock=lambda: NOW)
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

MOVEMENTS = """
WITH month AS (SELECT unnest(range(timestamp '2009-12-01', timestamp '2012-01-01', interval 1 month)) AS first),
  signed AS (
    SELECT done_at, kind, CASE WHEN kind IN ('activation', 'hold', 'release') THEN 0 ELSE 1 END AS counts,
        CASE WHEN kind IN ('activation', 'release') OR credit IN ('points pending', 'points outstanding', 'points owed by customers')
          THEN points ELSE -points END AS points FROM moved)
SELECT strftime(first, '%Y-%m') AS month, {kinds}, 0 AS granted, 0 AS revoked, 0 AS other, sum(points * counts)::bigint AS outstanding
  FROM month JOIN signed ON done_at < first + interval 1 month GROUP BY first ORDER BY first"""
KINDS = (
    "award",
    "activation",
    "hold",
    "release",
    "redemption",
    "restoration",
    "expiry",
    "clawback",
    "adjustment",
    "write_off",
)


async def test_points_of_each_kind_and_what_is_left_of_them(reports: Reports, ask: Ask) -> None:
    of_kind = "coalesce(sum(points) FILTER (WHERE kind = '{}' AND done_at >= first), 0)::bigint"
    expected = ask(MOVEMENTS.format(kinds=", ".join(map(of_kind.format, KINDS))))
    assert [row[:15] for row in (await read(reports, "points")).findings.rows] == expected
    assert all(any(row[kind] for row in expected) for kind in range(1, 11)), "the history has every kind"


async def test_what_became_of_every_credit(reports: Reports, ask: Ask) -> None:
    rows = (await read(reports, "breakage")).findings.rows
    expected = ask("""
        SELECT sum(points)::bigint, sum(points - expired - held)::bigint, sum(expired)::bigint, sum(held)::bigint FROM fate
         GROUP BY date_trunc('month', earned_at) ORDER BY date_trunc('month', earned_at)""")
    assert [row[1:5] for row in rows if row[1]] == expected
    assert all(same_share(row[5 + each], row[2 + each], row[1]) for row in rows for each in range(3))


HELD = """
SELECT {by}, coalesce(sum(held - in_hold) FILTER (WHERE available_at <= '2011-12-20'), 0)::bigint,
    coalesce(sum(held) FILTER (WHERE available_at > '2011-12-20'), 0)::bigint, sum(in_hold)::bigint, sum(held)::bigint
  FROM fate WHERE held > 0 GROUP BY ALL ORDER BY ALL"""


@pytest.mark.parametrize("is_late", [True, False], ids=["before the job has run", "after it"])
async def test_points_outstanding_by_when_they_end(
    reports: Reports, late_liability: Answer, ask: Ask, *, is_late: bool
) -> None:
    answer = late_liability if is_late else await read(reports, "liability", cost_per_point=Decimal("0.02"))
    expected = ask(HELD.format(by="strftime(last_on, '%Y-%m')"))
    assert [tuple(row) for row in answer.findings.rows] == expected
    available, waiting, held, points = (sum(row[side] for row in expected) for side in (1, 2, 3, 4))
    ((debtors,),) = ask("SELECT count(*) FROM hand WHERE done_at = '2011-12-09 23:00'")
    cost = None if is_late else points * Decimal("0.02")
    assert answer.findings.summary == (available, waiting, held, debtors * 100, debtors, cost)
    assert waiting > 0 < debtors


async def test_points_outstanding_by_month_of_expiry_are_those_of_the_liability(reports: Reports, ask: Ask) -> None:
    answer = await read(reports, "liability-by-expiry", cost_per_point=Decimal("0.02"))
    expected = ask(HELD.format(by="strftime(last_on, '%Y-%m'), 'expiry'"))
    assert [row[:6] for row in answer.findings.rows] == expected
    assert all(row[6] == row[5] * Decimal("0.02") for row in answer.findings.rows)
    whole = (await read(reports, "liability", cost_per_point=Decimal("0.02"))).summary()
    assert [answer.summary()[name] for name in ("available", "pending", "held", "cost")] == [
        whole[name] for name in ("available", "pending", "held", "liability")
    ]


async def test_the_history_holds_points_before_and_after_their_end_and_lets_some_of_them_go(retail: Any) -> None:
    lives = retail.execute("""
        SELECT ends_at > '2011-12-20', days_held FROM back WHERE held_at IS NOT NULL GROUP BY ALL""").fetchall()
    late = retail.execute("SELECT DISTINCT ends_at > '2011-12-20' FROM back WHERE is_late").fetchall()
    manners = retail.execute("SELECT count(DISTINCT manner) FROM spent").fetchall()
    assert (len(lives), len(late), manners) == (4, 2, [(5,)])


# The journal

POSTED = """
SELECT done_at::date, debit, credit, sum(points)::bigint, sum(points) * 0.02,
    string_agg(DISTINCT kind, ', ' ORDER BY kind)
  FROM moved GROUP BY ALL ORDER BY ALL"""


async def test_every_days_journal_is_what_moved_on_it(reports: Reports, ask: Ask) -> None:
    answer = await read(reports, "journal", cost_per_point=Decimal("0.02"))
    assert sorted(tuple(row) for row in answer.findings.rows) == ask(POSTED)
    assert {kind for row in answer.findings.rows for kind in row[5].split(", ")} == set(KINDS)


async def test_the_journal_ends_with_what_the_accounts_and_lots_have(reports: Reports, books: AsyncEngine) -> None:
    summary = (await read(reports, "journal")).summary()
    assert summary["debits"] == summary["credits"] > 0
    async with books.connect() as connection:
        ((available, owed, pending, held),) = await fetch(connection, ACCOUNTS)
        ((lots, waiting),) = await fetch(connection, LOTS)
    closing = [summary[name] for name in ("outstanding", "pending", "held", "owed")]
    assert closing == [available, pending, held, owed] == [lots, waiting, held, owed]
    assert all(closing)


async def test_a_part_of_the_journal_opens_with_what_was_before(reports: Reports, ask: Ask) -> None:
    first, end = dt.date(2010, 12, 1), dt.date(2011, 1, 1)
    answer = await reports.read(REPORTS["journal"], first=first, end=end)
    assert sorted((*row[:4], row[5]) for row in answer.findings.rows) == [
        (*row[:4], row[5]) for row in ask(POSTED) if first <= row[0] < end
    ]
    sides = ("points outstanding", "points pending", "points held", "points owed by customers")
    ((*closing,),) = ask(f"""
        SELECT {", ".join(f"sum(CASE '{side}' WHEN credit THEN points WHEN debit THEN -points ELSE 0 END)::bigint" for side in sides)}
          FROM moved WHERE done_at < '2011-01-01'""")
    assert [answer.summary()[name] for name in ("outstanding", "pending", "held", "owed")] == closing


async def test_the_books_of_the_history_are_right(reports: Reports, books: AsyncEngine) -> None:
    assert (await read(reports, "journal")).findings.rows
    async with books.connect() as connection:
        assert await verify(connection) == []


ACCOUNTS = """
SELECT sum(greatest(available, 0))::bigint, sum(least(available, 0))::bigint, sum(pending)::bigint, sum(held)::bigint FROM account"""
LOTS = """
SELECT sum(remaining) FILTER (WHERE NOT pending)::bigint, sum(remaining) FILTER (WHERE pending)::bigint FROM lot"""


# Breakage to come

TRIANGLE = """
CREATE OR REPLACE TABLE outflow AS
SELECT sold_at AS earned_at, 'used' AS fate, at_last AS gone_at, amount AS points FROM spent
UNION ALL SELECT sold_at, 'used', done_at, -points FROM back WHERE NOT is_late
UNION ALL SELECT sold_at, 'used', available_at, points - lost_early FROM life WHERE way = 0
UNION ALL SELECT sold_at, 'clawed back', returned_at, lost_early FROM life
UNION ALL SELECT sold_at, 'clawed back', returned_at, lost_late FROM life WHERE NOT spends AND returned_at < ends_at
UNION ALL SELECT earned_at, 'expired', ends_at, expired FROM fate WHERE is_issue;
CREATE OR REPLACE TABLE ages AS
WITH month AS (SELECT unnest(range(timestamp '2009-12-01', timestamp '2011-12-01', interval 1 month)) AS first),
  credit AS (SELECT sold_at, points FROM life UNION ALL SELECT done_at, points FROM hand WHERE points > 0),
  issued AS (SELECT date_trunc('month', sold_at) AS cohort, sum(points) AS issued FROM credit GROUP BY ALL),
  gone AS (
    SELECT date_trunc('month', earned_at) AS cohort, date_trunc('month', gone_at) AS month, sum(points) AS gone,
        sum(points) FILTER (WHERE fate = 'used') AS used, sum(points) FILTER (WHERE fate = 'clawed back') AS clawed_back,
        sum(points) FILTER (WHERE fate = 'expired') AS expired
      FROM outflow GROUP BY ALL)
SELECT issued.cohort AS cohort, first AS month, date_diff('month', issued.cohort, first) AS age, issued, coalesce(used, 0) AS used,
    coalesce(clawed_back, 0) AS clawed_back, coalesce(expired, 0) AS expired, coalesce(gone, 0) AS gone,
    issued - coalesce(sum(gone) OVER (PARTITION BY issued.cohort ORDER BY first ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)
      AS open
  FROM issued JOIN month ON first >= issued.cohort LEFT JOIN gone ON gone.cohort = issued.cohort AND gone.month = first"""

FORETOLD = """
WITH RECURSIVE share AS (
    SELECT age, sum(expired) / sum(open) AS expired, 1 - sum(gone) / sum(open) AS left FROM ages
     WHERE open > 0 AND month < {cut} GROUP BY age HAVING count(*) >= 3),
  path AS (
    SELECT cohort, date_diff('month', cohort, greatest(cohort, {cut})) AS age, 0::double AS expires,
        (issued - coalesce(sum(gone) FILTER (WHERE month < {cut}), 0))::double AS open FROM ages GROUP BY cohort, issued
    UNION ALL
    SELECT cohort, age + 1, open * share.expired, open * share.left FROM path JOIN share USING (age)
     WHERE cohort + to_months(age::int) < {stop})
SELECT sum(expires) FROM path"""


async def test_the_months_in_which_points_were_issued_and_what_became_of_them(
    reports: Reports, retail: Any, ask: Ask
) -> None:
    retail.execute(TRIANGLE)
    expected = ask("""
        SELECT strftime(cohort, '%Y-%m') AS cohort, issued::bigint, sum(used)::bigint, sum(clawed_back)::bigint, sum(expired)::bigint,
            (issued - sum(gone))::bigint FROM ages GROUP BY cohort, issued ORDER BY cohort""")
    rows = (await read(reports, "breakage-estimate")).findings.rows
    assert [row[:6] for row in rows] == expected
    assert [row[8] for row in rows] == ["estimate" if row[5] else "final" for row in rows]


async def test_breakage_to_come_and_its_error_on_held_out_months(reports: Reports, retail: Any, ask: Ask) -> None:
    retail.execute(TRIANGLE)
    summary = (await read(reports, "breakage-estimate", cost_per_point=Decimal("0.02"))).summary()
    ((to_come,),) = ask(FORETOLD.format(cut="timestamp '2011-12-01'", stop="timestamp '2020-01-01'"))
    assert abs(summary["to_expire"] - to_come) < 24, "rounded by cohort"
    ((predicted,),) = ask(FORETOLD.format(cut="timestamp '2011-06-01'", stop="timestamp '2011-12-01'"))
    ((actual,),) = ask("SELECT sum(expired)::bigint FROM ages WHERE month >= '2011-06-01'")
    assert (summary["held_out"], summary["actual"]) == ("2011-06 to 2011-11", actual)
    assert abs(summary["predicted"] - predicted) < 1
    assert summary["absolute_error"] == summary["predicted"] - summary["actual"]
    assert same_share(summary["relative_error"], summary["absolute_error"], actual)
    assert 0 < abs(summary["relative_error"]) < 10
    assert 0 < summary["undecided"] < summary["open"] / 20, "what long holds keep beyond its end"
    assert summary["liability"] == (summary["open"] - summary["to_expire"]) * Decimal("0.02")


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
