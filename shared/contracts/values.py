"""The values that events and requests are made of: money, identifiers, instants."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, GetPydanticSchema, StringConstraints
from pydantic_core import CoreSchema, core_schema

EARLIEST = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
LATEST = dt.datetime(2200, 1, 1, tzinfo=dt.UTC)


def _decimal_string(_source: object, _handler: object) -> CoreSchema:
    # a JSON number has passed through binary floats in somebody's hands, so only a string is taken
    return core_schema.chain_schema(
        [
            core_schema.str_schema(pattern=r"^[0-9]{1,14}(\.[0-9]{1,4})?$", strict=True),
            core_schema.no_info_plain_validator_function(Decimal),
        ],
        serialization=core_schema.to_string_ser_schema(),
    )


def _instant(_source: object, _handler: object) -> CoreSchema:
    return core_schema.chain_schema(
        [
            core_schema.str_schema(strict=True, min_length=19, max_length=40),
            core_schema.datetime_schema(tz_constraint="aware", ge=EARLIEST, le=LATEST),
        ],
    )


def _day_since(earliest: dt.date) -> Callable[[object, object], CoreSchema]:
    return lambda _source, _handler: core_schema.chain_schema(
        [
            core_schema.str_schema(strict=True, pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"),
            core_schema.date_schema(ge=earliest, le=LATEST.date()),
        ],
    )


def _whole(number: object) -> object:
    """JSON knows one kind of number, and in it 5.0 is the integer 5."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _validation_schema(schema: dict[str, Any]) -> Any:
    return lambda _core, _handler: dict(schema)  # pydantic writes titles and defaults into it


Money = Annotated[
    Decimal,
    GetPydanticSchema(
        _decimal_string,
        _validation_schema({"type": "string", "pattern": r"^[0-9]{1,14}(\.[0-9]{1,4})?$", "examples": ["119.00"]}),
    ),
]
"""Units of the currency as a decimal string, not negative, at most 4 decimals."""

Instant = Annotated[
    dt.datetime,
    GetPydanticSchema(
        _instant,
        _validation_schema({"type": "string", "format": "date-time", "examples": ["2026-11-23T10:15:00+01:00"]}),
    ),
]
"""RFC 3339 with an offset, between 1970 and 2200."""

Day = Annotated[
    dt.date,
    GetPydanticSchema(
        _day_since(EARLIEST.date()),
        _validation_schema({"type": "string", "format": "date", "examples": ["2026-11-23"]}),
    ),
]
"""A local day between 1970 and 2200."""

DayOfLife = Annotated[
    dt.date,
    GetPydanticSchema(
        _day_since(dt.date(1850, 1, 1)),
        _validation_schema({"type": "string", "format": "date", "examples": ["1985-02-28"]}),
    ),
]
"""A day that a living person may remember, or was born on."""

Identifier = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=128)]
"""A name given by the outside; kept to the letter."""

CustomerId = Annotated[str, StringConstraints(pattern=r"^[^@\x00-\x1f\x7f]+$", max_length=128)]
"""The shop's pseudonym for a customer; an e-mail address is refused."""

CardNumber = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]+$", max_length=40)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Points = Annotated[int, Field(strict=True, ge=-(10**12), le=10**12)]

Whole = Annotated[int, BeforeValidator(_whole), Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]
