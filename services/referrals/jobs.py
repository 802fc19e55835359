"""The jobs of the referrals service: what time brings is booked, and what was kept long enough is let go."""

import datetime as dt
from collections.abc import Sequence
from functools import partial

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.referrals.commands import Request, SettleReferral
from services.referrals.service import ReferralsService
from shared.database import fetch, transact
from shared.housekeeping import ANSWERS, KEPT, LETTERS, Old, count, let_go
from shared.jobs import Job, Tell

BATCH = 1_000

CONNECTIONS = 3
"""What an engine for these jobs needs: one for each lock, one for the batches."""

ALIASES = dict.fromkeys(("release-holds", "end-reviews"), "settle")
"""What people call it that referrals are settled."""

COUNT_DUE = "SELECT count(*) AS referrals FROM referral WHERE due_at <= $1"

DUE = """
SELECT due_at, referral_id, friend_id FROM referral WHERE due_at <= $1 AND (due_at, referral_id) > ($2, $3)
 ORDER BY due_at, referral_id LIMIT $4"""

BEGINNING = dt.datetime.min.replace(tzinfo=dt.UTC)


def jobs(referrals: ReferralsService, engine: AsyncEngine) -> list[Job]:
    """Return the service's jobs; `engine` has `CONNECTIONS` of its own, so that they take none from the API."""
    return [
        Job(
            "settle",
            "referrals: holds and reviews end",
            dt.timedelta(minutes=1),
            partial(settle, referrals, engine),
            partial(_count_due, referrals),
        ),
        Job(
            "housekeeping",
            "answers and settled dead letters: what was kept long enough is let go",
            dt.timedelta(hours=1),
            partial(_keep_house, referrals, engine),
            partial(_count_old, referrals),
        ),
    ]


async def settle(referrals: ReferralsService, engine: AsyncEngine, tell: Tell) -> int:
    """Book what is due on every referral, those first that have waited longest. Answers how many referrals that were."""
    now = referrals.clock()
    async with engine.connect() as connection:
        due = await _count_due(referrals, connection)
    done, passed = 0, (BEGINNING, "")
    while rows := await transact(engine, partial(_next, now=now, after=passed)):
        request = Request([SettleReferral(row["referral_id"], row["friend_id"]) for row in rows])
        await transact(engine, partial(referrals.lifecycle.book, requests=[request], now=now))
        referrals.committed()
        done, passed = done + len(rows), (rows[-1]["due_at"], rows[-1]["referral_id"])
        tell(done, max(due, done))
    return done


async def _next(
    connection: AsyncConnection, *, now: dt.datetime, after: tuple[dt.datetime, str]
) -> Sequence[asyncpg.Record]:
    return await fetch(connection, DUE, now, *after, BATCH)


async def _count_due(referrals: ReferralsService, connection: AsyncConnection) -> int:
    return int((await fetch(connection, COUNT_DUE, referrals.clock()))[0]["referrals"])


# What is old


def _old(referrals: ReferralsService) -> list[Old]:
    before = referrals.clock() - KEPT
    return [Old(ANSWERS, before), Old(LETTERS, before)]


async def _keep_house(referrals: ReferralsService, engine: AsyncEngine, tell: Tell) -> int:
    return await let_go(engine, _old(referrals), tell)


async def _count_old(referrals: ReferralsService, connection: AsyncConnection) -> int:
    return await count(connection, _old(referrals))
