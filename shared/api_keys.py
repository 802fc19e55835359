"""API keys as they are kept: made, listed, rotated and revoked, in each service's own database."""

import datetime as dt
import hashlib
import re
import secrets
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from shared import audit
from shared.database import fetch

ALL = "*"

SCOPES = {
    "purchases:read": "look purchases up and preview them",
    "purchases:write": "book purchases, refunds and claims",
    "accounts:read": "read accounts, statements, lots and cards",
    "accounts:write": "enrol customers and look after their accounts",
    "redemptions:read": "read redemptions and holds",
    "redemptions:write": "spend points, hold them, give them back",
    "rewards:read": "read the catalogue, what customers can get of it and have claimed",
    "rewards:write": "keep the catalogue of rewards",
    "adjustments:read": "read what was given and taken by hand, and what waits for approval",
    "adjustments:write": "give and take points by hand, and for actions",
    "adjustments:approve": "approve and reject what other keys proposed",
    "referrals:read": "look codes up, read claims and what customers' recommendations came to",
    "referrals:write": "make codes and claim them",
    "referrals:review": "accept and reject claims",
    "partners:read": "read partners, what they earn and their statements",
    "partners:write": "keep partners, their terms and their codes",
    "partners:pay": "mark the statements of partners as paid",
    "programme:read": "read the programme and its campaigns, try a draft of it",
    "programme:write": "publish a programme",
    "coupons:read": "look coupons up and check them",
    "coupons:write": "reserve, redeem and release coupons at tills",
    "coupons:issue": "issue coupons by hand and take them back",
    "templates:read": "read templates and what they look like",
    "templates:write": "save templates",
    "notifications:write": "say anew what failed, and tell what became of what was delivered",
    "hooks:read": "read web hooks, without their secrets",
    "hooks:write": "keep web hooks, call them, draw their secrets",
    "customers:read": "read profiles, and all that is known of a customer",
    "customers:write": "keep profiles",
    "customers:erase": "erase customers for good",
    "segments:read": "read segments, and who is in them",
    "segments:write": "keep segments",
    "consents:read": "read what customers agreed to, with its proofs",
    "consents:write": "say for customers what they agree to and no longer do",
    "addresses:read": "read the addresses that messages came back from",
    "addresses:write": "report what came back, and lift an address",
    "notifications:read": "read what was said to customers, and what was not and why",
    "events:write": "hand in events",
    "occasions:read": "look at occasions, who had them and who would get them",
    "offers:write": "keep offers for two",
    "pairs:read": "read offers for two, who may take them up, and pairs",
    "pairs:write": "invite friends, accept and cancel for them",
    "reports:read": "read reports",
    ALL: "everything, also what later releases add",
}

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
FIRST = "bootstrap"

TOKEN = re.compile(r"lk_[a-z0-9]{1,32}_[A-Za-z0-9]{32,128}")


def api_key_table(metadata: sa.MetaData) -> sa.Table:
    """Who may ask for what; `expires_at` ends a key that was rotated. Two rows of one name are one caller."""
    return sa.Table(
        "api_key",
        metadata,
        sa.Column("id", sa.Text, primary_key=True, comment="stands in the key itself, readable"),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False, comment="SHA-256 of the whole key, whose secret is random"),
        sa.Column("scopes", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
    )


class KeysError(Exception):
    """A key can't be made, rotated or revoked; the message says why."""


LOCK = "LOCK TABLE api_key IN SHARE ROW EXCLUSIVE MODE"

INSERT = "INSERT INTO api_key (id, name, digest, scopes, created_at) VALUES ($1, $2, $3, $4, $5)"

LIVE = """
SELECT scopes FROM api_key WHERE name = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
 ORDER BY created_at DESC"""

END = """
UPDATE api_key SET expires_at = $2
 WHERE name = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)"""

REVOKE = "UPDATE api_key SET revoked_at = $2 WHERE name = $1 AND revoked_at IS NULL RETURNING id"

LIST = """
SELECT id, name, scopes, created_at, expires_at, revoked_at,
  CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at <= $1 THEN 'expired'
    WHEN expires_at IS NOT NULL THEN 'ending' ELSE 'live' END AS status
  FROM api_key ORDER BY name, created_at"""


def drawn() -> str:
    """Return a key that nobody has."""
    return f"lk_{secrets.token_hex(6)}_{secrets.token_hex(32)}"


async def create(
    connection: AsyncConnection,
    name: str,
    scopes: Collection[str],
    *,
    now: dt.datetime,
    actor: str,
    token: str | None = None,
) -> str:
    """Make a key and return it; it can't be shown again. `token` is one that was drawn for several services. Raises `KeysError`."""
    if not NAME.fullmatch(name):
        raise KeysError(f"{name!r}: a name has lower-case letters, digits, dots and dashes")
    unknown = sorted(set(scopes) - SCOPES.keys())
    if unknown or not scopes:
        raise KeysError(f"no such scope: {', '.join(unknown)}" if unknown else "a key needs a scope")
    await fetch(connection, LOCK)
    if await fetch(connection, LIVE, name, now):
        raise KeysError(f"there is a key {name}: rotate it, or choose another name")
    await audit.record(connection, actor, "key.create", name)
    return await _insert(connection, name, scopes, token or drawn(), now=now)


async def rotate(
    connection: AsyncConnection,
    name: str,
    *,
    grace: dt.timedelta,
    now: dt.datetime,
    actor: str,
    token: str | None = None,
) -> str:
    """Make another key for a name and return it; those before it are taken for a `grace`. Raises `KeysError`."""
    await fetch(connection, LOCK)
    live = await fetch(connection, LIVE, name, now)
    if not live:
        raise KeysError(f"there is no key {name}")
    await fetch(connection, END, name, now + grace)
    await audit.record(connection, actor, "key.rotate", name)
    return await _insert(connection, name, live[0]["scopes"], token or drawn(), now=now)


async def scopes_of(connection: AsyncConnection, name: str, *, now: dt.datetime) -> list[str]:
    """Return what the key of a name may ask for; nothing where there is none."""
    live = await fetch(connection, LIVE, name, now)
    return live[0]["scopes"] if live else []


async def is_known(connection: AsyncConnection, name: str) -> bool:
    """Tell whether there is a key of a name that is not revoked."""
    return bool(await fetch(connection, "SELECT FROM api_key WHERE name = $1 AND revoked_at IS NULL LIMIT 1", name))


async def revoke(connection: AsyncConnection, name: str, *, now: dt.datetime, actor: str) -> int:
    """End every key of a name and return how many there were. Raises `KeysError`."""
    ended = await fetch(connection, REVOKE, name, now)
    if not ended:
        raise KeysError(f"there is no key {name}")
    await audit.record(connection, actor, "key.revoke", name)
    return len(ended)


async def listed(connection: AsyncConnection, *, now: dt.datetime) -> list[dict[str, Any]]:
    """Return every key that ever was, without its secret."""
    return [dict(row) for row in await fetch(connection, LIST, now)]


async def keep_first(connection: AsyncConnection, token: str | None, *, now: dt.datetime) -> bool:
    """Keep the key that an installation starts with, where there never was one, and tell whether there is any now."""
    await fetch(connection, LOCK)
    if await fetch(connection, "SELECT FROM api_key LIMIT 1"):
        return True
    if token is None:
        return False
    await _insert(connection, FIRST, [ALL], token, now=now)
    await audit.record(connection, "LOYALTY_BOOTSTRAP_KEY", "key.create", FIRST)
    return True


async def _insert(
    connection: AsyncConnection, name: str, scopes: Collection[str], token: str, *, now: dt.datetime
) -> str:
    await fetch(connection, INSERT, token.split("_")[1], name, _digest(token), sorted(scopes), now)
    return token


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
