"""The jobs of the notifications service: occasions are planned, coupons end with their time, what was kept is let go."""

import datetime as dt
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.notifications import tables
from services.notifications.commands import AnnounceCoupon, Request, SettleCoupon
from services.notifications.memory import MEMORY
from services.notifications.planning import Round, plan, rounds
from services.notifications.programme import Campaign, Version
from services.notifications.service import NotificationsService
from shared.columns import Columns
from shared.database import fetch, transact
from shared.erasures import forgetting
from shared.housekeeping import house
from shared.jobs import Job, Tell

BATCH = 1_000

CONNECTIONS = 9
"""What an engine for these jobs needs: for each of them its lock, and its batches."""

ALIASES = {"expire-coupons": "settle"}

COUNT_DUE = """
SELECT (SELECT count(*) FROM coupon
         WHERE valid_until <= $1 AND status IN ('issued', 'reserved') AND (reserved_until > $1) IS NOT TRUE)
     + (SELECT count(DISTINCT code) FROM shared_reservation WHERE reserved_until <= $1) AS coupons"""

DUE = """
(SELECT code FROM coupon
  WHERE valid_until <= $1 AND status IN ('issued', 'reserved') AND (reserved_until > $1) IS NOT TRUE
  ORDER BY valid_until, coupon_id LIMIT $2)
 UNION ALL
(SELECT DISTINCT code FROM shared_reservation WHERE reserved_until <= $1 LIMIT $2)"""


SWEPT = dt.timedelta(hours=1)
"""After so long all customers are gone through again: some are new, or came into the segment."""

SWEEP = Columns(tables.sweep, "occasion season programme_version began_at passed")
LOAD_SWEEP = "SELECT programme_version, began_at, passed FROM sweep WHERE occasion = $1 AND season = $2"
KEEP_SWEEP = SWEEP.put()
COUNT_LEFT = "SELECT count(*) AS customers FROM customer WHERE customer_id > $1 AND erased_at IS NULL"


def jobs(notifications: NotificationsService, engine: AsyncEngine) -> list[Job]:
    """Return the service's jobs; `engine` has `CONNECTIONS` of its own, so that they take none from the API."""
    return [
        Job(
            "plan",
            "occasions: whoever has one near gets it noted, once for a season",
            dt.timedelta(minutes=5),
            partial(plan_occasions, notifications, engine),
            partial(_count_unplanned, notifications),
        ),
        Job(
            "settle",
            "coupons: those end whose time is over, and what baskets kept of shared codes is free again",
            dt.timedelta(minutes=1),
            partial(settle, notifications, engine),
            partial(_count_due, notifications),
        ),
        Job(
            "announce-coupons",
            "coupons: whoever has one that ends soon is reminded, once",
            dt.timedelta(minutes=10),
            partial(announce_coupons, notifications, engine),
            partial(_count_unannounced, notifications),
        ),
        forgetting(engine, MEMORY),
        house(notifications, engine),
    ]


# Occasions


class Sweep(NamedTuple):
    """How far a season of a campaign was planned: those up to `passed` were asked; none where all were."""

    programme_version: int
    began_at: dt.datetime
    passed: str | None

    def goes_on(self, version: int, now: dt.datetime) -> bool:
        """Tell whether it stands for what holds now; a clock may have been put back."""
        is_recent = now - SWEPT < self.began_at <= now
        return self.programme_version == version and (self.passed is not None or is_recent)


async def plan_occasions(notifications: NotificationsService, engine: AsyncEngine, tell: Tell) -> int:
    """Plan every occasion that is near, from where the last run was cut off. Answers how many rows that made."""
    now, done = notifications.clock(), 0
    version = await notifications.programme_now()
    async with engine.connect() as connection:
        found = await rounds(connection, version.programme, now)
    for each in found:
        sweep = await _sweep(engine, each, version, now)
        while sweep.passed is not None:
            planned, sweep = await transact(engine, partial(_plan, asked=each, version=version, sweep=sweep, now=now))
            done += planned
            tell(done, done)
    return done


async def _sweep(engine: AsyncEngine, asked: Round, version: Version, now: dt.datetime) -> Sweep:
    async with engine.connect() as connection:
        found = await _kept_sweep(connection, asked)
    if found is not None and found.goes_on(version.version, now):
        return found
    return Sweep(version.version, now, "")


async def _kept_sweep(connection: AsyncConnection, asked: Round) -> Sweep | None:
    """Return how far it was planned; the few who keep an anniversary on a day are asked each time."""
    if not isinstance(asked.terms, Campaign):
        return None
    rows = await fetch(connection, LOAD_SWEEP, asked.terms.name, asked.season)
    return Sweep(*rows[0]) if rows else None


async def _plan(
    connection: AsyncConnection, *, asked: Round, version: Version, sweep: Sweep, now: dt.datetime
) -> tuple[int, Sweep]:
    planned, passed = await plan(connection, asked, version.programme, after=sweep.passed or "", now=now)
    sweep = sweep._replace(passed=passed)
    if isinstance(asked.terms, Campaign):
        await fetch(connection, KEEP_SWEEP, *SWEEP.joined([(asked.terms.name, asked.season, *sweep)]))
    return planned, sweep


async def _count_unplanned(notifications: NotificationsService, connection: AsyncConnection) -> int:
    """Count the customers that campaigns have yet to go through."""
    now, version, customers = notifications.clock(), await notifications.programme_now(), 0
    for each in await rounds(connection, version.programme, now):
        found = await _kept_sweep(connection, each)
        passed = found.passed if found is not None and found.goes_on(version.version, now) else ""
        if isinstance(each.terms, Campaign) and passed is not None:
            customers += (await fetch(connection, COUNT_LEFT, passed))[0]["customers"]
    return customers


# Coupons


async def settle(notifications: NotificationsService, engine: AsyncEngine, tell: Tell) -> int:
    """End every coupon whose time is over, those first that have waited longest. Answers how many codes that were."""
    now, done = notifications.clock(), 0
    async with engine.connect() as connection:
        due = await _count_due(notifications, connection)
    while codes := await transact(engine, partial(_next, now)):
        request = Request([SettleCoupon(code) for code in codes])
        await transact(engine, partial(notifications.delivery.book, requests=[request], now=now))
        notifications.committed()
        done += len(codes)
        tell(done, max(due, done))
    return done


async def _next(now: dt.datetime, connection: AsyncConnection) -> list[str]:
    return [row["code"] for row in await fetch(connection, DUE, now, BATCH)]


# by an index of exactly these rows
_UNANNOUNCED = """
FROM coupon WHERE valid_until <= $1 AND status IN ('issued', 'reserved') AND NOT announced"""
COUNT_UNANNOUNCED = f"SELECT count(*) AS coupons {_UNANNOUNCED}"
NEXT_UNANNOUNCED = f"SELECT coupon_id {_UNANNOUNCED} ORDER BY valid_until, coupon_id LIMIT $2"


async def announce_coupons(notifications: NotificationsService, engine: AsyncEngine, tell: Tell) -> int:
    """Plan to tell of every coupon that ends soon, those first that end first. Answers how many that were."""
    now, done = notifications.clock(), 0
    async with engine.connect() as connection:
        due = await _count_unannounced(notifications, connection)
    before = await _announced_before(notifications)
    while before is not None and (rows := await transact(engine, partial(_unannounced, before))):
        request = Request([AnnounceCoupon(row["coupon_id"]) for row in rows])
        await transact(engine, partial(notifications.delivery.book, requests=[request], now=now))
        notifications.committed()
        done += len(rows)
        tell(done, max(due, done))
    return done


async def _announced_before(notifications: NotificationsService) -> dt.datetime | None:
    """Return until when coupons end that are told of now; none where nobody is told."""
    terms = (await notifications.programme_now()).programme.messages.coupon_expiring
    return notifications.clock() + dt.timedelta(days=terms.days_ahead) if terms.enabled else None


async def _unannounced(before: dt.datetime, connection: AsyncConnection) -> Sequence[asyncpg.Record]:
    return await fetch(connection, NEXT_UNANNOUNCED, before, BATCH)


async def _count_unannounced(notifications: NotificationsService, connection: AsyncConnection) -> int:
    before = await _announced_before(notifications)
    return 0 if before is None else int((await fetch(connection, COUNT_UNANNOUNCED, before))[0]["coupons"])


async def _count_due(notifications: NotificationsService, connection: AsyncConnection) -> int:
    return int((await fetch(connection, COUNT_DUE, notifications.clock()))[0]["coupons"])
