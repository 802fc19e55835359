"""Searching a whole database for a person: every column of every table, as whoever has a copy of it could."""

from collections import defaultdict

from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database import fetch
from shared.erasures import Memory

COLUMNS = """
SELECT c.table_name, c.column_name, c.data_type FROM information_schema.columns c
  JOIN information_schema.tables t USING (table_schema, table_name)
 WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' ORDER BY 1, c.ordinal_position"""

Places = set[tuple[str, str]]
"""Tables and their columns."""


async def found(engine: AsyncEngine, *words: str) -> Places:
    """Return where any of these words stands, in text, JSON or bytes; days of sent events count as their table."""
    places: Places = set()
    async with engine.connect() as connection:
        for table, column, kind in await fetch(connection, COLUMNS):
            text = f"""encode("{column}", 'escape')""" if kind == "bytea" else f'"{column}"::text'
            statement = f"SELECT FROM {table} WHERE {text} ILIKE ANY($1::text[]) LIMIT 1"
            if await fetch(connection, statement, [f"%{word}%" for word in words]):
                places.add(("outbox_sent" if table.startswith("outbox_sent_") else table, column))
    return places


async def tables_of(engine: AsyncEngine) -> set[str]:
    """Return the tables of a database; days of sent events count as their table."""
    async with engine.connect() as connection:
        names = {row["table_name"] for row in await fetch(connection, COLUMNS)}
    return {"outbox_sent" if name.startswith("outbox_sent_") else name for name in names} - {"alembic_version"}


async def undeclared(engine: AsyncEngine, memory: Memory) -> set[str]:
    """Return tables of which nobody has said whether they have anything of people."""
    declared = {each.table for each in memory.kept}
    assert not declared & memory.impersonal
    return await tables_of(engine) ^ (declared | memory.impersonal)


async def filled(engine: AsyncEngine, memory: Memory, names: list[str], traces: list[str]) -> dict[str, int]:
    """Return how many rows of a person each table has."""
    counts: dict[str, int] = defaultdict(int)
    async with engine.connect() as connection:
        for kept in memory.kept:
            if kept.shown is None:
                continue
            counts[kept.table] += len(await fetch(connection, kept.query, names, traces))
    return counts
