"""The services in one process: what `make run` starts, for a newcomer, a small shop or a development machine."""

from collections.abc import Callable

from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse

from services.points.app import create_app
from services.points.service import PointsService
from services.points.settings import PointsSettings
from services.running import admit, broker_checks, keeping, points_service, serve, worker
from services.start_page import start_page
from shared.errors import answer_with_problems


def compose(points: PointsService, settings: PointsSettings) -> FastAPI:
    """Return the application: a start page, and each service under its name."""
    app = FastAPI(title="Loyalty", openapi_url=None)
    answer_with_problems(app)

    @app.get("/", response_class=HTMLResponse)
    async def start() -> Response:
        return HTMLResponse(await start_page(points, settings))

    app.mount("/points", create_app(points, settings, checks=broker_checks(settings)))
    return app


async def run(settings: PointsSettings, *, ready: Callable[[], None]) -> None:
    """Serve until cancelled; `ready` is called when the API answers."""
    async with points_service(settings) as (points, books):
        await admit(points, settings)
        parts = [*worker(points, settings, books), *keeping(books)]
        await serve(compose(points, settings), settings, parts, ready=ready)
