"""Asking the points service's API in tests, with a key of one's own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from services.points.app import create_app
from services.points.service import PointsService
from services.points.settings import PointsSettings
from shared import api_keys
from tests.asking import pointers, refusal, rows
from tests.points.conftest import NOW


@asynccontextmanager
async def asking_with_key(points: PointsService, name: str, *scopes: str) -> AsyncIterator[httpx.AsyncClient]:
    async with points.engine.begin() as connection:
        key = await api_keys.create(connection, name, scopes, now=NOW, actor="test")
    transport = httpx.ASGITransport(create_app(points, PointsSettings()))
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as asking:
        yield asking


__all__ = ["asking_with_key", "pointers", "refusal", "rows"]
