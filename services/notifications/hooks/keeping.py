"""The rows of web hooks: where each channel is delivered to, and the secrets that sign what is sent there."""

import base64
import datetime as dt
import secrets
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.channels.webhook import SECRET_PREFIX
from shared.database import fetch

SECRET_BYTES = 32

COLUMNS = "channel, url, secrets, enabled, ended, saved_at, saved_by"
LIST = f"SELECT {COLUMNS} FROM hook ORDER BY channel"
ONE = f"SELECT {COLUMNS} FROM hook WHERE channel = $1"
PUT = f"""
INSERT INTO hook (channel, url, secrets, enabled, saved_at, saved_by) VALUES ($1, $2, ARRAY[$3::text], $4, $5, $6)
ON CONFLICT (channel) DO UPDATE
  SET url = excluded.url, enabled = excluded.enabled, ended = NULL, saved_at = excluded.saved_at, saved_by = excluded.saved_by
RETURNING {COLUMNS}, xmax = 0 AS is_new"""
ROTATE = f"UPDATE hook SET secrets = ARRAY[$2::text, secrets[1]] WHERE channel = $1 RETURNING {COLUMNS}"
END = "UPDATE hook SET enabled = false, ended = $2 WHERE channel = $1 AND enabled RETURNING channel"
DELETE = "DELETE FROM hook WHERE channel = $1 RETURNING channel"

FAILED = """
SELECT notification_id, customer_id FROM notification WHERE status = 'failed' AND channel = $1
 ORDER BY due_at, notification_id LIMIT $2"""


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


async def put(
    connection: AsyncConnection, channel: str, url: str, *, enabled: bool, now: dt.datetime, actor: str
) -> tuple[Hook, bool]:
    """Have a hook for a channel, with a secret of its own where it is new. Answers it, and whether it is."""
    ((*columns, is_new),) = await fetch(connection, PUT, channel, url, drawn(), enabled, now, actor)
    return Hook(*columns), is_new


async def rotate(connection: AsyncConnection, channel: str) -> Hook | None:
    """Give a hook another secret; the one before it goes on signing beside it, until the next."""
    rows = await fetch(connection, ROTATE, channel, drawn())
    return Hook(*rows[0]) if rows else None


async def end(connection: AsyncConnection, channel: str, reason: str) -> bool:
    """Call a hook no more that said it would take nothing any more."""
    return bool(await fetch(connection, END, channel, reason))


async def delete(connection: AsyncConnection, channel: str) -> bool:
    return bool(await fetch(connection, DELETE, channel))


async def failed(connection: AsyncConnection, channel: str, *, limit: int) -> list[tuple[UUID, str]]:
    """Return messages that have failed on a channel, and whom they are for."""
    return [(key, customer_id) for key, customer_id in await fetch(connection, FAILED, channel, limit)]
