"""Ways to issue coupons and to use them, in one line."""

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notifications.app import create_app
from services.notifications.commands import Command, IssueCoupon, Outcome, Request, TakeBack, UseCoupons, VoidCoupon
from services.notifications.delivery import Delivery
from services.notifications.links import Links
from services.notifications.service import NotificationsService
from services.notifications.settings import NotificationsSettings
from shared.database import create_engine, transact
from tests.notifications.clocks import Clock

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
CODE = "XMAS-7K2M-9QF4-T3HJ"
KEY = "a-key-of-these-tests-0123456789ab"
VALUE = '{"kind": "money_voucher", "amount": "5.00", "currency": "EUR", "minimum": "20.00"}'

LINKS = Links(KEY.encode, "https://shop.example/messages")

Book = Callable[..., Awaitable[list[Outcome]]]


def issue(name: str = "claim-1", code: str = CODE, customer: str = "anna", *, days: int | None = 30) -> IssueCoupon:
    """A coupon of a reward, unless its name says another."""
    return IssueCoupon(name, customer, "reward", code, VALUE, valid_days=days)


def void(name: str = "claim-1", customer: str = "anna", code: str | None = CODE) -> VoidCoupon:
    return VoidCoupon(name, customer, "reward", "ordered by mistake", code)


def purchase(invoice: str = "R-1", *codes: str, total: str = "49.90", at: float = 0) -> UseCoupons:
    """A purchase that named codes, so many hours from now."""
    return UseCoupons("shop", invoice, Decimal(total), codes or (CODE,), NOW + dt.timedelta(hours=at))


def refund(invoice: str = "R-1", amount: str = "49.90", refund_id: str = "1") -> TakeBack:
    return TakeBack("shop", invoice, refund_id, Decimal(amount))


@pytest.fixture
async def engine(notifications_url: str) -> AsyncIterator[AsyncEngine]:
    made = create_engine(notifications_url, name="tests", pool_size=5)
    yield made
    await made.dispose()


@pytest.fixture
def book(engine: AsyncEngine) -> Book:
    """Book commands in one transaction and return their outcomes."""
    delivery = Delivery()

    async def run(*commands: Command, now: dt.datetime = NOW) -> list[Outcome]:
        request = Request(list(commands))
        replies = await transact(engine, lambda connection: delivery.book(connection, [request], now=now))
        return replies[0].outcomes

    return run


@pytest.fixture
async def notifications(notifications_url: str) -> AsyncIterator[NotificationsService]:
    service = NotificationsService(create_engine(notifications_url, name="api", pool_size=5), links=LINKS)
    yield service
    await service.close()


@pytest.fixture
def clock() -> Clock:
    """When it is in the tests of sending."""
    return Clock(NOW)


@pytest.fixture
def sending(engine: AsyncEngine, clock: Clock) -> NotificationsService:
    """The service where mail is ours to deliver."""
    return NotificationsService(engine, links=LINKS, delivers_mail=True, clock=clock)


@pytest.fixture
async def client(notifications: NotificationsService) -> AsyncIterator[httpx.AsyncClient]:
    """Ask the notifications service's API as a program on this machine would."""
    app = create_app(notifications, NotificationsSettings())
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as asking:
        yield asking
