"""Where the servers of the tests keep their data."""

import shutil
from pathlib import Path

import psutil

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of one's own is made in it
ENOUGH_BYTES = 8 << 30


def parent() -> str | None:
    """Return the folder for theirs: in memory where there is room, else the default.

    A database is made and dropped for nearly every test, which on a disk takes longer than the test.
    """
    if MEMORY.is_dir() and min(shutil.disk_usage(MEMORY).free, psutil.virtual_memory().available) >= ENOUGH_BYTES:
        return str(MEMORY)
    return None
