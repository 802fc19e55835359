"""Proving books: every invariant is a query that returns the rows that break it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Invariant:
    """What must hold; `broken` selects the rows for which it does not."""

    name: str
    states: str
    broken: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken invariant: how many rows break it, and the first of them."""

    name: str
    states: str
    count: int
    rows: Sequence[dict[str, Any]]


async def findings(connection: AsyncConnection, invariants: Sequence[Invariant]) -> list[Finding]:
    """Return every invariant that is broken, judged on one snapshot of the books. The connection is in no transaction yet."""
    await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    # generous for one report at a time: these queries sort and hash whole tables
    await connection.execute(text("SET LOCAL work_mem = '256MB'"))
    # of tables that were just filled nothing is known yet, and a row by row search through them would never end
    await connection.execute(text("SET LOCAL enable_nestloop = off"))
    checked = [await _check(connection, invariant) for invariant in invariants]
    return [finding for finding in checked if finding is not None]


async def _check(connection: AsyncConnection, invariant: Invariant) -> Finding | None:
    statement = f"SELECT *, count(*) OVER () AS of FROM ({invariant.broken}) AS broken LIMIT {SHOWN}"
    rows = [dict(row) for row in (await connection.execute(text(statement.replace(":", "\\:")))).mappings()]
    if not rows:
        return None
    count = rows[0]["of"]
    return Finding(
        invariant.name, invariant.states, count, [{k: v for k, v in row.items() if k != "of"} for row in rows]
    )
