"""`loyalty jobs`: what comes round again and again, when it last did, and running it now."""

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from services.commands.here import Only, services_here
from services.commands.terminal import AsJson, fail, run, show
from services.registry import Kind
from services.running import Opened, jobs_of, spare_the_collector
from shared import jobs

errors = Console(stderr=True)

app = typer.Typer(no_args_is_help=True, help="What comes round again and again.")


@app.command("list")
def list_jobs(*, only: Only = None, as_json: AsJson = False) -> None:
    """List the jobs: how often each runs, its last run, and how much waits for it now."""

    async def command() -> list[dict[str, Any]]:
        async with services_here(only) as services:
            return [row for each in services for row in await _listed(each)]

    show(run(command()), "there are no jobs", as_json=as_json)


async def _listed(of: Opened[Any]) -> list[dict[str, Any]]:
    async with jobs_of(of) as (known, engine), engine.connect() as connection:
        ran = await jobs.runs(connection)
        return [_row(of.kind, job, ran.get(job.name, {}), await job.waiting(connection)) for job in known]


def _row(kind: Kind[Any], job: jobs.Job, ran: dict[str, Any], waiting: int) -> dict[str, Any]:
    also = sorted(alias for alias, name in kind.job_aliases.items() if name == job.name)
    return {
        "service": kind.name,
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


class NoJobError(LookupError):
    """There is no job of that name; the message says which there are."""


@app.command("run")
def run_job(
    name: Annotated[str, typer.Argument(help="As `loyalty jobs list` shows it.")],
    *,
    only: Only = None,
    as_json: AsJson = False,
) -> None:
    """Run a job now, whether or not its time has come, in every service that has it.

    Exit code 1 where something had to be left undone.
    """

    async def command() -> list[jobs.Run]:
        async with services_here(only) as services:
            ended = [(each.kind, *found) for each in services if (found := await run_of(each, name)) is not None]
            if not ended:
                raise NoJobError(f"there is no job {name!r}; there is {', '.join(await _names(services))}")
        for kind, job, how in ended:
            _show(kind, job, how, as_json=as_json)
        return [how for _, _, how in ended]

    try:
        ended: list[jobs.Run] = run(command())
    except NoJobError as error:
        fail(str(error))
    raise SystemExit(1 if any(each.error is not None for each in ended) else 0)


async def run_of(of: Opened[Any], wanted: str) -> tuple[str, jobs.Run] | None:
    """Run a service's job of that name, if there is one, with a progress bar on stderr; while another process runs it, wait."""
    name = of.kind.job_aliases.get(wanted, wanted)
    async with jobs_of(of) as (known, engine):
        chosen = next((job for job in known if job.name == name), None)
        if chosen is None:
            return None
        spare_the_collector()
        try:
            with _showing(name) as tell:
                return name, await jobs.run(engine, chosen, service=of.kind.name, tell=tell)
        except asyncio.CancelledError:
            errors.print("stopped: what is done stays done, and the next run goes on from there")
            raise


async def _names(services: Sequence[Opened[Any]]) -> list[str]:
    names: dict[str, None] = {}
    for each in services:
        async with jobs_of(each) as (known, _):
            names |= dict.fromkeys([*(job.name for job in known), *each.kind.job_aliases])
    return list(names)


@contextmanager
def _showing(name: str) -> Iterator[jobs.Tell]:
    columns = (TextColumn(name), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors) as progress:
        task = progress.add_task(name, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _show(kind: Kind[Any], name: str, ended: jobs.Run, *, as_json: bool) -> None:
    """Say what was done on stdout, and on stderr what was not."""
    if as_json:
        sys.stdout.write(json.dumps({"service": kind.name, "job": name, **asdict(ended)}) + "\n")
        return
    pace = f", {ended.items / ended.seconds:,.0f} a second" if ended.items and ended.seconds else ""
    Console().print(f"{name}: {ended.items:,} done in {ended.seconds:.1f} s{pace} ({kind.name})")
    if ended.error is not None:
        sys.stderr.write(f"{ended.error}\n")
