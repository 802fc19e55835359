"""Keys that an installation keeps for ever: from its settings, or drawn once and kept beside a PostgreSQL of its own."""

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile

from shared.settings import Settings, SettingsError, variable

KEY_BYTES = 32


def reader_of(settings: Settings, field: str, *, beside: str, file: str) -> Callable[[], bytes]:
    """Return what reads a key, which is asked for when it is first needed.

    Raises `SettingsError` where the database that `beside` names is configured, so that others have it, and the key is not.
    """
    key: str | None = getattr(settings, field)
    if key is not None:
        return key.encode
    if getattr(settings, beside) is not None:
        raise SettingsError(f"{variable(field)}: is needed beside {variable(beside)} (openssl rand -hex 32)")
    return partial(drawn_once, settings.data_dir / file)


def drawn_once(file: Path) -> bytes:
    """Return the key in a file, drawn by whoever asks first; it is never seen half written."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=file.parent) as drawn:  # readable by its owner only
            drawn.write(secrets.token_hex(KEY_BYTES).encode())
            drawn.flush()
            os.fsync(drawn.fileno())
            with suppress(FileExistsError):
                os.link(drawn.name, file)
    return file.read_bytes()
