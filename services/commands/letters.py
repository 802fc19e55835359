"""`loyalty dead-letters`: records that could not be processed, shown, tried again and settled."""

import sys
from collections.abc import Coroutine
from typing import Annotated, Any

import typer

from services.commands.here import Only, services_here, the_one_here
from services.commands.terminal import AsJson, fail, out, run, show
from shared.messaging import dead_letters

Number = Annotated[int, typer.Argument(help="As `loyalty dead-letters list` shows it.")]

app = typer.Typer(no_args_is_help=True, help="Records that could not be processed.")


@app.command("list")
def list_letters(
    *,
    status: Annotated[str, typer.Option(help="open, replayed, dropped or all")] = "open",
    topic: Annotated[str | None, typer.Option(help="Only of this topic.")] = None,
    after: Annotated[int, typer.Option(help="Only those after this number.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many of each service.")] = 100,
    only: Only = None,
    as_json: AsJson = False,
) -> None:
    """List records that could not be processed, of each service the oldest first."""

    async def command() -> list[dict[str, Any]]:
        wanted, found = None if status == "all" else status, []
        async with services_here(only) as services:
            for each in services:
                async with each.service.engine.connect() as connection:
                    letters = await dead_letters.letters(
                        connection, status=wanted, topic=topic, after=after, limit=limit
                    )
                found += [{"service": each.kind.name, **_brief(letter)} for letter in letters]
        return found

    show(run(command()), "no dead letters", as_json=as_json)


def _brief(letter: dead_letters.DeadLetter) -> dict[str, Any]:
    place = "" if letter.partition is None else f"{letter.partition}/{letter.offset}"
    return {
        "id": letter.id,
        "topic": letter.topic,
        "place": place,
        "failed_at": letter.failed_at.isoformat(timespec="seconds"),
        "status": letter.status,
        "code": letter.code,
        "error": letter.error,
    }


@app.command("show")
def show_letter(number: Number, *, only: Only = None) -> None:
    """Show one, with its headers and its content as it came."""
    kind = the_one_here(only)

    async def command() -> dead_letters.DeadLetter | None:
        async with services_here(kind) as (one,), one.service.engine.connect() as connection:
            return await dead_letters.show(connection, number)

    letter: dead_letters.DeadLetter | None = run(command())
    if letter is None:
        fail(f"there is no dead letter {number}")
    for name, value in _brief(letter).items():
        out.print(f"{name}: {value}", markup=False)
    for name, content in letter.headers:
        out.print(f"header {name}: {_readable(content)}", markup=False)
    out.print(f"key: {_readable(letter.key)}", markup=False)
    sys.stdout.write(_readable(letter.value) + "\n")


def _readable(content: bytes | None) -> str:
    return "(none)" if content is None else content.decode(errors="backslashreplace")


@app.command("replay")
def replay_letter(number: Number, *, only: Only = None) -> None:
    """Try one again; it stays open where it is refused again."""
    kind = the_one_here(only)

    async def command() -> Any:
        async with services_here(kind) as (one,):
            service = one.service
            return await dead_letters.replay(service.engine, kind.subscription(service), number, now=service.clock())

    verdict = _settle(command())
    if verdict.status == "rejected":
        fail(f"refused again: {verdict.code}: {verdict.detail}")
    out.print(f"dead letter {number}: {verdict.status}")


@app.command("drop")
def drop_letter(number: Number, *, only: Only = None) -> None:
    """Settle one without another try."""
    kind = the_one_here(only)

    async def command() -> None:
        async with services_here(kind) as (one,), one.service.engine.begin() as connection:
            await dead_letters.drop(connection, number)

    _settle(command())
    out.print(f"dead letter {number}: dropped")


def _settle(command: Coroutine[Any, Any, Any]) -> Any:
    try:
        return run(command)
    except dead_letters.NotOpenError as error:
        fail(str(error))
