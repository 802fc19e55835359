"""`loyalty serve`, `loyalty services NAME` and `loyalty migrate`: all in one process, one by itself, none but its schema."""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from services import single
from services.commands.here import Only, services_here
from services.commands.terminal import fail, out, run, run_service, settings_of, settings_of_environment
from services.registry import KINDS, Kind
from services.running import admit, broker_checks, keeping, opened, serve, work, worker, worker_health
from shared.settings import Settings

Serve = Annotated[bool, typer.Option("--api/--no-api", help="Serve the API.")]
Work = Annotated[bool, typer.Option("--worker/--no-worker", help="Consume and relay events.")]

app = typer.Typer(no_args_is_help=True, help="Run one service by itself.")


def serve_all() -> None:
    """Run everything in one process, with a PostgreSQL of its own unless one is configured."""
    settings = settings_of_environment()

    def ready() -> None:
        out.print(f"Loyalty on http://{settings.host}:{settings.port} (Ctrl-C ends it)")

    run_service(single.run(settings, ready=ready))


def migrate(*, only: Only = None) -> None:
    """Bring the databases to the newest schema."""

    async def command() -> None:
        async with services_here(only) as services:
            for each in services:
                out.print(f"{each.kind.name}: the schema is the newest")

    run(command())


def _command(kind: Kind[Any]) -> Callable[..., None]:
    def serve_one(*, api: Serve = True, with_worker: Work = True) -> None:
        settings = settings_of(kind.settings)
        if api and "port" not in settings.model_fields_set:
            settings = settings.model_copy(update={"port": kind.port})
        if not api and not with_worker:
            fail("--no-api and --no-worker leave nothing to run")
        run_service(_serve_one(kind, settings, api=api, with_worker=with_worker))

    return serve_one


async def _serve_one(kind: Kind[Any], settings: Settings, *, api: bool, with_worker: bool) -> None:
    async with opened(settings, [kind]) as here:
        (one,) = here.services
        parts = [*(worker(one, settings) if with_worker else []), *keeping(here)]
        if api:
            await admit(one, settings)
            await serve(kind.create_app(one.service, settings, checks=broker_checks(settings)), settings, parts)
        elif "port" in settings.model_fields_set:
            await serve(worker_health(one, settings), settings, parts)
        else:
            await work(parts)


for each in KINDS.values():
    about = f"Run the {each.name} service: its API, its worker, or both; a worker alone answers for its health where a port is set."
    app.command(each.name, help=about)(_command(each))
