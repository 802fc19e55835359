"""Reading saved templates."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.templates.document import Template
from shared.database import fetch

LATEST = """
SELECT DISTINCT ON (name) name, version, saved_at, saved_by FROM template ORDER BY name, version DESC"""
VERSIONS = """
SELECT name, version, saved_at, saved_by FROM template WHERE name = $1 AND version < $2 ORDER BY version DESC LIMIT $3"""
ONE = """
SELECT name, version, saved_at, saved_by, document::text AS document FROM template WHERE name = $1 AND version = $2"""


async def latest(connection: AsyncConnection) -> dict[str, dict[str, Any]]:
    """Return who saved the templates that hold, and when, by their names."""
    return {row["name"]: dict(row) for row in await fetch(connection, LATEST)}


async def versions(connection: AsyncConnection, name: str, *, before: int, limit: int) -> list[dict[str, Any]]:
    """Return the versions of a name without their texts, the newest first."""
    return [dict(row) for row in await fetch(connection, VERSIONS, name, before, limit)]


async def version(connection: AsyncConnection, name: str, number: int) -> dict[str, Any] | None:
    """Return a version that was saved, with its template."""
    rows = await fetch(connection, ONE, name, number)
    if not rows:
        return None
    found = dict(rows[0])
    return found | {"template": Template.model_validate_json(found.pop("document"))}
