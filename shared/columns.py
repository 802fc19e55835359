"""Rows on their way to PostgreSQL: a batch travels as one string per column.

The driver checks and encodes an array element by element (1.4 microseconds each); one string costs it nothing. No identifier of
the contract and no JSON holds the two control characters that separate and stand for nothing.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

SEPARATOR, NOTHING = "\x1f", "\x1e"


def rows_of(*types: str, first: int = 1) -> str:
    """Return the SQL that makes rows of the columns `$first`, `$first + 1`, …, each sent as one joined string."""
    arrays = (f"string_to_array(${first + i}, '{SEPARATOR}', '{NOTHING}')::{each}[]" for i, each in enumerate(types))
    return f"unnest({', '.join(arrays)})"


def numbered(first: int, **tables: tuple[str, ...]) -> dict[str, str]:
    """Return the SQL for the rows of several tables in one statement, whose columns follow each other from `$first`."""
    numbers, found = first, {}
    for name, types in tables.items():
        found[name] = rows_of(*types, first=numbers)
        numbers += len(types)
    return found


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
    type(None): lambda _: NOTHING,
}
"""How a value is written; any other as Python writes it."""
