"""`loyalty programme`: a service's rules in a file, checked, compared with those that hold, and published."""

import datetime as dt
import getpass
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from pydantic import ValidationError

from services.commands.here import known
from services.commands.terminal import AsJson, fail, out, run, settings_of_environment, show
from services.registry import POINTS, AllSettings, Kind, Rules
from services.running import alone
from shared.contracts.values import LATEST
from shared.differences import differences
from shared.documents import Document, UnpublishableError, Version
from shared.errors import invalid_fields


class DraftError(Exception):
    """A file holds no programme that could be published; the message has a line for each fault."""


def _instant(text: str) -> dt.datetime:
    try:
        instant = dt.datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("should be an instant like 2026-12-01T00:00:00+01:00") from None
    if instant.tzinfo is None:
        raise typer.BadParameter("should have its offset, as in 2026-12-01T00:00:00+01:00")
    if instant > LATEST:
        raise typer.BadParameter(f"should be before the year {LATEST.year}")
    return instant


def _ruled(name: str) -> Kind[Any]:
    kind = known(name)
    if kind.rules is None:
        raise typer.BadParameter(f"{name} has no programme")
    return kind


File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="A programme as JSON.")]
Only = Annotated[
    Kind[Any] | None,
    typer.Option("--service", parser=_ruled, metavar="NAME", help="Whose programme it is. [default: points]"),
]
Number = Annotated[int | None, typer.Option("--version", min=1, help="Another than the one that holds now.")]
ValidFrom = Annotated[
    dt.datetime | None,
    typer.Option("--valid-from", parser=_instant, metavar="INSTANT", help="When it begins to hold. [default: now]"),
]


app = typer.Typer(no_args_is_help=True, help="The rules of a service: of points, or with --service of another.")


def read(file: Path, rules: Rules) -> Document:
    """Return a service's programme of a file. Raises `DraftError`."""
    try:
        document = orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError as error:
        raise DraftError(f"{file} is no JSON: {error}") from None
    try:
        programme = rules.programme.model_validate(document)
    except ValidationError as error:
        fields = invalid_fields([dict(each) for each in error.errors()], document)
        raise DraftError("\n".join(f"{each.pointer or '/'}: {each.detail}" for each in fields)) from None
    found = rules.faults(programme)
    if found:
        raise DraftError("\n".join(f"{each.pointer}: {each.detail}" for each in found))
    return programme


async def published(settings: AllSettings, kind: Kind[Any], number: int | None) -> Version[Any]:
    """Return the programme that holds now, or a version of it. Raises `DraftError` where there is none."""
    async with alone(settings, kind) as service:
        if number is None:
            now: Version[Any] = await service.programme_now()
            return now
        found = await service.programme(number)
    if found is None:
        raise DraftError(f"no version {number} of the programme was published")
    return Version(version=found["version"], valid_from=found["valid_from"], programme=found["programme"])


async def versions(settings: AllSettings, kind: Kind[Any]) -> list[dict[str, Any]]:
    """Return all published versions, the newest first."""
    async with alone(settings, kind) as service:
        listed: list[dict[str, Any]] = await service.programmes()
    return listed


async def compared(settings: AllSettings, kind: Kind[Any], draft: Document) -> list[dict[str, Any]]:
    """Return what differs between the programme that holds now and a draft."""
    async with alone(settings, kind) as service:
        current = await service.programme_now()
    return [
        {"pointer": each.pointer, "before": _shown(each.before), "after": _shown(each.after)}
        for each in differences(current.programme, draft)
    ]


def _shown(value: Any) -> Any:
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else value


async def publish(
    settings: AllSettings, kind: Kind[Any], draft: Document, valid_from: dt.datetime | None
) -> tuple[Version[Any], bool]:
    """Publish a programme in the name of whoever sits at the command line. Answers its version, and whether that is new.

    Raises `DraftError` where it should have held in the past, or what was published before is in its way.
    """
    async with alone(settings, kind) as service:
        now = service.clock()
        if valid_from is not None and valid_from < now:
            raise DraftError("what was earned by the rules of its day stays; choose a later instant")
        actor = f"command line ({getpass.getuser()})"
        try:
            made: tuple[Version[Any], bool] = await service.publish(
                draft, valid_from=valid_from or now, now=now, actor=actor
            )
            return made
        except UnpublishableError as error:
            raise DraftError(str(error)) from None


def written(version: Version[Any]) -> str:
    """Return a programme as a file holds it."""
    document = version.programme.model_dump(mode="json", by_alias=True)
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()


# The commands


@app.command("show")
def show_programme(*, number: Number = None, only: Only = None) -> None:
    """Write the programme that holds now to stdout, as a file to begin a draft from."""
    version = _with_draft(published(settings_of_environment(), only or POINTS, number))
    sys.stderr.write(f"version {version.version}, valid from {version.valid_from:%Y-%m-%d %H:%M:%S %Z}\n")
    sys.stdout.write(written(version) + "\n")


@app.command("versions")
def list_programmes(*, as_json: AsJson = False, only: Only = None) -> None:
    """List the versions that were published, the newest first."""
    show(run(versions(settings_of_environment(), only or POINTS)), "nothing was published", as_json=as_json)


@app.command("check")
def check_programme(file: File, *, only: Only = None) -> None:
    """Say what is wrong with a draft; exit code 1 where anything is."""
    _draft(file, only or POINTS)
    out.print("the programme fits together")


@app.command("diff")
def compare_programme(file: File, *, as_json: AsJson = False, only: Only = None) -> None:
    """List what differs between the programme that holds now and a draft."""
    kind = only or POINTS
    draft = _draft(file, kind)
    show(run(compared(settings_of_environment(), kind, draft)), "nothing differs", as_json=as_json)


@app.command("publish")
def publish_programme(file: File, *, valid_from: ValidFrom = None, only: Only = None) -> None:
    """Publish a draft as a new version."""
    kind = only or POINTS
    draft = _draft(file, kind)
    version, is_new = _with_draft(publish(settings_of_environment(), kind, draft, valid_from))
    since = f"version {version.version}, valid from {version.valid_from:%Y-%m-%d %H:%M:%S %Z}"
    out.print(f"published: {since}" if is_new else f"nothing changes: it is {since}")


def _draft(file: Path, kind: Kind[Any]) -> Document:
    assert kind.rules is not None  # noqa: S101 - the option takes no other
    try:
        return read(file, kind.rules)
    except DraftError as error:
        fail(str(error))


def _with_draft(command: Coroutine[Any, Any, Any]) -> Any:
    try:
        return run(command)
    except DraftError as error:
        fail(str(error))
