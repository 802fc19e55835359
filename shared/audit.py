"""The audit trail: who did what to what, written in the transaction of the deed and never changed."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database import fetch
from shared.requests import Done


def audit_table(metadata: sa.MetaData) -> sa.Table:
    """Deeds in the order of their ids; `actor` is the name of an API key."""
    return sa.Table(
        "audit",
        metadata,
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text),
        sa.Column("reason", sa.Text),
    )


RECORD_ALL = """
INSERT INTO audit (actor, action, subject, request_id, reason)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])"""

RECORD = "INSERT INTO audit (actor, action, subject, request_id) VALUES ($1, $2, $3, $4)"

LIST = """
SELECT id, at, actor, action, subject, request_id, reason FROM audit
 WHERE id < $1 AND ($2::text IS NULL OR actor = $2) AND ($3::text IS NULL OR subject = $3)
 ORDER BY id DESC LIMIT $4"""

LAST = 2**63 - 1


async def record(
    connection: AsyncConnection, actor: str, action: str, subject: str, request_id: str | None = None
) -> None:
    """Write down a deed in the caller's transaction."""
    await fetch(connection, RECORD, actor, action, subject, request_id)


async def record_all(connection: AsyncConnection, done: Sequence[Done]) -> None:
    """Write down the deeds of a batch in the caller's transaction."""
    await fetch(connection, RECORD_ALL, *zip(*done, strict=True))


async def deeds(
    connection: AsyncConnection,
    *,
    actor: str | None = None,
    subject: str | None = None,
    before: int = LAST,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """Return deeds of an actor or to a subject, the newest first."""
    return [dict(row) for row in await fetch(connection, LIST, before, actor, subject, limit)]
