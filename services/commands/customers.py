"""`loyalty customers`: all that is known of somebody, and their end, in every service that is here."""

import getpass
import secrets
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError

from services.commands.here import Only, services_here
from services.commands.jobs import run_of
from services.commands.terminal import fail, out, run
from services.registry import Kind
from services.running import Opened
from shared import erasures
from shared.contracts.values import CustomerId
from shared.customers import People
from shared.requests import Author, Request

app = typer.Typer(no_args_is_help=True, help="What is known of a customer, and forgetting them.")


def customer(name: str) -> str:
    """Return the customer that an argument names."""
    try:
        return str(TypeAdapter(CustomerId).validate_python(name))
    except ValidationError:
        raise typer.BadParameter("should be a customer id, and no e-mail address") from None


Customer = Annotated[str, typer.Argument(parser=customer, metavar="ID", help="The shop's id of the customer.")]


@app.command("export")
def export_customer(customer_id: Customer, *, only: Only = None) -> None:
    """Write all that is known of a customer to stdout, as JSON: by service, and by table."""

    async def command() -> None:
        before = b"{"
        async with services_here(only) as services:
            for each, people in _knowing(services):
                sys.stdout.buffer.write(b'%b"%b":' % (before, each.kind.name.encode()))
                async with each.service.engine.connect() as connection:
                    async for part in erasures.export(connection, people.memory, customer_id):
                        sys.stdout.buffer.write(part)
                before = b","
        sys.stdout.buffer.write(b"}\n")

    run(command())


@app.command("erase")
def erase_customer(
    customer_id: Customer,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    only: Only = None,
) -> None:
    """Erase a customer for good, under all of their ids, and delete at once what was kept of them."""
    if not yes and not typer.confirm(f"Erase {customer_id} for good?"):
        fail("nothing was done")
    run(_erase(customer_id, only))


async def _erase(customer_id: str, only: Kind[Any] | None) -> None:
    author = Author(f"command line ({getpass.getuser()})", secrets.token_hex(8))
    async with services_here(only) as services:
        for each, people in _knowing(services):
            command = people.erasure(customer_id, now=each.service.clock(), author=author.name)
            reply = await each.service.submit(Request([command], author=author))
            await run_of(each, "forget")
            done = "erased" if reply.outcomes[0].is_new else "was erased before"
            out.print(f"{each.kind.name}: {customer_id} {done}", markup=False)


def _knowing(services: Sequence[Opened[Any]]) -> list[tuple[Opened[Any], People]]:
    return [(each, people) for each in services if (people := each.kind.people) is not None]
