"""Waiting for what other processes do."""

import time
from collections.abc import Callable

PATIENCE_SECONDS = 60.0


def eventually(holds: Callable[[], object], *, seconds: float = PATIENCE_SECONDS) -> None:
    """Ask again until it holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.05)
