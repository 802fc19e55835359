"""`loyalty refunds`: refunds that wait for their purchase."""

from typing import Any

import typer

from services.commands.terminal import AsJson, run, settings_of_environment, show
from services.points import queries
from services.running import points_service

app = typer.Typer(no_args_is_help=True, help="Refunds.")


@app.command("waiting")
def waiting_refunds(*, as_json: AsJson = False) -> None:
    """List refunds whose purchase has not come, the oldest first."""

    async def command() -> list[dict[str, Any]]:
        async with points_service(settings_of_environment()) as points, points.engine.connect() as connection:
            rows = await queries.waiting_refunds(connection)
            return [{**row, "age": queries.age(row["received_at"], points.clock())} for row in rows]

    show(run(command()), "no refund waits for its purchase", as_json=as_json)
