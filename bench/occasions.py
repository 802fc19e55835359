"""How long it takes to plan Christmas for a million customers, by `loyalty jobs run plan`, and again when it is killed half-way."""

import asyncio
import datetime as dt
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from bench.place import BenchError, Place, ask, environment
from bench.report import Bar, Line, Section, Tell
from bench.streams import count
from services.notifications.delivery import Delivery
from services.notifications.programme import Campaign, Programme
from shared.database import create_engine

TARGET_CUSTOMERS, TARGET_SECONDS = 1_000_000, 60
MOST_MB = 200
POLL_SECONDS = 0.05
LINK_KEY = "of-links-that-nobody-follows-0000"

CUSTOMERS = """
INSERT INTO customer (customer_id, language, time_zone, email, birthday, birthday_entered_on, joined_on)
SELECT 'c-' || n, 'de', (ARRAY['Europe/Berlin', 'Europe/Lisbon', 'America/New_York', 'Pacific/Auckland', NULL])[n % 5 + 1],
    'c-' || n || '@example.com', date '1950-01-01' + n % 20000, date '2020-01-01', date '2020-01-01' + n % 2000
  FROM generate_series(1, $1::int) AS n"""

WRONG = """
SELECT count(*) FROM customer c LEFT JOIN notification n USING (customer_id)
 WHERE n.notification_id IS NULL OR n.due_at >= n.until OR n.day NOT BETWEEN $1::date AND $1::date + 11"""


@dataclass(frozen=True, slots=True)
class Size:
    """Customers that are planned in one go, and those in the midst of whom the process is killed."""

    customers: int = TARGET_CUSTOMERS
    killed: int = 200_000


QUICK = Size(customers=100_000, killed=40_000)


async def measure(place: Place, size: Size, tell: Tell) -> Section:
    """Measure the job on one database, and kill it on another."""
    section = Section(
        "Occasions: Christmas is planned for everybody, as `loyalty jobs run plan` does it from start to end"
    )
    tell(f"occasions, {size.customers:,} customers are made")
    async with _filled(place, size.customers) as (url, begins):
        tell(f"occasions, {size.customers:,} customers are planned")
        whole = await _run(url)
        await _check(url, begins, size.customers)
        tell("occasions, nothing is left to do")
        again = await _run(url)
    tell(f"occasions, {size.killed:,} customers, killed half-way")
    async with _filled(place, size.killed) as (url, begins):
        killed_at = await _kill_half_way(url, size.killed)
        resumed = await _run(url)
        await _check(url, begins, size.killed)
    _add(section, size, whole, again)
    found = f"{killed_at:,} were planned, then {_items(resumed):,}: one row each"
    section.lines.append(Line(f"{size.killed:,} customers, killed with SIGKILL and run again", found))
    return section


def _command() -> list[str]:
    return [str(Path(sys.executable).with_name("loyalty")), "jobs", "run", "plan", "--json"]


def _environment(url: str) -> dict[str, str]:
    settings = {"notifications_database_url": url, "notifications_link_key": LINK_KEY, "log_level": "warning"}
    return environment() | {f"LOYALTY_{name.upper()}": value for name, value in settings.items()}


async def _run(url: str) -> dict[str, Any]:
    ran: dict[str, Any] = await ask("bench.launcher", {"command": _command(), "environment": _environment(url)})
    if ran["code"] != 0:
        raise BenchError(f"`loyalty jobs run plan` ended with exit code {ran['code']}: {ran['errors'][-500:].strip()}")
    return ran


async def _kill_half_way(url: str, customers: int) -> int:
    """Kill the job once it has planned half of them, and return how many it had."""
    devnull = asyncio.subprocess.DEVNULL
    child = await asyncio.create_subprocess_exec(*_command(), env=_environment(url), stdout=devnull, stderr=devnull)
    try:
        while child.returncode is None and await count(url, "notification") < customers // 2:  # noqa: ASYNC110 - in another process
            await asyncio.sleep(POLL_SECONDS)
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()
    planned = await count(url, "notification")
    if not 0 < planned < customers:
        raise BenchError(f"it was to be killed half-way, and had planned {planned} of {customers}")
    return planned


async def _check(url: str, begins: dt.date, customers: int) -> None:
    if await count(url, "notification") != customers:
        raise BenchError(f"each of {customers} customers should have one notification")
    connection = await asyncpg.connect(url)
    try:
        wrong = await connection.fetchval(WRONG, begins)
    finally:
        await connection.close()
    if wrong:
        raise BenchError(f"{wrong} customers have none, or one that is not in the window")


@asynccontextmanager
async def _filled(place: Place, customers: int) -> AsyncIterator[tuple[str, dt.date]]:
    """Give books of so many customers, for whom Christmas begins tomorrow."""
    begins = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1)
    async with place.database("notifications") as url:
        await _publish(url, begins)
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(CUSTOMERS, customers)
            await connection.execute("VACUUM ANALYZE customer")
        finally:
            await connection.close()
        await place.settle()
        yield url, begins


async def _publish(url: str, begins: dt.date) -> None:
    terms = {"kind": "campaign", "name": "christmas", "template": "christmas", "days": 12, "year": begins.year}
    christmas = Campaign.model_validate(terms | {"begins": f"{begins:%m-%d}"})
    engine = create_engine(url, name="bench")
    try:
        async with engine.begin() as connection:
            now = dt.datetime.now(dt.UTC)
            programme = Programme(occasions=[christmas])
            await Delivery().publish(connection, programme, valid_from=now, now=now, actor="bench")
    finally:
        await engine.dispose()


def _items(ran: dict[str, Any]) -> int:
    items: int = json.loads(ran["said"].splitlines()[-1])["items"]
    return items


def _add(section: Section, size: Size, whole: dict[str, Any], again: dict[str, Any]) -> None:
    working: float = json.loads(whole["said"].splitlines()[-1])["seconds"]
    seconds = whole["seconds"] - working + working * TARGET_CUSTOMERS / size.customers
    section.figures = {
        "occasions_seconds": seconds,
        "occasions_customers_measured": size.customers,
        "occasions_rows_per_second": size.customers / working,
        "occasions_again_seconds": again["seconds"],
        "occasions_peak_mb": whole["peak_mb"],
    }
    bar = Bar(goal=TARGET_SECONDS, least=TARGET_SECONDS, down=True, unit=" s")
    pace = f"{whole['seconds']:.1f} s for {size.customers:,}, {size.customers / working:,.0f} rows/s"
    section.lines += [
        Line("Christmas for 1,000,000 customers", pace, "", seconds, bar),
        Line("peak memory of the process", "", "", whole["peak_mb"], Bar(MOST_MB, MOST_MB, down=True, unit=" MB")),
        Line("the next run, which finds nothing to do", f"{again['seconds']:.1f} s from start to end"),
    ]
