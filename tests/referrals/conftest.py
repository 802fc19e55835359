"""Ways to say what friends and referrers do, and to book it, in one line."""

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.referrals.app import create_app
from services.referrals.commands import (
    ClaimCode,
    Command,
    HearPurchase,
    HearRefund,
    MakeCode,
    Outcome,
    Request,
)
from services.referrals.contacts import Contacts
from services.referrals.lifecycle import Lifecycle
from services.referrals.programme import Programme
from services.referrals.service import ReferralsService
from services.referrals.settings import ReferralsSettings
from shared.contracts.purchases import PurchaseCompleted, PurchaseRefunded
from shared.database import create_engine, transact
from shared.requests import Origin

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
CODE = "7K2M-9QFS"
"""The code of customer `anna` in these tests."""

CONTACTS = Contacts(lambda: b"a secret of these tests, 32 bytes", "DE")

Book = Callable[..., Awaitable[list[Outcome]]]


def purchase(invoice: str = "R-1", total: str = "100.00", customer: str | None = "ben", **more: Any) -> HearPurchase:
    """A purchase as Kafka brings it, an hour ago unless `at` says so many hours from now."""
    occurred_at = NOW + dt.timedelta(hours=more.pop("at", -1))
    said = {"shop_id": "shop", "invoice_number": invoice, "currency": "EUR", "total": total, "customer_id": customer}
    said |= {"occurred_at": occurred_at.isoformat()} | more
    return HearPurchase(PurchaseCompleted.model_validate(said), Origin("/test", f"purchase-{invoice}", NOW))


def refund(invoice: str = "R-1", amount: str = "100.00", refund_id: str = "1", **more: Any) -> HearRefund:
    said = {"shop_id": "shop", "invoice_number": invoice, "currency": "EUR", "amount": amount, "refund_id": refund_id}
    return HearRefund(PurchaseRefunded.model_validate(said | more), Origin("/test", f"refund-{invoice}", NOW))


def code(customer: str = "anna", drawn: str = CODE) -> MakeCode:
    return MakeCode(customer, drawn)


def claim(
    friend: str = "ben", spelled: str = CODE, *, at: float = -2, name: str | None = None, **more: Any
) -> ClaimCode:
    """A claim at the till or on registration, so many hours from now."""
    claimed_at = NOW + dt.timedelta(hours=at)
    return ClaimCode(name or f"{friend} claims {spelled}", spelled, friend, claimed_at, "rest", **more)


async def publish(engine: AsyncEngine, **rules: Any) -> None:
    """Publish a programme that has always held as far as these tests know."""
    programme = Programme.model_validate(rules)
    long_ago = NOW - dt.timedelta(days=1_000)
    async with engine.begin() as connection:
        await Lifecycle().publish(connection, programme, valid_from=long_ago, now=NOW, actor="tester")


@pytest.fixture
async def engine(referrals_url: str) -> AsyncIterator[AsyncEngine]:
    made = create_engine(referrals_url, name="tests", pool_size=5)
    yield made
    await made.dispose()


@pytest.fixture
def book(engine: AsyncEngine) -> Book:
    """Book commands in one transaction and return their outcomes."""
    lifecycle = Lifecycle()

    async def run(*commands: Command, now: dt.datetime = NOW) -> list[Outcome]:
        request = Request(list(commands))
        replies = await transact(engine, lambda connection: lifecycle.book(connection, [request], now=now))
        return replies[0].outcomes

    return run


@pytest.fixture
async def referrals(referrals_url: str) -> AsyncIterator[ReferralsService]:
    service = ReferralsService(create_engine(referrals_url, name="api", pool_size=5), contacts=CONTACTS)
    yield service
    await service.close()


@pytest.fixture
async def client(referrals: ReferralsService) -> AsyncIterator[httpx.AsyncClient]:
    """Ask the referrals service's API as a program on this machine would."""
    transport = httpx.ASGITransport(create_app(referrals, ReferralsSettings()), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as asking:
        yield asking
