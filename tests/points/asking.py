"""Asking the API in tests: with a key of one's own, and what a refusal has to look like."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine

from services.points.app import create_app
from services.points.service import PointsService
from services.points.settings import PointsSettings
from shared import api_keys
from shared.database import fetch
from shared.errors import MEDIA_TYPE
from tests.points.conftest import NOW


async def rows(engine: AsyncEngine, statement: str) -> list[dict[str, Any]]:
    async with engine.connect() as connection:
        return [dict(row) for row in await fetch(connection, statement)]


def refusal(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check that a request was refused, and return the problem."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE), answer.text
    document: dict[str, Any] = answer.json()
    assert (document["code"], document["status"]) == (code, status)
    assert document["type"] == f"urn:loyalty:problem:{code}"
    assert document["detail"]
    return document


def pointers(problem: dict[str, Any]) -> set[str | None]:
    return {error.get("pointer") for error in problem["errors"]}


@asynccontextmanager
async def asking_with_key(points: PointsService, name: str, *scopes: str) -> AsyncIterator[httpx.AsyncClient]:
    async with points.engine.begin() as connection:
        key = await api_keys.create(connection, name, scopes, now=NOW, actor="test")
    transport = httpx.ASGITransport(create_app(points, PointsSettings()))
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as asking:
        yield asking
