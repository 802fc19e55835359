"""Sends what waits on a channel: taken with a lease, handed over outside of any transaction, and what came of it booked.

Whoever dies between leaves a lease that ends, and the message is sent again under the same id; nothing is lost.
"""

import asyncio
import datetime as dt
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple
from uuid import UUID

import orjson
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.channels.message import Channel, Later, Message, Outcome, Refused, Sent
from services.notifications.channels.pacing import CircuitBreaker, TokenBucket, next_attempt, next_visit
from services.notifications.commands import BookDelivery, HearReport, Request
from services.notifications.hooks import keeping
from services.notifications.rules.permission import MEANINGFUL
from services.notifications.rules.reaching import MAIL
from services.notifications.sending.alarm import Alarm
from services.notifications.sending.measures import OLDEST, count
from services.notifications.service import NotificationsService
from shared.database import DatabaseAwayError, fetch, transact
from shared.messaging.waiting import pauses

log = structlog.get_logger(__name__)

BATCH = 20
LEASE = dt.timedelta(minutes=10)
"""For so long a message is its taker's; longer than a batch can take."""
BEGUN_WITHIN_SECONDS = 60.0
"""What of a batch has not been begun by then is given back."""
IDLE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
FAILURES, PAUSE_SECONDS = 5, 30.0

TAKE = """
UPDATE dispatch d SET attempts = d.attempts + 1, due_at = $2::timestamptz + $3::interval
  FROM (SELECT notification_id FROM dispatch WHERE channel = $1 AND status = 'waiting' AND due_at <= $2
         ORDER BY due_at LIMIT $4 FOR UPDATE SKIP LOCKED) taken
  JOIN notification n ON n.notification_id = taken.notification_id
 WHERE d.notification_id = taken.notification_id
RETURNING d.notification_id, d.customer_id, d.address, d.message::text AS message, d.attempts,
  CASE WHEN EXISTS (SELECT FROM address a WHERE a.channel = d.channel AND a.bounced_at IS NOT NULL
              AND a.address = CASE d.channel WHEN 'email' THEN lower(btrim(d.address)) ELSE btrim(d.address) END)
       THEN 'address-bounced'
       WHEN n.purpose <> 'necessary' AND NOT EXISTS (
         SELECT FROM consent c WHERE c.customer_id = d.customer_id AND c.channel = d.channel AND c.purpose = n.purpose
            AND c.state = 'given')
       THEN 'consent-withdrawn'
       WHEN n.until <= $2 OR n.happened_at + $5::interval < $2 THEN 'too-old' END AS stopped"""

OLDEST_DUE = "SELECT min(due_at) AS at FROM dispatch WHERE channel = $1 AND status = 'waiting'"


class Taken(NamedTuple):
    """A message that is ours for a while; `stopped` says why it may not be sent any more."""

    notification_id: UUID
    customer_id: str
    address: str
    message: str
    attempt: int
    stopped: str | None

    def as_message(self) -> Message:
        said = orjson.loads(self.message)
        said["written_at"] = dt.datetime.fromisoformat(said["written_at"])
        key = str(self.notification_id)
        return Message(notification_id=key, customer_id=self.customer_id, to=self.address, **said)

    def became(self, outcome: Outcome, message: Message, *, now: dt.datetime, chance: float) -> BookDelivery:
        """Return what is booked of an outcome; at a closed door there is no last attempt, while the message means something."""
        booked = partial(BookDelivery, self.notification_id, self.customer_id, self.attempt)
        match outcome:
            case Sent(answer):
                return booked("sent", answer)
            case Refused(reason):
                return booked("failed", reason)
            case Later(reason, at, away=True):
                again = next_visit(now - message.written_at, now=now, chance=chance, not_before=at)
                return booked("later", reason, again, counts=False)
            case Later(reason, at):
                next_one = next_attempt(self.attempt, now=now, chance=chance, not_before=at)
                return booked("failed", reason) if next_one is None else booked("later", reason, next_one)

    def given_back(self, *, now: dt.datetime, seconds: float) -> BookDelivery:
        """Return what is booked of one that was not tried."""
        again = now + dt.timedelta(seconds=seconds)
        reason = "not tried yet"
        return BookDelivery(self.notification_id, self.customer_id, self.attempt, "later", reason, again, counts=False)


@dataclass(slots=True)
class Line:
    """A channel, and how it is treated: so many messages a second, so many at once."""

    name: str
    channel: Channel
    per_second: float
    at_once: int = 1
    clock: Callable[[], float] = time.monotonic
    bucket: TokenBucket = field(init=False)
    breaker: CircuitBreaker = field(init=False)

    def __post_init__(self) -> None:
        self.bucket = TokenBucket(self.per_second, max(1, int(self.per_second)), clock=self.clock)
        self.breaker = CircuitBreaker(FAILURES, PAUSE_SECONDS, clock=self.clock)


class Poster:
    """Sends what waits on one channel; several processes may."""

    def __init__(self, notifications: NotificationsService, line: Line, alarm: Alarm) -> None:
        self._notifications = notifications
        self._line = line
        self._alarm = alarm

    async def run(self) -> None:
        """Send what becomes due, until cancelled; a database that is away is waited for."""
        try:
            await self._send_for_ever()
        finally:
            await self._line.channel.close()

    async def _send_for_ever(self) -> None:
        waits = pauses(LONGEST_PAUSE_SECONDS)
        while True:
            try:
                rest = await self.send_due()
            except DatabaseAwayError as error:
                log.warning("sending_waits", channel=self._line.name, error=repr(error))
                await asyncio.sleep(next(waits))
                continue
            waits = pauses(LONGEST_PAUSE_SECONDS)
            if rest is None:
                await self._alarm.wait(IDLE_SECONDS)
            else:
                await asyncio.sleep(rest)

    async def send_due(self) -> float | None:
        """Send a batch of what is due. Answers for how long to leave the other side alone; none where nothing was due."""
        taken = await self._taken()
        if not taken:
            return None
        batch = _Batch(self._line, deque(taken), self._notifications.clock)
        try:
            await batch.send()
        finally:
            # also of one that is cut off, since what was sent is sent
            batch.give_back()
            await asyncio.shield(self._book(batch))
        return batch.rest

    async def _taken(self) -> list[Taken]:
        return await transact(self._notifications.engine, partial(self._take, self._notifications.clock()))

    async def _take(self, now: dt.datetime, connection: AsyncConnection) -> list[Taken]:
        (oldest,) = await fetch(connection, OLDEST_DUE, self._line.name)
        waited = 0.0 if oldest["at"] is None else max(0.0, (now - oldest["at"]).total_seconds())
        OLDEST.labels(f"send {self._line.name}").set(waited)
        if oldest["at"] is None or oldest["at"] > now:
            return []
        return [Taken(*row) for row in await fetch(connection, TAKE, self._line.name, now, LEASE, BATCH, MEANINGFUL)]

    async def _book(self, batch: "_Batch") -> None:
        """Book what came of a batch; until the database takes it, since what was sent would be sent again."""
        for pause in pauses(LONGEST_PAUSE_SECONDS):
            try:
                (reply,) = await self._notifications.book([Request([*batch.booked, *batch.reports])])
                await self._end_hook(batch)
            except DatabaseAwayError as error:
                log.warning("booking_waits", channel=self._line.name, error=repr(error))
                await asyncio.sleep(pause)
            else:
                count(reply.outcomes)
                return

    async def _end_hook(self, batch: "_Batch") -> None:
        """Call a web hook no more that said it was gone; its address is the shop's, not a customer's."""
        if batch.ended is not None:
            work = partial(keeping.end, channel=self._line.name, reason=batch.ended)
            if await transact(self._notifications.engine, work):
                log.error("hook_ended", channel=self._line.name, answer=batch.ended)


class _Batch:
    """Messages that were taken together, on their way."""

    def __init__(self, line: Line, waiting: deque[Taken], now: Callable[[], dt.datetime]) -> None:
        self._line = line
        self._waiting = waiting
        self._now = now
        self._until = line.clock() + BEGUN_WITHIN_SECONDS
        self.booked: list[BookDelivery] = []
        self.reports: list[HearReport] = []
        self.ended: str | None = None
        """What a web hook said that takes nothing any more."""
        self.rest = 0.0

    async def send(self) -> None:
        await asyncio.gather(*(self._send_in_turn() for _ in range(self._line.at_once)))

    def give_back(self) -> None:
        """Leave what was not begun to whoever comes next."""
        while self._waiting:
            self.booked.append(self._waiting.popleft().given_back(now=self._now(), seconds=self.rest))

    async def _send_in_turn(self) -> None:
        while self._waiting:
            taken = self._waiting.popleft()
            if taken.stopped is not None:
                key, customer = taken.notification_id, taken.customer_id
                self.booked.append(BookDelivery(key, customer, taken.attempt, "suppressed", taken.stopped))
            elif await self._may_go():
                await self._send(taken)
            else:
                self._waiting.append(taken)
                return

    def _learn(self, taken: Taken, outcome: Outcome) -> None:
        """Take in what an outcome says of where it went: of mail the customer's address, else the shop's web hook."""
        is_gone = isinstance(outcome, Refused) and outcome.gone
        if self._line.name != MAIL:
            self.ended = outcome.reason if isinstance(outcome, Refused) and is_gone else self.ended
        elif is_gone or isinstance(outcome, Sent):
            self.reports.append(HearReport(MAIL, taken.address, "bounced" if is_gone else "delivered"))

    async def _may_go(self) -> bool:
        if self.rest or self._line.clock() > self._until:
            return False
        while (seconds := self._line.bucket.take()) > 0:
            if self._line.clock() + seconds > self._until:
                return False
            await asyncio.sleep(seconds)
        self.rest = max(self.rest, self._line.breaker.wait())
        return not self.rest

    async def _send(self, taken: Taken) -> None:
        message = taken.as_message()
        try:
            outcome = await self._line.channel.send(message)
        except OSError as error:  # of our own: a folder that can't be written to
            log.exception("channel_broken", channel=self._line.name)
            outcome = Later(repr(error), away=True)
        self._line.breaker.learn(outcome)
        self._learn(taken, outcome)
        chance = random.random()  # noqa: S311 - spreads retries, keeps no secret
        self.booked.append(taken.became(outcome, message, now=self._now(), chance=chance))
