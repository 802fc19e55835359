"""The jobs of the notifications service: coupons end with their time, and what was kept long enough is let go."""

import datetime as dt
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.notifications.commands import Request, SettleCoupon
from services.notifications.service import NotificationsService
from shared.database import fetch, transact
from shared.housekeeping import house
from shared.jobs import Job, Tell

BATCH = 1_000

CONNECTIONS = 3
"""What an engine for these jobs needs: one for each lock, one for the batches."""

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


def jobs(notifications: NotificationsService, engine: AsyncEngine) -> list[Job]:
    """Return the service's jobs; `engine` has `CONNECTIONS` of its own, so that they take none from the API."""
    return [
        Job(
            "settle",
            "coupons: those end whose time is over, and what baskets kept of shared codes is free again",
            dt.timedelta(minutes=1),
            partial(settle, notifications, engine),
            partial(_count_due, notifications),
        ),
        house(notifications, engine),
    ]


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


async def _count_due(notifications: NotificationsService, connection: AsyncConnection) -> int:
    return int((await fetch(connection, COUNT_DUE, notifications.clock()))[0]["coupons"])
