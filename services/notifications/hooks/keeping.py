"""The rows of web hooks: where each channel is delivered to, and the secrets that sign what is sent there."""

import base64
import datetime as dt
import secrets
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.channels.webhook import SECRET_PREFIX
from shared import audit
from shared.database import fetch

SECRET_BYTES = 32

COLUMNS = "channel, url, secrets, enabled, ended, saved_at, saved_by"
LIST = f"SELECT {COLUMNS} FROM hook ORDER BY channel"
ONE = f"SELECT {COLUMNS} FROM hook WHERE channel = $1 FOR UPDATE"
PUT = f"""
INSERT INTO hook (channel, url, secrets, enabled, saved_at, saved_by) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (channel) DO UPDATE SET url = excluded.url, secrets = excluded.secrets, enabled = excluded.enabled,
  ended = NULL, saved_at = excluded.saved_at, saved_by = excluded.saved_by
RETURNING {COLUMNS}"""
END = "UPDATE hook SET enabled = false, ended = $2 WHERE channel = $1 AND enabled"
DELETE = "DELETE FROM hook WHERE channel = $1 RETURNING channel"


@dataclass(frozen=True, slots=True)
class Hook:
    """Where messages of a channel go; all of `secrets` sign, the newest is the first."""

    channel: str
    url: str
    secrets: list[str] = field(repr=False)
    enabled: bool
    ended: str | None
    saved_at: dt.datetime
    saved_by: str


def drawn() -> str:
    """Return a secret that nobody has."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


async def hooks(connection: AsyncConnection) -> list[Hook]:
    return [Hook(*row) for row in await fetch(connection, LIST)]


async def hook(connection: AsyncConnection, channel: str) -> Hook | None:
    rows = await fetch(connection, ONE, channel)
    return Hook(*rows[0]) if rows else None


async def put(connection: AsyncConnection, channel: str, said: dict[str, Any], **by: Any) -> Hook:
    raise NotImplementedError


async def end(connection: AsyncConnection, channel: str, reason: str) -> None:
    """Call a hook no more that said it would take nothing any more."""
    await fetch(connection, END, channel, reason)
    await audit.record(connection, "loyalty", "hook.end", channel)
