"""The notifications service's application: where its parts are put together, once."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import JSONResponse

import services.notifications
from services.notifications import history, programmes
from services.notifications.addresses import routes as address_routes
from services.notifications.commands import SOURCE, EraseCustomer
from services.notifications.consents import routes as consent_routes
from services.notifications.coupons import routes as coupon_routes
from services.notifications.coupons import shared_routes
from services.notifications.documents import asyncapi
from services.notifications.hooks import routes as hooks
from services.notifications.memory import MEMORY
from services.notifications.messages import routes as messages
from services.notifications.occasions import routes as occasion_routes
from services.notifications.pages import routes as page_routes
from services.notifications.pages.visits import Visits
from services.notifications.profiles import routes as profiles
from services.notifications.profiles import segment_routes
from services.notifications.service import NotificationsService
from services.notifications.settings import NotificationsSettings
from services.notifications.wording import routes as templates
from shared.auth import Keys, is_loopback
from shared.customers import People, customer_routes
from shared.guessing import Guesses
from shared.http import Api, Check, health_routes
from shared.service import database_checks

PEOPLE = People(MEMORY, EraseCustomer, SOURCE)

DESCRIPTION = """Coupons that work at the till: checked, reserved for a basket, redeemed once, released; personal ones, and codes for
everybody with a budget. Profiles of customers, and segments of them."""


def create_app(
    notifications: NotificationsService,
    settings: NotificationsSettings,
    *,
    checks: Mapping[str, Check] | None = None,
) -> Api:
    """Return the service's API; `checks` beside the database's say whether it is ready."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await notifications.close()

    app = Api(
        service="notifications",
        title="Loyalty: notifications",
        version="1.0.0",
        description=DESCRIPTION,
        max_request_bytes=settings.max_request_bytes,
        lifespan=lifespan,
    )
    app.state.service = notifications
    app.state.settings = settings
    app.state.keys = Keys(notifications.engine, open_here=is_loopback(settings.host))
    app.state.guesses = Guesses(settings.notifications_guesses_per_minute)
    app.state.visits = Visits()
    app.include_router(programmes.router)
    app.include_router(profiles.router)
    app.include_router(consent_routes.router)
    app.include_router(address_routes.router)
    app.include_router(history.router)
    app.include_router(customer_routes(PEOPLE))
    app.include_router(segment_routes.router)
    app.include_router(occasion_routes.router)
    app.include_router(shared_routes.router)
    app.include_router(coupon_routes.router)
    app.include_router(templates.router)
    app.include_router(messages.router)
    app.include_router(hooks.router)
    app.include_router(page_routes.router)

    @app.get("/asyncapi.json", include_in_schema=False)
    async def events() -> JSONResponse:
        return JSONResponse(asyncapi())

    app.include_router(
        health_routes({**database_checks(notifications.engine, services.notifications), **(checks or {})})
    )
    return app
