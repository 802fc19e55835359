"""Rows on their way to PostgreSQL: a batch travels as one string per column.

The driver checks and encodes an array element by element (1.4 microseconds each); one string costs it nothing. No identifier of
the contract and no JSON holds the two control characters that separate and stand for nothing.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from operator import attrgetter
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

SEPARATOR, NOTHING = "\x1f", "\x1e"

DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


class Columns:
    """Some columns of a table, and the SQL that writes rows of them; their arguments are `$first`, `$first + 1`, …"""

    def __init__(self, table: sa.Table, names: str) -> None:
        """`names` are separated by blanks."""
        quote = DIALECT.identifier_preparer.quote
        columns = [table.columns[name] for name in names.split()]
        key = [quote(column.name) for column in table.primary_key]
        self.width = len(columns)
        self.of = attrgetter(*names.split())
        """Give an object's values of these columns."""
        self._table = table.name
        self._names = [quote(column.name) for column in columns]
        self._types = [column.type.compile(DIALECT) for column in columns]
        self._key = ", ".join(key)
        self._others = [name for name in self._names if name not in key]
        self._matches = " AND ".join(f"{table.name}.{name} = k.{name}" for name in key)

    def rows(self, first: int = 1) -> str:
        return f"{rows_of(*self._types, first=first)} AS k({', '.join(self._names)})"

    def insert(self, first: int = 1, **same: str) -> str:
        """Add rows; `same` are columns that have one value in all of them, as SQL."""
        names, values = ", ".join([*self._names, *same]), ", ".join(["*", *same.values()])
        return f"INSERT INTO {self._table} ({names}) SELECT {values} FROM {self.rows(first)}"

    def add(self, first: int = 1) -> str:
        """Add rows, or their numbers to those of the rows that stand there."""
        sums = ", ".join(f"{name} = {self._table}.{name} + excluded.{name}" for name in self._others)
        return f"{self.insert(first)} ON CONFLICT ({self._key}) DO UPDATE SET {sums}"

    def put(self, first: int = 1) -> str:
        """Add rows, or write them over those that stand there."""
        changes = ", ".join(f"{name} = excluded.{name}" for name in self._others)
        return f"{self.insert(first)} ON CONFLICT ({self._key}) DO UPDATE SET {changes}"

    def update(self, first: int = 1) -> str:
        """Change the rows that have the same primary key."""
        changes = ", ".join(f"{name} = k.{name}" for name in self._others)
        return f"UPDATE {self._table} SET {changes} FROM {self.rows(first)} WHERE {self._matches}"

    def delete(self, first: int = 1) -> str:
        return f"DELETE FROM {self._table} USING {self.rows(first)} WHERE {self._matches}"

    def joined(self, rows: Sequence[tuple[Any, ...]]) -> list[str]:
        return joined(rows, self.width)


def firsts(first: int, *shapes: Columns) -> list[int]:
    """Return the number of the first argument of each, where they follow each other in one statement."""
    return list(accumulate((each.width for each in shapes), initial=first))[:-1]


def rows_of(*types: str, first: int = 1) -> str:
    """Return the SQL that makes rows of the columns `$first`, `$first + 1`, …, each sent as one joined string."""
    arrays = (f"string_to_array(${first + i}, '{SEPARATOR}', '{NOTHING}')::{each}[]" for i, each in enumerate(types))
    return f"unnest({', '.join(arrays)})"


def joined(rows: Sequence[tuple[Any, ...]], width: int) -> list[str]:
    """Return one string per column; so many empty ones where there are no rows."""
    return [_join(column) for column in zip(*rows, strict=True)] if rows else [""] * width


def _join(column: Sequence[Any]) -> str:
    kinds = set(map(type, column))
    if len(kinds) == 1:
        kind = kinds.pop()
        if kind is dt.datetime:
            return _instants(column)
        return SEPARATOR.join(column if kind is str else map(SPELLINGS.get(kind, str), column))
    return SEPARATOR.join([NOTHING if each is None else SPELLINGS.get(type(each), str)(each) for each in column])


def _instants(column: Sequence[dt.datetime]) -> str:
    """Write them all at once: a fifth of the time that each of them takes by itself."""
    return orjson.dumps(column)[2:-2].decode().replace('","', SEPARATOR)


SPELLINGS: Mapping[type, Callable[[Any], str]] = {
    dt.datetime: dt.datetime.isoformat,
    dt.date: dt.date.isoformat,
    bytes: lambda octets: f"\\x{octets.hex()}",
    type(None): lambda _: NOTHING,
}
"""How a value is written; any other as Python writes it."""
