"""How a command is run to its end, and what it shows."""

import json
import signal
import sys
from collections.abc import Coroutine
from typing import Annotated, Any, NoReturn

import typer
import uvloop
from rich.console import Console
from rich.table import Table

from services.registry import AllSettings
from services.running import StartError
from shared.database import DatabaseAwayError
from shared.embedded_postgres import EmbeddedPostgresError
from shared.settings import Chosen, SettingsError, read_or_exit, refuse
from shared.telemetry import configure_logging

out = Console(width=None if sys.stdout.isatty() else 200)
"""What goes into a file or a pipe is not broken where a terminal would end."""

AsJson = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]

ENDED_BY_CTRL_C = 130


def settings_of(kind: type[Chosen]) -> Chosen:
    """Return settings from the environment; wrong ones end the process with their names."""
    settings = read_or_exit(kind)
    configure_logging(settings.log_level, settings.log_format)
    return settings


def settings_of_environment() -> AllSettings:
    """Return the settings of all services."""
    return settings_of(AllSettings)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a command to its end; what a user can mend is said in a line, without a traceback.

    SIGTERM and Ctrl-C cancel it, so that it ends in good order whatever it is at.
    """
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    # a shell lets what it starts in the background ignore Ctrl-C, and with it this
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return uvloop.run(work)
    except SettingsError as error:
        refuse(error)
    except (StartError, EmbeddedPostgresError, DatabaseAwayError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        raise SystemExit(ENDED_BY_CTRL_C) from None


def run_service(work: Coroutine[Any, Any, None]) -> None:
    """Run until told to end, which is the good end of a service."""
    try:
        run(work)
    except SystemExit as end:
        if end.code != ENDED_BY_CTRL_C:
            raise


def fail(message: str) -> NoReturn:
    """End with a line on stderr and exit code 1."""
    sys.stderr.write(f"{message}\n")
    raise SystemExit(1)


def show(rows: list[dict[str, Any]], nothing: str, *, as_json: bool) -> None:
    """Show rows as a table or as JSON; `nothing` is what is said where there is none."""
    if as_json:
        sys.stdout.write(json.dumps(rows, default=str) + "\n")
        return
    if not rows:
        out.print(nothing)
        return
    table = Table(header_style="bold")
    for name in rows[0]:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    out.print(table)
