"""The referrals service on a database of its own."""

from collections.abc import AsyncIterator

import httpx
import pytest

from services.referrals.app import create_app
from services.referrals.service import ReferralsService
from services.referrals.settings import ReferralsSettings
from shared.database import create_engine


@pytest.fixture
async def referrals(referrals_url: str) -> AsyncIterator[ReferralsService]:
    service = ReferralsService(create_engine(referrals_url, name="tests", pool_size=5))
    yield service
    await service.close()


@pytest.fixture
async def client(referrals: ReferralsService) -> AsyncIterator[httpx.AsyncClient]:
    """Ask the referrals service's API as a program on this machine would."""
    transport = httpx.ASGITransport(create_app(referrals, ReferralsSettings()), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as asking:
        yield asking
