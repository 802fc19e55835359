"""Ways to say a purchase and to book it, in one line."""

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.points.app import create_app
from services.points.commands import (
    AdjustBalance,
    AwardPurchase,
    ClaimPurchase,
    Command,
    EnrolCustomer,
    Outcome,
    RefundPurchase,
    Request,
)
from services.points.ledger import Ledger
from services.points.programme import Programme
from services.points.service import PointsService
from services.points.settings import PointsSettings
from shared.contracts.purchases import PurchaseCompleted, PurchaseRefunded
from shared.database import create_engine, transact
from shared.requests import Origin

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)

Book = Callable[..., Awaitable[list[Outcome]]]


def purchase(invoice: str = "R-1", total: str = "100.00", customer: str | None = "c-1", **more: Any) -> AwardPurchase:
    """A purchase as Kafka brings it; its event is named after its invoice unless `event` says another."""
    event = more.pop("event", f"purchase-{invoice}")
    said = {"shop_id": "shop", "invoice_number": invoice, "currency": "EUR", "total": total, "customer_id": customer}
    said |= {"occurred_at": "2026-11-23T10:15:00+01:00"} | more
    return AwardPurchase(PurchaseCompleted.model_validate(said), Origin("/test", event, NOW))


def refund(invoice: str = "R-1", amount: str = "100.00", refund_id: str = "1", **more: Any) -> RefundPurchase:
    event = more.pop("event", f"refund-{invoice}-{refund_id}")
    said = {"shop_id": "shop", "invoice_number": invoice, "currency": "EUR", "amount": amount, "refund_id": refund_id}
    return RefundPurchase(PurchaseRefunded.model_validate(said | more), Origin("/test", event, NOW))


def enrolment(customer: str = "c-1", card: str | None = None) -> EnrolCustomer:
    return EnrolCustomer(customer, NOW, card)


def claim(invoice: str = "R-1", customer: str = "c-1") -> ClaimPurchase:
    return ClaimPurchase("shop", invoice, customer)


def adjustment(
    points: int, customer: str = "c-1", *, key: str | None = None, allow_debt: bool = False
) -> AdjustBalance:
    name = key or f"a{points}"
    return AdjustBalance(name, customer, points, "goodwill", "tester", NOW, allow_debt=allow_debt)


async def publish(engine: AsyncEngine, programme: Programme, *, valid_from: dt.datetime = NOW) -> None:
    async with engine.begin() as connection:
        await Ledger().publish(connection, programme, valid_from=valid_from, now=NOW, actor="tester")


@pytest.fixture
def book(engine: AsyncEngine) -> Book:
    """Book commands in one transaction and return their outcomes."""
    ledger = Ledger()

    async def run(*commands: Command, now: dt.datetime = NOW) -> list[Outcome]:
        request = Request(list(commands))
        replies = await transact(engine, lambda connection: ledger.book(connection, [request], now=now))
        return replies[0].outcomes

    return run


@pytest.fixture
async def points(database_url: str) -> AsyncIterator[PointsService]:
    service = PointsService(create_engine(database_url, name="api", pool_size=5))
    yield service
    await service.close()


@pytest.fixture
async def client(points: PointsService) -> AsyncIterator[httpx.AsyncClient]:
    """Ask the points service's API as a program on this machine would."""
    transport = httpx.ASGITransport(create_app(points, PointsSettings()), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as asking:
        yield asking


__all__ = ["NOW", "Decimal", "adjustment", "claim", "enrolment", "publish", "purchase", "refund"]
