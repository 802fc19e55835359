"""How long reports take on a large ledger, and what awards cost while somebody reads them."""

import asyncio
import contextlib
import datetime as dt
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bench.growth import Book, fill
from bench.place import Place
from bench.report import Bar, Line, Section, Tell, neighbour_ratio
from services.points.reports.catalogue import REPORTS
from services.points.reports.reader import points_reports
from shared.database import create_engine
from shared.reports.reader import Reports
from shared.reports.report import Report

GOAL_SECONDS, MOST_SECONDS = 10, 20


@dataclass(frozen=True, slots=True)
class Size:
    """Entries of the ledger; batches of awards without and with a report beside them, in turn."""

    entries: int = 1_000_000
    rounds: int = 6
    batches: int = 10
    awards: int = 500


QUICK = Size(entries=300_000, rounds=3)
FULL = Size(entries=10_000_000, rounds=10)


async def measure(place: Place, size: Size, tell: Tell) -> Section:
    """Measure every report once, then awards beside reports that follow each other."""
    tell(f"reports, a ledger of {size.entries:,} entries is filled")
    async with place.database() as url, _opened(url, size) as (book, reports):
        await place.settle()
        seconds = {}
        for report in REPORTS.values():
            tell(f"reports, {report.name}")
            seconds[report.name] = await _seconds(reports, report)
        tell("reports, awards beside them")
        alone, beside = await _awards(book, reports, size)
    return _section(size, seconds, alone, beside)


@asynccontextmanager
async def _opened(url: str, size: Size) -> AsyncIterator[tuple[Book, Reports]]:
    await fill(url, size.entries)
    engine = create_engine(url, name="bench")
    reports = points_reports(engine, clock=lambda: dt.datetime.now(dt.UTC))
    try:
        yield Book(engine, size.entries), reports
    finally:
        await reports.close()
        await engine.dispose()


async def _seconds(reports: Reports, report: Report) -> float:
    began = time.perf_counter()
    await reports.read(report)
    return time.perf_counter() - began


async def _awards(book: Book, reports: Reports, size: Size) -> tuple[list[float], list[float]]:
    """Return the seconds of an award in each round: while nobody reads, and while one report follows the other."""
    alone, beside = [], []
    await _round(book, size)
    for _ in range(size.rounds):
        alone.append(await _round(book, size))
        reading = asyncio.create_task(_read_on(reports))
        beside.append(await _round(book, size))
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading
    alone.append(await _round(book, size))
    return alone, beside


async def _read_on(reports: Reports) -> None:
    while True:
        for report in REPORTS.values():
            await reports.read(report)


async def _round(book: Book, size: Size) -> float:
    for _ in range(size.batches):
        await book.book(size.awards)
    return statistics.median(book.taken[-size.batches :]) / size.awards


def _section(size: Size, seconds: dict[str, float], alone: list[float], beside: list[float]) -> Section:
    section = Section(f"Reports over {size.entries:,} entries, and awards beside them")
    slowest = max(seconds, key=lambda name: seconds[name])
    ratio = neighbour_ratio(beside, alone)
    section.figures = {
        "reports_entries": size.entries,
        "reports_slowest_seconds": seconds[slowest],
        "reports_seconds": seconds,
        "reports_award_ratio": ratio,
    }
    section.lines = [Line(f"report {name}", f"{taken:.2f} s") for name, taken in seconds.items()]
    bar = Bar(goal=GOAL_SECONDS, least=MOST_SECONDS, down=True, unit=" s")
    section.lines.append(Line(f"the slowest: {slowest}", judged=seconds[slowest], bar=bar))
    mine, theirs = (f"{statistics.median(each) * 1e6:.0f} µs" for each in (beside, alone))
    judged = Bar(goal=1.2, least=1.5, down=True)
    section.lines.append(Line("an award while a report is read, beside one alone", mine, theirs, ratio, judged))
    return section
