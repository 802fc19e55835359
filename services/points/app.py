"""The points service's application: where its parts are put together, once."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import JSONResponse

import services.points
from services.points import adjustments, care, intake, programmes, redemptions, routes, sharing
from services.points.commands import SOURCE, EraseCustomer
from services.points.documents import asyncapi
from services.points.memory import MEMORY
from services.points.reports import routes as report_routes
from services.points.reports.reader import points_reports
from services.points.rewards import routes as reward_routes
from services.points.rewards import settlement
from services.points.service import PointsService
from services.points.settings import PointsSettings
from shared.auth import Keys, is_loopback
from shared.customers import People, customer_routes
from shared.http import Api, Check, health_routes
from shared.service import database_checks

PEOPLE = People(MEMORY, EraseCustomer, SOURCE)

DESCRIPTION = """Points for purchases, in a ledger that can be trusted.

Purchases arrive as events or over `POST /v1/purchases`, in any order and however often: each earns once."""


def create_app(points: PointsService, settings: PointsSettings, *, checks: Mapping[str, Check] | None = None) -> Api:
    """Return the service's API; `checks` beside the database's say whether it is ready."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await reports.close()
        await points.close()

    app = Api(
        service="points",
        title="Loyalty: points",
        version="1.0.0",
        description=DESCRIPTION,
        max_request_bytes=settings.max_request_bytes,
        lifespan=lifespan,
    )
    reports = points_reports(points.engine, clock=points.clock, account_names=settings.account_names())
    app.state.service = points
    app.state.reports = reports
    app.state.settings = settings
    app.state.keys = Keys(points.engine, open_here=is_loopback(settings.host))
    app.include_router(routes.router)
    app.include_router(care.router)
    app.include_router(redemptions.router)
    app.include_router(sharing.router)
    app.include_router(reward_routes.router)
    app.include_router(settlement.router)
    app.include_router(adjustments.router)
    app.include_router(programmes.router)
    app.include_router(intake.router)
    app.include_router(customer_routes(PEOPLE))
    app.include_router(report_routes.router)

    @app.get("/asyncapi.json", include_in_schema=False)
    async def events() -> JSONResponse:
        return JSONResponse(asyncapi())

    app.include_router(health_routes({**database_checks(points.engine, services.points), **(checks or {})}))
    return app
