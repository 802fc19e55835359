"""When to try again, how fast to send, and when to leave the other side alone. Pure: clocks and chance are handed in."""

import datetime as dt
from collections.abc import Callable, Sequence

from services.notifications.channels.message import Later, Outcome, Refused

WAITS: Sequence[dt.timedelta] = (
    dt.timedelta(minutes=1),
    dt.timedelta(minutes=10),
    dt.timedelta(hours=1),
    dt.timedelta(hours=5),
)
"""Between five attempts."""

SPREAD = 0.25
"""Up to this share of a wait is added by chance, so that what failed together does not come back together."""

Clock = Callable[[], float]
"""Seconds that only go forward, as `time.monotonic` counts them."""


def next_attempt(
    made: int,
    *,
    now: dt.datetime,
    chance: float,
    not_before: dt.datetime | None = None,
    waits: Sequence[dt.timedelta] = WAITS,
) -> dt.datetime | None:
    """Return when to try again after so many attempts, none after the last; `chance` is from 0 to 1."""
    if made > len(waits):
        return None
    wait = waits[made - 1]
    earliest = now + wait if not_before is None else max(now + wait, not_before)
    return earliest + wait * SPREAD * chance


def next_visit(
    waited: dt.timedelta, *, now: dt.datetime, chance: float, not_before: dt.datetime | None = None
) -> dt.datetime:
    """Return when to come again where nobody was met: after as long again as it has waited, from one to ten minutes."""
    wait = max(WAITS[0], min(waited, WAITS[1]))
    earliest = now + wait if not_before is None else max(now + wait, not_before)
    return earliest + wait * SPREAD * chance


class TokenBucket:
    """Lets `per_second` messages through on average, and up to `burst` at once after a silence."""

    def __init__(self, per_second: float, burst: int, *, clock: Clock) -> None:
        if per_second <= 0 or burst < 1:
            raise ValueError("a rate should let something through")
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._filled_at = clock()

    def take(self) -> float:
        """Return 0 where a message may go now, which is then counted; else the seconds until it is worth asking again."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._per_second)
        self._filled_at = now
        if self._tokens < 1:
            return (1 - self._tokens) / self._per_second
        self._tokens -= 1
        return 0.0


class CircuitBreaker:
    """Opens after so many failures one after the other; after a pause one message tries whether it works again.

    Only what would have been so for any message is a failure (`Later.away`): a mailbox that is full says the server works.
    """

    def __init__(self, failures: int, pause_seconds: float, *, clock: Clock) -> None:
        self._most = failures
        self._pause = pause_seconds
        self._clock = clock
        self._failures = 0
        self._shut_until: float | None = None

    def wait(self) -> float:
        """Return 0 where a message may go now, else the seconds until one may try.

        The one that tries has a pause's time to come back with what it found; then the next one may.
        """
        if self._shut_until is None:
            return 0.0
        now = self._clock()
        if now < self._shut_until:
            return self._shut_until - now
        self._shut_until = now + self._pause
        return 0.0

    def learn(self, outcome: Outcome) -> None:
        """Take in what became of a message."""
        match outcome:
            case Refused(asked=False):
                return
            case Later(away=True):
                self._failures += 1
                if self._failures >= self._most:
                    self._shut_until = self._clock() + self._pause
            case _:
                self._failures, self._shut_until = 0, None
