"""What differs between two documents: each difference with a pointer to its place and both of its values."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python


@dataclass(frozen=True, slots=True)
class Difference:
    """`pointer` leads into the newer document, of what is gone from it into the older one; what is not there is none."""

    pointer: str
    before: Any
    after: Any


def differences(before: BaseModel, after: BaseModel) -> list[Difference]:
    """Return every difference; what has a name is told apart by it, not by their places.

    Values are compared, not spellings: 1.0 is 1, and an instant is the same with another offset.
    """
    found = _compared("", before.model_dump(by_alias=True), after.model_dump(by_alias=True))
    return [Difference(each.pointer, *map(to_jsonable_python, (each.before, each.after))) for each in found]


def _compared(pointer: str, before: Any, after: Any) -> Iterator[Difference]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*before, *(name for name in after if name not in before)]:
            yield from _compared(f"{pointer}/{_escaped(name)}", before.get(name), after.get(name))
    elif _has_names(before) and _has_names(after) and (before or after):
        yield from _by_name(pointer, before, after)
    else:
        yield Difference(pointer, before, after)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _has_names(items: Any) -> bool:
    if not isinstance(items, list) or not all(isinstance(each, dict) and "name" in each for each in items):
        return False
    return len({each["name"] for each in items}) == len(items)


def _by_name(pointer: str, before: Sequence[Any], after: Sequence[Any]) -> Iterator[Difference]:
    old, new = ({each["name"]: (place, each) for place, each in enumerate(items)} for items in (before, after))
    for name, (place, item) in old.items():
        if name in new:
            yield from _compared(f"{pointer}/{new[name][0]}", item, new[name][1])
        else:
            yield Difference(f"{pointer}/{place}", item, None)
    for name, (place, item) in new.items():
        if name not in old:
            yield Difference(f"{pointer}/{place}", None, item)
    orders = [[name for name in names if name in old and name in new] for names in (old, new)]
    if orders[0] != orders[1]:
        yield Difference(pointer, *orders)
