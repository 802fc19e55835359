"""How long it takes to end a day: lots that expire and tiers that are reviewed, by `loyalty jobs run`, from start to end."""

import datetime as dt
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from bench.place import BenchError, Place, ask, environment
from bench.report import Bar, Line, Section, Tell
from services.points.ledger import Ledger
from services.points.programme import Programme
from shared.database import create_engine

LOTS_EACH = 4
"""Lots of a customer; each ends on a day of its own, so with an entry and an event of its own."""

TARGET_LOTS, TARGET_REVIEWS, TARGET_SECONDS = 1_000_000, 100_000, 60
MOST_MB = 200

PROGRAMME = Programme.model_validate(
    {
        "time_zone": "Europe/Berlin",
        "expiry": {"model": "after_earning", "months": 12},
        "tiers": {
            "window": "rolling_year",
            "levels": [{"name": "Basic", "threshold": 0}, {"name": "Gold", "threshold": 500}],
        },
    }
)

ACCOUNTS = """
INSERT INTO account (customer_id, card_number, sequence, event_sequence, available, lifetime_points, purchases, enrolled_at,
  settled_under, due_at, tier, tier_since, tier_review_on, tier_announced)
SELECT 'c-' || n, 'F-' || n, $2::int, $2::int + 1, 114 * $2::int, 114 * $2::int, $2::int, now() - interval '400 days',
    (SELECT max(version) FROM programme), $3::timestamptz, $4::text, current_date - 365, $5::date, true
  FROM generate_series(1, $1::int) AS n"""

ENTRIES = """
INSERT INTO entry (customer_id, sequence, kind, points, available_after, reference, occurred_at, recorded_at)
SELECT 'c-' || n, s, 'award', 114, 114 * s, 'webshop-de/R-' || n || '-' || s, at, at
  FROM generate_series(1, $1::int) AS n, generate_series(1, $2::int) AS s,
    LATERAL (SELECT now() - interval '370 days' + s * interval '1 day' AS at) t"""

LOTS = """
INSERT INTO lot (customer_id, sequence, points, remaining, expires_on, expires_at, announced)
SELECT 'c-' || n, s, 114, 114, (ends - interval '1 day')::date, ends, true
  FROM generate_series(1, $1::int) AS n, generate_series(1, $2::int) AS s,
    LATERAL (SELECT $3::timestamptz + s * interval '1 day' AS ends) e"""

# every other customer has bought enough to keep the tier
PROGRESS = """
INSERT INTO progress (customer_id, "on", points, spend)
SELECT 'c-' || n, current_date - 10 * s, 50 + 100 * (n % 2), 114
  FROM generate_series(1, $1::int) AS n, generate_series(1, $2::int) AS s"""


@dataclass(frozen=True, slots=True)
class Size:
    """Lots that have ended, and tiers that are to be reviewed."""

    lots: int = 200_000
    reviews: int = 50_000


QUICK = Size(lots=40_000, reviews=10_000)
FULL = Size(lots=TARGET_LOTS, reviews=TARGET_REVIEWS)


async def measure(place: Place, size: Size, tell: Tell) -> Section:
    """Measure both jobs, each in a database of its own."""
    section = Section("Jobs: what a day brings, as `loyalty jobs run` books it from start to end")
    tell(f"jobs, {size.lots:,} lots are made")
    async with _filled(place, size.lots // LOTS_EACH, due_days_ago=LOTS_EACH + 1, review=False) as url:
        tell(f"jobs, {size.lots:,} lots expire")
        expired = await _run(url, "expire")
        await _check(url, "SELECT count(*) FROM entry WHERE kind = 'expiry'", size.lots)
        await _check(url, "SELECT count(*) FROM account WHERE available <> 0 OR due_at <= now()", 0)
    tell(f"jobs, {size.reviews:,} tiers are made")
    async with _filled(place, size.reviews, due_days_ago=-30, review=True) as url:
        tell(f"jobs, {size.reviews:,} tiers are reviewed")
        reviewed = await _run(url, "review-tiers")
        await _check(url, "SELECT count(*) FROM account WHERE tier = 'Basic'", size.reviews // 2)
        await _check(url, "SELECT count(*) FROM account WHERE due_at <= now()", 0)
    _add(section, size, expired, reviewed)
    return section


async def _run(url: str, job: str) -> dict[str, Any]:
    settings = {"LOYALTY_POINTS_DATABASE_URL": url, "LOYALTY_LOG_LEVEL": "warning"}
    command = [str(Path(sys.executable).with_name("loyalty")), "jobs", "run", job, "--json"]
    ran: dict[str, Any] = await ask("bench.launcher", {"command": command, "environment": environment() | settings})
    if ran["code"] != 0:
        raise BenchError(f"`loyalty jobs run {job}` ended with exit code {ran['code']}: {ran['errors'][-500:].strip()}")
    return ran


async def _check(url: str, question: str, right: int) -> None:
    connection = await asyncpg.connect(url)
    try:
        found = await connection.fetchval(question)
    finally:
        await connection.close()
    if found != right:
        raise BenchError(f"{question}: {found}, and should be {right}")


@asynccontextmanager
async def _filled(place: Place, accounts: int, *, due_days_ago: int, review: bool) -> AsyncIterator[str]:
    """Give books in which each account has lots, the first of which ends so long ago, or a tier to be reviewed today."""
    async with place.database() as url:
        await _publish(url)
        today = dt.datetime.now(PROGRAMME.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        first = today - dt.timedelta(days=due_days_ago)
        tier, on = ("Gold", today.date()) if review else (None, None)
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(ACCOUNTS, accounts, LOTS_EACH, today if review else first, tier, on)
            await connection.execute(ENTRIES, accounts, LOTS_EACH)
            await connection.execute(LOTS, accounts, LOTS_EACH, first)
            if review:
                await connection.execute(PROGRESS, accounts, LOTS_EACH)
            await connection.execute("VACUUM ANALYZE")
        finally:
            await connection.close()
        await place.settle()
        yield url


async def _publish(url: str) -> None:
    engine = create_engine(url, name="bench")
    try:
        async with engine.begin() as connection:
            now = dt.datetime.now(dt.UTC)
            await Ledger().publish(
                connection, PROGRAMME, valid_from=now - dt.timedelta(days=1000), now=now, actor="bench"
            )
    finally:
        await engine.dispose()


def _add(section: Section, size: Size, expired: dict[str, Any], reviewed: dict[str, Any]) -> None:
    expire_seconds, review_seconds = (
        _scaled(expired, size.lots, TARGET_LOTS),
        _scaled(reviewed, size.reviews, TARGET_REVIEWS),
    )
    peak = max(expired["peak_mb"], reviewed["peak_mb"])
    section.figures = {
        "expire_seconds": expire_seconds,
        "expire_lots_measured": size.lots,
        "review_seconds": review_seconds,
        "review_tiers_measured": size.reviews,
        "jobs_peak_mb": peak,
    }
    bar = Bar(goal=TARGET_SECONDS, least=TARGET_SECONDS, down=True, unit=" s")
    lots = f"1,000,000 lots expired, {LOTS_EACH} of a customer, each with an entry of its own"
    section.lines += [
        Line(lots, f"{expired['seconds']:.1f} s for {size.lots:,}", "", expire_seconds, bar),
        Line("100,000 tiers reviewed, half of them lost", f"{reviewed['seconds']:.1f} s for {size.reviews:,}", "",
             review_seconds, bar),
        Line("peak memory of the process", "", "", peak, Bar(MOST_MB, MOST_MB, down=True, unit=" MB")),
    ]  # fmt: skip


def _scaled(ran: dict[str, Any], number: int, target: int) -> float:
    """Return the seconds for the full number at this pace; the start and the end of the command are there only once."""
    working: float = json.loads(ran["said"].splitlines()[-1])["seconds"]
    seconds: float = ran["seconds"]
    return seconds - working + working * target / number
