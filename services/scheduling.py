"""`loyalty jobs`: what comes round again and again, when it last did, and running it now."""

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from services.points.jobs import ALIASES
from services.points.settings import PointsSettings
from services.running import points_jobs, points_service, spare_the_collector
from shared import jobs

errors = Console(stderr=True)


class NoJobError(LookupError):
    """There is no job of that name; the message says which there are."""


async def listed(settings: PointsSettings) -> list[dict[str, Any]]:
    """Return every job: how often it runs, its last run, and how much waits for it now."""
    async with (
        points_service(settings) as (points, books),
        points_jobs(points, books) as (known, engine),
        engine.connect() as connection,
    ):
        ran = await jobs.runs(connection)
        return [_row(job, ran.get(job.name, {}), await job.waiting(connection)) for job in known]


def _row(job: jobs.Job, ran: dict[str, Any], waiting: int) -> dict[str, Any]:
    also = sorted(alias for alias, name in ALIASES.items() if name == job.name)
    return {
        "job": job.name,
        "also": ", ".join(also),
        "every": str(job.every),
        "started_at": _moment(ran.get("started_at")),
        "finished_at": _moment(ran.get("finished_at")),
        "items": ran.get("items"),
        "error": ran.get("error"),
        "due": waiting,
        "about": job.about,
    }


def _moment(instant: Any) -> str | None:
    return None if instant is None else instant.isoformat(timespec="seconds")


async def run(settings: PointsSettings, wanted: str) -> tuple[str, jobs.Run]:
    """Run a job now, with a progress bar on stderr; while another process runs it, wait. Raises `NoJobError`."""
    name = ALIASES.get(wanted, wanted)
    async with points_service(settings) as (points, books), points_jobs(points, books) as (known, engine):
        chosen = next((job for job in known if job.name == name), None)
        if chosen is None:
            raise NoJobError(f"there is no job {wanted!r}; there is {', '.join([*(j.name for j in known), *ALIASES])}")
        spare_the_collector()
        try:
            with _showing(name) as tell:
                return name, await jobs.run(engine, chosen, service="points", tell=tell)
        except asyncio.CancelledError:
            errors.print("stopped: what is done stays done, and the next run goes on from there")
            raise


@contextmanager
def _showing(name: str) -> Iterator[jobs.Tell]:
    columns = (TextColumn(name), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors) as progress:
        task = progress.add_task(name, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def show(name: str, ended: jobs.Run, *, as_json: bool) -> None:
    """Say what was done on stdout, and on stderr what was not."""
    if as_json:
        sys.stdout.write(json.dumps({"job": name, **asdict(ended)}) + "\n")
        return
    pace = f", {ended.items / ended.seconds:,.0f} a second" if ended.items and ended.seconds else ""
    Console().print(f"{name}: {ended.items:,} done in {ended.seconds:.1f} s{pace}")
    if ended.error is not None:
        sys.stderr.write(f"{ended.error}\n")
