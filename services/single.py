"""The services in one process: what `make run` starts, for a newcomer, a small shop or a development machine."""

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse

from services.registry import KINDS, AllSettings
from services.running import Opened, admit, broker_checks, keeping, opened, serve, worker
from services.start_page import start_page
from shared.errors import answer_with_problems


def compose(services: Sequence[Opened[Any]], settings: AllSettings) -> FastAPI:
    """Return the application: a start page, and each service under its name."""
    app = FastAPI(title="Loyalty", openapi_url=None)
    answer_with_problems(app)

    @app.get("/", response_class=HTMLResponse)
    async def start() -> Response:
        return HTMLResponse(await start_page(services, settings))

    for each in services:
        api = each.kind.create_app(each.service, settings, checks=broker_checks(settings))
        app.mount(f"/{each.kind.name}", api)
    return app


async def run(settings: AllSettings, *, ready: Callable[[], None]) -> None:
    """Serve until cancelled; `ready` is called when the API answers."""
    async with opened(settings, list(KINDS.values())) as here:
        parts = keeping(here)
        for each in here.services:
            await admit(each, settings)
            parts += worker(each, settings, [other for other in here.services if other is not each])
        await serve(compose(here.services, settings), settings, parts, ready=ready)
