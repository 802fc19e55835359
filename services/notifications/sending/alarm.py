"""Waits until something was committed here, or for a while: what others have committed nobody tells."""

import asyncio


class Alarm:
    """Rings for everybody who waits."""

    def __init__(self) -> None:
        self._ringing = asyncio.Event()

    def ring(self) -> None:
        self._ringing.set()
        self._ringing = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Return when it rings, after so many seconds at the latest."""
        try:
            async with asyncio.timeout(seconds):
                await self._ringing.wait()
        except TimeoutError:
            return
