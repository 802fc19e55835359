"""The referrals service's application: where its parts are put together, once."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import JSONResponse

import services.referrals
from services.referrals import claims, programmes, routes
from services.referrals.commands import SOURCE, EraseCustomer
from services.referrals.documents import asyncapi
from services.referrals.memory import MEMORY
from services.referrals.pairs import routes as pair_routes
from services.referrals.partners import routes as partner_routes
from services.referrals.reports import routes as report_routes
from services.referrals.reports.reader import referrals_reports
from services.referrals.service import ReferralsService
from services.referrals.settings import ReferralsSettings
from shared.auth import Keys, is_loopback
from shared.customers import People, customer_routes
from shared.guessing import Guesses
from shared.http import Api, Check, health_routes
from shared.service import database_checks

PEOPLE = People(MEMORY, EraseCustomer, SOURCE)

DESCRIPTION = """Rewards for recommending, and for buying together.

A friend claims the code of a customer, over `POST /v1/claims`, with a purchase or on registration; the first purchase that is
big enough rewards both."""


def create_app(
    referrals: ReferralsService, settings: ReferralsSettings, *, checks: Mapping[str, Check] | None = None
) -> Api:
    """Return the service's API; `checks` beside the database's say whether it is ready."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await reports.close()
        await referrals.close()

    app = Api(
        service="referrals",
        title="Loyalty: referrals",
        version="1.0.0",
        description=DESCRIPTION,
        max_request_bytes=settings.max_request_bytes,
        lifespan=lifespan,
    )
    reports = referrals_reports(referrals.engine, clock=referrals.clock)
    app.state.service = referrals
    app.state.reports = reports
    app.state.settings = settings
    app.state.keys = Keys(referrals.engine, open_here=is_loopback(settings.host))
    app.state.guesses = Guesses(settings.referrals_guesses_per_minute)
    app.include_router(programmes.router)
    app.include_router(routes.router)
    app.include_router(claims.router)
    app.include_router(pair_routes.router)
    app.include_router(partner_routes.router)
    app.include_router(report_routes.router)
    app.include_router(customer_routes(PEOPLE))

    @app.get("/asyncapi.json", include_in_schema=False)
    async def events() -> JSONResponse:
        return JSONResponse(asyncapi())

    app.include_router(health_routes({**database_checks(referrals.engine, services.referrals), **(checks or {})}))
    return app
