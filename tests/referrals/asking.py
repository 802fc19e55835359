"""Reading the books of referrals in tests, and asking their API with a key of one's own."""

import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import orjson
from sqlalchemy.ext.asyncio import AsyncEngine

from services.referrals.app import create_app
from services.referrals.service import ReferralsService
from services.referrals.settings import ReferralsSettings
from shared import api_keys
from tests.asking import pointers, refusal, rows
from tests.referrals.conftest import NOW


async def events(engine: AsyncEngine) -> list[dict[str, Any]]:
    return [orjson.loads(row["payload"]) for row in await rows(engine, "SELECT payload FROM outbox ORDER BY id")]


async def told(engine: AsyncEngine) -> list[tuple[str, str]]:
    """Who was told what, without the `loyalty.` and the `.v1`."""
    said = await events(engine)
    return [(each["subject"], each["type"].removeprefix("loyalty.").removesuffix(".v1")) for each in said]


async def states(engine: AsyncEngine) -> dict[str, str]:
    """The state of each friend's referrals, one after the other."""
    found = await rows(engine, "SELECT friend_id, status, reason FROM referral ORDER BY received_at, claimed_at")
    return {each["friend_id"]: each["reason"] or each["status"] for each in found}


async def rewards(engine: AsyncEngine) -> dict[str, int]:
    """The points that customers have from referrals now, by what was said and not by what stands in the tables."""
    points: dict[str, int] = {}
    given: dict[str, int] = {}
    for each in await events(engine):
        data = each["data"]
        if each["type"] == "loyalty.referral.rewarded.v1":
            assert data["reward_id"] not in given, "a reward was said twice"
            given[data["reward_id"]] = data["reward"]["points"]
            points[each["subject"]] = points.get(each["subject"], 0) + data["reward"]["points"]
        if each["type"] == "loyalty.referral.reversed.v1" and data["reward_id"] is not None:
            points[each["subject"]] = points.get(each["subject"], 0) - given[data["reward_id"]]
    return points


def days(count: float) -> dt.timedelta:
    return dt.timedelta(days=count)


@asynccontextmanager
async def asking_with_key(referrals: ReferralsService, name: str, *scopes: str) -> AsyncIterator[httpx.AsyncClient]:
    async with referrals.engine.begin() as connection:
        key = await api_keys.create(connection, name, scopes, now=NOW, actor="test")
    async with asking(referrals, {"Authorization": f"Bearer {key}"}) as client:
        yield client


def asking(referrals: ReferralsService, headers: dict[str, str] | None = None) -> httpx.AsyncClient:
    """Return a client of a process of one's own."""
    transport = httpx.ASGITransport(create_app(referrals, ReferralsSettings()))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers)


__all__ = ["asking", "asking_with_key", "days", "events", "pointers", "refusal", "rewards", "rows", "states", "told"]
