"""`loyalty import`: its options, its progress and what it says at the end."""

import asyncio
import inspect
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from services.points.imports import run as imports
from services.points.imports.presets import PRESETS, Mapping, mapping
from services.points.imports.rejected import Rejected
from services.registry import AllSettings
from services.running import points_service, spare_the_collector

errors = Console(stderr=True)

Files = Annotated[list[Path], typer.Argument(help="CSV files, as they are or compressed (.gz, .zst).")]
Preset = Annotated[str | None, typer.Option(help=f"A known file: {', '.join(PRESETS)}. Options below change it.")]
RejectedFile = Annotated[
    Path | None, typer.Option("--rejected", help="Where rows go that could not be used. [default: rejected.csv]")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what it would do, and do nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="End with one line of JSON; all else goes to stderr.")]

DEFAULT_REJECTED = Path("rejected.csv")


def with_mapping_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each field of `Mapping`; it gets those that were given as `**given`."""
    own = [each for each in inspect.signature(command).parameters.values() if each.kind is not each.VAR_KEYWORD]
    signature = inspect.Signature([*own, *map(_option, Mapping.model_fields)])
    command.__signature__ = signature  # type: ignore[attr-defined] # where typer looks
    command.__annotations__ = {name: each.annotation for name, each in signature.parameters.items()}
    return command


def _option(field: str) -> inspect.Parameter:
    flag = Mapping.model_fields[field].annotation is bool
    default = Mapping.model_fields[field].default
    text = Mapping.model_fields[field].description or ""
    shown = f"{text} [default: {default}]" if isinstance(default, str) else text
    name = field.replace("_", "-")
    option = typer.Option(f"--{name}/--no-{name}" if flag else f"--{name}", help=shown, show_default=False)
    annotation = Annotated[(bool if flag else str) | None, option]  # type: ignore[valid-type] # made here
    return inspect.Parameter(field, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def wanted(
    settings: AllSettings,
    files: list[Path],
    *,
    preset: str | None,
    rejected: Path | None,
    dry_run: bool,
    **given: Any,
) -> imports.Import:
    """Return what to import, checked as far as can be seen. Raises `FileError` and `MappingError`."""
    said = {name: value for name, value in given.items() if value is not None}
    if rejected is None and not dry_run:
        rejected = DEFAULT_REJECTED
    found = imports.Import(files, mapping(preset, said), settings.max_event_bytes, rejected, dry_run)
    imports.check(found)
    return found


async def run(settings: AllSettings, import_: imports.Import) -> tuple[imports.Report, Rejected]:
    """Import with progress bars on stderr."""
    async with points_service(settings) as points:
        spare_the_collector()
        try:
            with showing() as tell:
                return await imports.run(points, import_, tell)
        except asyncio.CancelledError:
            errors.print("stopped: what is booked stays booked, and the same command again goes on from there")
            raise


@contextmanager
def showing() -> Iterator[imports.Tell]:
    """Show a progress bar for each thing that is told of."""
    columns = (TextColumn("{task.description:>9}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors) as progress:
        tasks: dict[str, Any] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done, total=total)

        yield tell


def show(report: imports.Report, rejected: Rejected, *, dry_run: bool, as_json: bool) -> None:
    """Say what was booked, and where the rest is."""
    would = "would be " if dry_run else ""
    say = errors.print if as_json else Console().print
    say(f"{would}booked: {report.purchases:,} purchases of {report.customers:,} customers, {report.points:,} points")
    say(f"{would}taken back: {report.refunds:,} refunds")
    unused = report.unmatched + report.anonymous + report.rejected
    say(
        f"not used: {unused:,} rows ({report.anonymous:,} without a customer, {report.unmatched:,} cancellations that"
        f" match no invoice, {report.rejected:,} rejected)"
    )
    if rejected.written:
        say(f"why stands in {rejected.path}", markup=False)
    if as_json:
        sys.stdout.write(json.dumps(asdict(report)) + "\n")
