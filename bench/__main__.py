"""`make bench`: measures what was asked for, prints a table and writes `.data/bench.json`."""

import asyncio
import datetime as dt
import os
import platform
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Annotated, Any

import typer
import uvloop
from rich.console import Console
from rich.markup import escape

from bench import awards, growth, importing, jobs, occasions, posting, referring, reports, spending
from bench.place import DATA, BenchError, Place, place
from bench.report import Line, Section, Tell, show, write
from services.running import spare_the_collector

ENDED_BY_CTRL_C = 130

Measure = Callable[[Place, Tell], Awaitable[Section]]


def measures(*, quick: bool, full: bool) -> dict[str, Measure]:
    """Return what there is to measure, in the order in which it is, by the names that `--only` takes."""
    ledgers = growth.QUICK if quick else growth.FULL if full else growth.Size()
    days = jobs.QUICK if quick else jobs.FULL if full else jobs.Size()
    books = reports.QUICK if quick else reports.FULL if full else reports.Size()
    return {
        "awards": lambda where, tell: awards.measure(where, awards.QUICK if quick else awards.Size(), tell),
        "referrals": lambda where, tell: referring.measure(where, referring.QUICK if quick else referring.Size(), tell),
        "post": lambda where, tell: posting.measure(where, posting.QUICK if quick else posting.Size(), tell),
        "redeem": lambda where, tell: spending.measure(where, spending.QUICK if quick else spending.Size(), tell),
        "import": importing.measure,
        "jobs": lambda where, tell: jobs.measure(where, days, tell),
        "occasions": lambda where, tell: occasions.measure(where, occasions.QUICK if quick else occasions.Size(), tell),
        "growth": lambda where, tell: growth.measure(where, ledgers, tell),
        "reports": lambda where, tell: reports.measure(where, books, tell),
    }


async def run(chosen: dict[str, Measure]) -> list[Section]:
    """Measure one after the other; Ctrl-C and SIGTERM end every process that was started."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    if task is not None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
    console, began, sections = Console(stderr=True), time.monotonic(), []

    with console.status("PostgreSQL starts") as status:

        def tell(what: str) -> None:
            status.update(f"{time.monotonic() - began:4.0f} s  {what}")

        async with place() as where:
            for name, measure in chosen.items():
                await where.settle()
                sections.append(await _measured(name, measure(where, tell)))
    return sections


async def _measured(name: str, measuring: Awaitable[Section]) -> Section:
    """Let one measurement fail without taking the others with it."""
    try:
        return await measuring
    except BenchError as error:
        return Section(name, [Line(f"[red]failed: {escape(str(error))}")], {f"{name}_failed": str(error)})


def main(
    *,
    only: Annotated[list[str] | None, typer.Option(help="Measure only this; may be given more than once.")] = None,
    quick: Annotated[bool, typer.Option(help="Fewer and shorter rounds: for a look, not for a record.")] = False,
    full: Annotated[
        bool, typer.Option(help="Growth and reports up to 10,000,000 entries, jobs over 1,000,000 lots.")
    ] = False,
) -> None:
    """Measure on this machine, beside floors that do nothing; a table to read, and figures in .data/bench.json."""
    chosen = measures(quick=quick, full=full)
    unknown = set(only or ()) - chosen.keys()
    if unknown:
        raise typer.BadParameter(f"there is {', '.join(chosen)}; not {', '.join(sorted(unknown))}", param_hint="--only")
    began = time.monotonic()
    spare_the_collector()
    try:
        sections = uvloop.run(run({name: each for name, each in chosen.items() if name in (only or chosen)}))
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise SystemExit(ENDED_BY_CTRL_C) from None
    machine = _machine()
    seconds = round(time.monotonic() - began, 1)
    figures = {**machine, "quick": quick, "seconds": seconds}
    for section in sections:
        figures |= section.figures
    show(sections, title=f"{machine['cores']} cores, Python {machine['python']}, {seconds:.0f} s")
    write(figures, DATA / "bench.json")
    if any(f"{name}_failed" in figures for name in chosen):
        raise SystemExit(1)


def _machine() -> dict[str, Any]:
    load = None
    with suppress(OSError):
        load = os.getloadavg()[0]
    return {
        "measured_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_average_after": load,
    }


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
