"""`loyalty keys`: API keys; one key is taken by every service that is here."""

import datetime as dt
import getpass
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from services.commands.here import Only, services_here
from services.commands.terminal import AsJson, fail, out, run, show
from services.registry import Kind
from shared import api_keys

KeyName = Annotated[str, typer.Argument(help="Who has the key: lower-case letters, digits, dots and dashes.")]

app = typer.Typer(no_args_is_help=True, help="API keys.")


@app.command("create")
def create_key(
    name: KeyName,
    scopes: Annotated[
        list[str], typer.Option("--scope", help=f"One or more of {', '.join(api_keys.SCOPES)} (everything).")
    ],
    *,
    only: Only = None,
) -> None:
    """Make a key and show it, once."""
    token = api_keys.drawn()

    async def create(connections: Sequence[AsyncConnection], **when: Any) -> None:
        for connection in connections:
            await api_keys.create(connection, name, scopes, token=token, **when)

    _with_keys(only, create)
    _show_key(token)


@app.command("rotate")
def rotate_key(
    name: KeyName,
    *,
    grace_hours: Annotated[float, typer.Option(min=0, help="How long the one before is taken.")] = 24,
    only: Only = None,
) -> None:
    """Make another key for somebody and show it, once; a service that has none of that name gets it too."""
    token, grace = api_keys.drawn(), dt.timedelta(hours=grace_hours)

    async def rotate(connections: Sequence[AsyncConnection], *, now: dt.datetime, actor: str) -> None:
        held = [await api_keys.scopes_of(connection, name, now=now) for connection in connections]
        for connection, scopes in zip(connections, held, strict=True):
            if scopes or not any(held):
                await api_keys.rotate(connection, name, grace=grace, now=now, actor=actor, token=token)
            else:
                await api_keys.create(connection, name, next(filter(None, held)), now=now, actor=actor, token=token)

    _with_keys(only, rotate)
    _show_key(token)


@app.command("revoke")
def revoke_key(name: KeyName, *, only: Only = None) -> None:
    """End every key of somebody; it takes effect within seconds."""

    async def revoke(connections: Sequence[AsyncConnection], **when: Any) -> int:
        held = [each for each in connections if await api_keys.is_known(each, name)]
        return max([await api_keys.revoke(each, name, **when) for each in held or connections])

    ended = _with_keys(only, revoke)
    out.print(f"{name}: {ended} keys revoked" if ended > 1 else f"{name}: revoked")


@app.command("list")
def list_keys(*, only: Only = None, as_json: AsJson = False) -> None:
    """List every key that ever was, without its secret."""

    async def command() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        async with services_here(only) as services:
            for each in services:
                async with each.service.engine.connect() as connection:
                    keys = await api_keys.listed(connection, now=each.service.clock())
                found += [{"service": each.kind.name, **key} for key in keys]
        return sorted(found, key=lambda key: (key["name"], key["created_at"]))

    show(run(command()), "there is no API key: programs on this machine may ask for anything", as_json=as_json)


def _with_keys(only: Kind[Any] | None, change: Callable[..., Awaitable[Any]]) -> Any:
    """Change the keys of all services or of none, in the name of whoever sits at the command line."""

    async def command() -> Any:
        async with services_here(only) as services, AsyncExitStack() as transactions:
            connections = [await transactions.enter_async_context(each.service.engine.begin()) for each in services]
            actor = f"command line ({getpass.getuser()})"
            return await change(connections, now=services[0].service.clock(), actor=actor)

    try:
        return run(command())
    except api_keys.KeysError as error:
        fail(str(error))


def _show_key(key: str) -> None:
    """Show a key on stdout alone, so that it can be piped to where it is kept."""
    sys.stderr.write("Keep this key; it is not shown again. It is sent as: Authorization: Bearer KEY\n")
    sys.stdout.write(f"{key}\n")
