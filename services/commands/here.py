"""Which services a command looks after: those whose databases are configured, or that one which is named."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

import typer

from services.commands.terminal import fail, settings_of_environment
from services.registry import KINDS, Kind, kinds_here
from services.running import Opened, opened


def known(name: str) -> Kind[Any]:
    """Return the service that an option names."""
    if name not in KINDS:
        raise typer.BadParameter(f"should be one of {', '.join(KINDS)}")
    return KINDS[name]


Only = Annotated[
    Kind[Any] | None,
    typer.Option(
        "--service",
        parser=known,
        metavar="NAME",
        help="Only this service. [default: those with a database URL, or all]",
    ),
]


@asynccontextmanager
async def services_here(only: Kind[Any] | None) -> AsyncIterator[Sequence[Opened[Any]]]:
    """Give the services that are here, or the one that was named."""
    settings = settings_of_environment()
    async with opened(settings, kinds_here(settings) if only is None else [only]) as here:
        yield here.services


def the_one_here(only: Kind[Any] | None) -> Kind[Any]:
    """Return the service that was named, or the only one; where there are several the command ends."""
    found = kinds_here(settings_of_environment()) if only is None else [only]
    if len(found) > 1:
        fail(f"there are several services here: add --service {' or --service '.join(each.name for each in found)}")
    return found[0]
