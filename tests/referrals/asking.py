"""Reading the books of referrals in tests."""

import datetime as dt
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database import fetch


async def rows(engine: AsyncEngine, statement: str) -> list[dict[str, Any]]:
    async with engine.connect() as connection:
        return [dict(row) for row in await fetch(connection, statement)]


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
