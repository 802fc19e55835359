"""How long to wait: before the next try, or for news."""

import asyncio
import random
from collections.abc import Iterator


def pauses(longest: float = 5.0) -> Iterator[float]:
    """Seconds before each next try, for ever: longer and longer up to `longest`, spread so that not all come at once."""
    most = 0.1
    while True:
        yield random.uniform(most / 2, most)  # noqa: S311 - spreads retries, keeps no secret
        most = min(most * 2, longest)


async def until(event: asyncio.Event, seconds: float) -> None:
    """Return when the event is set, at the latest after so many seconds."""
    try:
        await asyncio.wait_for(event.wait(), timeout=seconds)
    except TimeoutError:
        return
