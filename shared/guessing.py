"""How often a caller may name codes that do not exist: a few slips are human, a thousand are a search (rule 27)."""

import math
import time
from collections.abc import Callable

from shared.errors import ProblemError

WINDOW_SECONDS = 60.0


class Guesses:
    """Counts wrong codes of each caller in this process; with several processes each of them allows `most`."""

    def __init__(self, most: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._wrong: dict[str, tuple[float, int]] = {}
        """When a caller's minute began, and how often they were wrong in it; there are no more callers than API keys."""

    def refuse(self, caller: str) -> None:
        """Refuse whoever was wrong too often, whatever they ask for now: an answer would tell a right code by itself."""
        began, wrong = self._minute(caller)
        if wrong >= self._most:
            seconds = math.ceil(began + WINDOW_SECONDS - self._clock())
            detail = f"{wrong} codes within a minute did not exist; nothing was looked up"
            raise ProblemError(429, "guesses-too-many", detail, headers={"Retry-After": str(max(1, seconds))})

    def count(self, caller: str) -> None:
        """Note that a caller named a code that could exist, and does not."""
        began, wrong = self._minute(caller)
        self._wrong[caller] = began, wrong + 1

    def _minute(self, caller: str) -> tuple[float, int]:
        now = self._clock()
        began, wrong = self._wrong.get(caller, (now, 0))
        return (began, wrong) if now < began + WINDOW_SECONDS else (now, 0)
