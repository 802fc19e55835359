"""Says what was planned and is due, those first that have waited longest: the step before anything is delivered.

One process says at a time, for as long as its transaction: a batch is a few statements, and two could only wait for each other.
"""

import datetime as dt
from collections.abc import Sequence
from functools import partial

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.benefits import CouponBenefit
from services.notifications.commands import Outcome, Request, Say
from services.notifications.programme import Programme
from services.notifications.rules.coupons import draw
from services.notifications.sending.alarm import Alarm
from services.notifications.sending.measures import OLDEST, count
from services.notifications.service import NotificationsService
from shared.database import DatabaseAwayError, UnusableError, fetch, transact
from shared.messaging.waiting import pauses

log = structlog.get_logger(__name__)

BATCH = 50
IDLE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0

ADVISORY_LOCK = 0x736179
TRY_LOCK = "SELECT pg_try_advisory_xact_lock($1::bigint) AS ours"

DUE = """
SELECT notification_id, customer_id, subject, due_at FROM notification
 WHERE status = 'planned' AND due_at <= $1 ORDER BY due_at, notification_id LIMIT $2"""

PUT_OFF = "UPDATE notification SET due_at = $2, reason = $3 WHERE notification_id = $1 AND status = 'planned'"
PUT_OFF_FOR = dt.timedelta(hours=1)


class Sayer:
    """Says what is due, until there is nothing left."""

    def __init__(self, notifications: NotificationsService, alarm: Alarm) -> None:
        self._notifications = notifications
        self._alarm = alarm

    async def run(self) -> None:
        """Say what becomes due, until cancelled; a database that is away is waited for."""
        waits = pauses(LONGEST_PAUSE_SECONDS)
        while True:
            try:
                said = await self.say_due()
            except DatabaseAwayError as error:
                log.warning("saying_waits", error=repr(error))
                await self._alarm.wait(next(waits))
                continue
            waits = pauses(LONGEST_PAUSE_SECONDS)
            if not said:
                await self._alarm.wait(IDLE_SECONDS)

    async def say_due(self) -> int:
        """Say a batch of what is due now. Answers how many that were; nothing also where another process says."""
        try:
            outcomes = await self._say(BATCH)
        except UnusableError:
            # one of them can't be written down: each by itself, so that it costs only itself
            outcomes = await self._say_one()
        if outcomes:
            self._notifications.committed()
            count(outcomes)
        return len(outcomes)

    async def _say(self, most: int) -> Sequence[Outcome]:
        return await transact(self._notifications.engine, partial(self._work, most, self._notifications.clock()))

    async def _say_one(self) -> Sequence[Outcome]:
        try:
            return await self._say(1)
        except UnusableError as error:
            log.exception("notification_unusable")
            work = partial(_put_off, self._notifications.clock(), str(error))
            return await transact(self._notifications.engine, work)

    async def _work(self, most: int, now: dt.datetime, connection: AsyncConnection) -> Sequence[Outcome]:
        if not (await fetch(connection, TRY_LOCK, ADVISORY_LOCK))[0]["ours"]:
            return []
        due = await fetch(connection, DUE, now, most)
        OLDEST.labels("say").set((now - due[0]["due_at"]).total_seconds() if due else 0)
        if not due:
            return []
        delivery = self._notifications.delivery
        programme = (await delivery.versions(connection)).at(now).programme
        commands = [Say(key, customer, _code(programme, subject)) for key, customer, subject, _ in due]
        (reply,) = await delivery.book(connection, [Request([*commands])], now=now)
        return reply.outcomes


def _code(programme: Programme, subject: str) -> str | None:
    """Draw a code for the coupon of an occasion, whether or not there will be one."""
    kind, _, name = subject.partition(":")
    if kind != "occasion":
        return None
    benefits = (each.benefit for each in programme.occasions if each.name == name)
    prefix = next((each.coupon.code_prefix for each in benefits if isinstance(each, CouponBenefit)), None)
    return draw(prefix)


async def _put_off(now: dt.datetime, reason: str, connection: AsyncConnection) -> Sequence[Outcome]:
    for row in await fetch(connection, DUE, now, 1):
        await fetch(connection, PUT_OFF, row["notification_id"], now + PUT_OFF_FOR, reason[:500])
    return []
