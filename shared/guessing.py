"""How often a caller may name codes that do not exist: a few slips are human, a thousand are a search (rule 27)."""

import math
import time
from collections.abc import Callable

from shared.errors import ProblemError

WINDOW_SECONDS = 60.0
MOST_CALLERS = 100_000
"""Of so many a process keeps count; where callers are whoever comes, somebody could come as ever another one."""


class Counts:
    """Counts what each caller does within a minute, in this process; with several processes each of them allows `most`."""

    def __init__(self, most: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._counted: dict[str, tuple[float, int]] = {}
        """When a caller's minute began, and how often they were counted in it."""

    def count(self, caller: str) -> None:
        began, counted = self._minute(caller)
        if len(self._counted) >= MOST_CALLERS:
            self._counted.clear()
        self._counted[caller] = began, counted + 1

    def wait(self, caller: str) -> int | None:
        """Return for how many seconds a caller has to wait, whom `most` times have been counted; others need not."""
        began, counted = self._minute(caller)
        return None if counted < self._most else max(1, math.ceil(began + WINDOW_SECONDS - self._clock()))

    def _minute(self, caller: str) -> tuple[float, int]:
        now = self._clock()
        began, counted = self._counted.get(caller, (now, 0))
        return (began, counted) if now < began + WINDOW_SECONDS else (now, 0)


class Guesses:
    """Counts the wrong codes of each caller."""

    def __init__(self, most: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._wrong = Counts(most, clock=clock)

    def refuse(self, caller: str) -> None:
        """Refuse whoever was wrong too often, whatever they ask for now: an answer would tell a right code by itself."""
        seconds = self._wrong.wait(caller)
        if seconds is not None:
            detail = f"{self._most} codes within a minute did not exist; nothing was looked up"
            raise ProblemError(429, "guesses-too-many", detail, headers={"Retry-After": str(seconds)})

    def count(self, caller: str) -> None:
        """Note that a caller named a code that could exist, and does not."""
        self._wrong.count(caller)
