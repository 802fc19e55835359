"""The jobs of the referrals service: what time brings is booked, and what was kept long enough is let go."""

import datetime as dt
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.referrals.commands import Command, Request, SettlePair, SettleReferral
from services.referrals.memory import MEMORY
from services.referrals.service import ReferralsService
from shared.database import fetch, transact
from shared.erasures import forgetting
from shared.housekeeping import house
from shared.jobs import Job, Tell

BATCH = 1_000

CONNECTIONS = 4
"""What an engine for these jobs needs: one for each lock, one for the batches."""

ALIASES = dict.fromkeys(("release-holds", "end-reviews", "expire-pairs"), "settle")
"""What people call it that referrals and pairs are settled."""

BEGINNING = dt.datetime.min.replace(tzinfo=dt.UTC)


class Queue(NamedTuple):
    """What waits for its time: `due` finds at most `$4` by time and name after `$2` and `$3`; each is settled by itself."""

    counted: str
    due: str
    command: Callable[[asyncpg.Record], Command]


QUEUES = (
    Queue(
        "SELECT count(*) FROM referral WHERE due_at <= $1",
        """SELECT due_at, referral_id AS name, friend_id FROM referral
            WHERE due_at <= $1 AND (due_at, referral_id) > ($2, $3) ORDER BY due_at, referral_id LIMIT $4""",
        lambda row: SettleReferral(row["name"], row["friend_id"]),
    ),
    Queue(
        "SELECT count(*) FROM pair WHERE status IN ('invited', 'accepted') AND expires_at <= $1",
        """SELECT expires_at AS due_at, pair_id AS name FROM pair
            WHERE status IN ('invited', 'accepted') AND expires_at <= $1 AND (expires_at, pair_id) > ($2, $3)
            ORDER BY expires_at, pair_id LIMIT $4""",
        lambda row: SettlePair(row["name"]),
    ),
)


def jobs(referrals: ReferralsService, engine: AsyncEngine) -> list[Job]:
    """Return the service's jobs; `engine` has `CONNECTIONS` of its own, so that they take none from the API."""
    return [
        Job(
            "settle",
            "referrals and pairs: holds, reviews and the time of pairs end",
            dt.timedelta(minutes=1),
            partial(settle, referrals, engine),
            partial(_count_due, referrals),
        ),
        forgetting(engine, MEMORY),
        house(referrals, engine),
    ]


async def settle(referrals: ReferralsService, engine: AsyncEngine, tell: Tell) -> int:
    """Book what is due on every referral and pair, those first that have waited longest. Answers how many that were."""
    now = referrals.clock()
    async with engine.connect() as connection:
        due = await _count_due(referrals, connection)
    done = 0
    for queue in QUEUES:
        passed = BEGINNING, ""
        while rows := await transact(engine, partial(_next, queue=queue, now=now, after=passed)):
            request = Request([queue.command(row) for row in rows])
            await transact(engine, partial(referrals.lifecycle.book, requests=[request], now=now))
            referrals.committed()
            done, passed = done + len(rows), (rows[-1]["due_at"], rows[-1]["name"])
            tell(done, max(due, done))
    return done


async def _next(
    connection: AsyncConnection, *, queue: Queue, now: dt.datetime, after: tuple[dt.datetime, str]
) -> Sequence[asyncpg.Record]:
    return await fetch(connection, queue.due, now, *after, BATCH)


async def _count_due(referrals: ReferralsService, connection: AsyncConnection) -> int:
    counted = [await fetch(connection, queue.counted, referrals.clock()) for queue in QUEUES]
    return sum(int(rows[0][0]) for rows in counted)
