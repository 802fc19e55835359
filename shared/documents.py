"""Documents that shops write: programmes, offers, terms; validated as a whole, published in versions."""

import datetime as dt
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from typing import Annotated, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema
from typing_extensions import TypeAliasType

from shared.contracts.values import Instant, Money, Whole

BEGINNING = dt.datetime(1, 1, 1, tzinfo=dt.UTC)
"""From when the first version is valid."""

TIME_ZONES = frozenset(files("tzdata").joinpath("zones").read_text("ascii").split())
"""The names of the IANA database; those of the machine may be older."""


def _above_zero(rate: Decimal) -> Decimal:
    if rate <= 0:
        message = "a rate must be above 0"
        raise ValueError(message)
    return rate


def _known_zone(name: str) -> str:
    if name not in TIME_ZONES:
        message = f"{name!r} is no time zone of the IANA database"
        raise ValueError(message)
    return name


Rate = Annotated[
    Money,
    AfterValidator(_above_zero),
    WithJsonSchema({"type": "string", "pattern": r"^(?=.*[1-9])[0-9]{1,14}(\.[0-9]{1,4})?$", "examples": ["1"]}),
]
Name = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=64)]
TimeZone = TypeAliasType(
    "TimeZone",
    Annotated[
        str,
        AfterValidator(_known_zone),
        WithJsonSchema({"type": "string", "enum": sorted(TIME_ZONES), "examples": ["Europe/Berlin"]}),
    ],
)
Points = Annotated[Whole, Field(ge=1, le=10**9)]
Months = Annotated[Whole, Field(ge=1, le=1200)]
Days = Annotated[Whole, Field(ge=0, le=3650)]


class Document(BaseModel):
    """A part of a document; what nobody knows is refused, since a misspelt rule would silently not count."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class EarlyAccess(Document):
    """Regular customers first: for these tiers it holds from an earlier instant on."""

    tiers: Annotated[list[Name], Field(min_length=1, max_length=20)]
    valid_from: Instant


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that does not fit together; `pointer` leads to it in the document."""

    pointer: str
    code: str
    detail: str


class UnpublishableError(Exception):
    """What was published or done before keeps a document from being published, though it fits together."""

    def __init__(self, pointer: str, code: str, detail: str) -> None:
        super().__init__(detail)
        self.pointer = pointer
        self.code = code


Content = TypeVar("Content", bound=Document)


class Version(BaseModel, Generic[Content]):
    """A published programme; `version` counts from 1."""

    version: int
    valid_from: dt.datetime
    programme: Content


class Versions(Generic[Content]):
    """All published versions, in the order of their validity."""

    def __init__(self, versions: Sequence[Version[Content]]) -> None:
        # of two versions valid from the same instant the later one counts
        self._by_validity = sorted(versions, key=lambda each: (each.valid_from, each.version))
        self._starts = [each.valid_from for each in self._by_validity]
        self._by_number = {each.version: each for each in versions}
        self.latest = max(self._by_number)

    def at(self, instant: dt.datetime) -> Version[Content]:
        """Return the version whose rules hold for what happened at `instant`."""
        return self._by_validity[bisect_right(self._starts, instant) - 1]

    def from_now_on(self, instant: dt.datetime) -> list[Version[Content]]:
        """Return the version of `instant` and those that follow it."""
        return self._by_validity[bisect_right(self._starts, instant) - 1 :]

    def number(self, version: int) -> Version[Content]:
        """Return a version by its number."""
        return self._by_number[version]
