"""One record of a file, read: whose, when, what of which article, worth what; or why it cannot be used."""

import datetime as dt
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from services.points.imports.presets import Mapping

SCALE = 4
UNIT = 10**SCALE
"""Quantities and money are whole numbers of ten-thousandths here, as the contract knows four decimals."""

LARGEST = 10**11 * UNIT
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MICROSECOND = dt.timedelta(microseconds=1)
UNDECODABLE = "\ufffd"
COMPRESSED = {".gz", ".zst"}


class Line(NamedTuple):
    """A row of an invoice or of a cancellation; `occurred_at` in microseconds since 1970, UTC."""

    shop_id: str
    invoice_number: str
    customer_id: str | None
    currency: str
    occurred_at: int
    sku: str | None
    category: str | None
    quantity: int | None
    amount: int
    cancelled: bool
    refunds_invoice: str | None


class RowError(Exception):
    """A row cannot be used; with a `number` its whole invoice cannot, which would be booked with another total."""

    def __init__(self, reason: str, number: tuple[str, str] | None = None) -> None:
        super().__init__(reason)
        self.number = number


class LineReader:
    """Reads the records of one file."""

    def __init__(self, mapping: Mapping, columns: tuple[str, ...], path: Path) -> None:
        self._mapping = mapping
        self._places = {field: columns.index(column) for field, column in mapping.mapped().items()}
        self._number = number_reader(mapping.decimal)
        self._instant = instant_reader(mapping.time_format, ZoneInfo(mapping.time_zone))
        self._cancelled = re.compile(mapping.cancelled).search if mapping.cancelled else None
        self._ignored = re.compile(mapping.ignored).search if mapping.ignored else None
        self._file = (path.with_suffix("") if path.suffix in COMPRESSED else path).name

    def read(self, fields: list[Any]) -> Line:
        """Return the line of a record, which ends with its line and row numbers. Raises `RowError`."""
        shop_id = self._name(fields, "shop_column") or self._mapping.shop_id
        number = self._name(fields, "invoice") if "invoice" in self._places else f"{self._file}:{fields[-1]}"
        if shop_id is None or number is None:
            raise RowError("no shop" if shop_id is None else "no invoice number")
        if self._ignored and self._ignored(number):
            raise RowError("left out: a number to be ignored")
        try:
            return self._line(shop_id, number, fields)
        except ValueError as error:
            raise RowError(str(error), (shop_id, number)) from None

    def _line(self, shop_id: str, number: str, fields: list[Any]) -> Line:
        quantity = self._quantity(fields)
        amount = self._amount(fields, quantity)
        if not amount and not self._mapping.free:
            raise RowError("left out: it cost nothing")
        currency = self._name(fields, "currency_column") or self._mapping.currency
        if currency is None:
            raise ValueError("no currency")
        refunds = self._name(fields, "refunds_invoice")
        return Line(
            shop_id,
            number,
            self._name(fields, "customer"),
            currency,
            self._occurred_at(fields),
            self._name(fields, "sku"),
            self._name(fields, "category"),
            None if quantity is None else _scaled("quantity", *quantity),
            amount,
            refunds is not None or self._is_cancelled(number, amount),
            refunds,
        )

    def _is_cancelled(self, number: str, amount: int) -> bool:
        return amount < 0 if self._cancelled is None else self._cancelled(number) is not None

    def _name(self, fields: list[Any], field: str) -> str | None:
        place = self._places.get(field)
        if place is None:
            return None
        name: str = fields[place].strip()
        if UNDECODABLE in name:
            raise RowError(f"{field}: {name!r} is not in the encoding {self._mapping.encoding}")
        return name or None

    def _quantity(self, fields: list[Any]) -> tuple[int, int] | None:
        place = self._places.get("quantity")
        return None if place is None else self._number(fields[place])

    def _amount(self, fields: list[Any], quantity: tuple[int, int] | None) -> int:
        place = self._places.get("amount")
        if place is not None:
            return _scaled("amount", *self._number(fields[place]))
        digits, decimals = self._number(fields[self._places["price"]])
        count, more = quantity or (1, 0)
        return _scaled("quantity times price", digits * count, decimals + more)

    def _occurred_at(self, fields: list[Any]) -> int:
        text = fields[self._places["occurred_at"]].strip()
        place = self._places.get("time_of_day")
        return self._instant(text if place is None else f"{text} {fields[place].strip()}")


def number_reader(decimal: str) -> Callable[[str], tuple[int, int]]:
    """Return what reads a number as its digits and how many of them are decimals; exact, unlike floats."""
    groups = re.escape("," if decimal == "." else ".")
    form = re.compile(
        rf"([+-]?)([0-9]+|[0-9]{{1,3}}(?:{groups}[0-9]{{3}})+)?(?:{re.escape(decimal)}([0-9]*))?", re.ASCII
    )

    @lru_cache(1 << 16)
    def number(text: str) -> tuple[int, int]:
        match = form.fullmatch(text.strip())
        if match is None or not (match[2] or match[3]):
            raise ValueError(f"{text!r} is no number" if text.strip() else "no number")
        decimals = (match[3] or "").rstrip("0")
        whole = re.sub(groups, "", match[2] or "")
        return int(match[1] + whole + decimals or "0"), len(decimals)

    return number


def _scaled(what: str, digits: int, decimals: int) -> int:
    value = int(digits * 10 ** (SCALE - decimals)) if decimals <= SCALE else _shortened(what, digits, decimals)
    if abs(value) >= LARGEST:
        raise ValueError(f"{what}: more than a shop's books hold")
    return value


def _shortened(what: str, digits: int, decimals: int) -> int:
    value, rest = divmod(digits, 10 ** (decimals - SCALE))
    if rest:
        raise ValueError(f"{what}: more than {SCALE} decimals")
    return value


def instant_reader(time_format: str | None, zone: ZoneInfo) -> Callable[[str], int]:
    """Return what reads a date and time; one without an offset is local to `zone`, the earlier of two that it may be."""

    @lru_cache(1 << 16)
    def instant(text: str) -> int:
        try:
            # the zone is put in below where the text says none
            moment = dt.datetime.strptime(text, time_format) if time_format else dt.datetime.fromisoformat(text)  # noqa: DTZ007
        except ValueError:
            raise ValueError(f"{text!r} is no time {time_format or 'as of ISO 8601'}" if text else "no time") from None
        return ((moment if moment.tzinfo else moment.replace(tzinfo=zone)) - EPOCH) // MICROSECOND

    return instant
