"""One record of a file, read: whose, when, what of which article, worth what; or why it cannot be used."""

import datetime as dt
import re
from collections.abc import Callable
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from services.points.imports.presets import Mapping

SCALE = 4
UNIT = 10_000
"""Quantities and money are whole numbers of ten-thousandths here, as the contract knows four decimals."""

LARGEST = 10**11 * UNIT
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MICROSECOND = dt.timedelta(microseconds=1)
UNDECODABLE = "\ufffd"
REMEMBERED = 1 << 16
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
    cancelled: int
    refunds_invoice: str | None


class RowError(Exception):
    """A row cannot be used; with a `number` its whole invoice cannot, which would be booked with another total."""

    def __init__(self, reason: str, number: tuple[str, str] | None = None) -> None:
        super().__init__(reason)
        self.number = number


FIELDS = (
    "shop_column", "invoice", "customer", "currency_column", "occurred_at", "time_of_day", "sku", "category", "quantity",
    "price", "amount", "refunds_invoice",
)  # fmt: skip
NOWHERE = -1
"""The place, after all columns, of what is not mapped; nothing stands there."""


class LineReader:
    """Reads the records of one file. What is read from texts is remembered: they come again and again."""

    def __init__(self, mapping: Mapping, columns: tuple[str, ...], path: Path) -> None:
        self._mapping = mapping
        places = {field: columns.index(column) for field, column in mapping.mapped().items()}
        self._pick = itemgetter(*(places.get(field, NOWHERE) for field in FIELDS))
        self._name = name_reader(mapping.encoding)
        self._value = value_reader(mapping)
        self._instant = instant_reader(mapping.time_format, ZoneInfo(mapping.time_zone))
        self._cancelled = re.compile(mapping.cancelled).search if mapping.cancelled else None
        self._ignored = re.compile(mapping.ignored).search if mapping.ignored else None
        self._file = (path.with_suffix("") if path.suffix in COMPRESSED else path).name

    def read(self, fields: list[Any]) -> Line:
        """Return the line of a record, which ends with its line and row numbers. Raises `RowError`."""
        texts = self._pick((*fields, ""))
        try:
            shop_id = self._name(texts[0]) or self._mapping.shop_id
            number = f"{self._file}:{fields[-1]}" if self._mapping.invoice is None else self._name(texts[1])
        except ValueError as error:
            raise RowError(str(error)) from None
        if shop_id is None or number is None:
            raise RowError("no shop" if shop_id is None else "no invoice number")
        if self._ignored and self._ignored(number):
            raise RowError("left out: a number to be ignored")
        try:
            return self._line(shop_id, number, texts)
        except ValueError as error:
            raise RowError(str(error), (shop_id, number)) from None

    def _line(self, shop_id: str, number: str, texts: tuple[str, ...]) -> Line:
        _, _, customer, currency, date, time, sku, category, count, price, amount, refunds = texts
        quantity, value = self._value(count, price, amount)
        if not value and not self._mapping.free:
            raise RowError("left out: it cost nothing")
        refunds_invoice = self._name(refunds)
        return Line(
            shop_id,
            number,
            self._name(customer),
            self._currency(currency),
            self._instant(date, time),
            self._name(sku),
            self._name(category),
            quantity,
            value,
            int(refunds_invoice is not None or self._is_cancelled(number, value)),
            refunds_invoice,
        )

    def _currency(self, text: str) -> str:
        currency = self._name(text) or self._mapping.currency
        if currency is None:
            raise ValueError("no currency")
        return currency

    def _is_cancelled(self, number: str, value: int) -> bool:
        return value < 0 if self._cancelled is None else self._cancelled(number) is not None


def name_reader(encoding: str) -> Callable[[str], str | None]:
    """Return what reads an identifier; none where nothing stands."""

    @lru_cache(REMEMBERED)
    def name(text: str) -> str | None:
        text = text.strip()
        if UNDECODABLE in text:
            raise ValueError(f"{text!r} is not in the encoding {encoding}")
        return text or None

    return name


def value_reader(mapping: Mapping) -> Callable[[str, str, str], tuple[int | None, int]]:
    """Return what makes the texts of quantity, price and amount a quantity and a value, both in ten-thousandths."""
    number = number_reader(mapping.decimal)

    @lru_cache(REMEMBERED)
    def value(quantity: str, price: str, amount: str) -> tuple[int | None, int]:
        count = None if mapping.quantity is None else number(quantity)
        counted = None if count is None else _scaled("quantity", *count)
        if mapping.amount is not None:
            return counted, _scaled("amount", *number(amount))
        digits, decimals = number(price)
        times, more = count or (1, 0)
        return counted, _scaled("quantity times price", digits * times, decimals + more)

    return value


def number_reader(decimal: str) -> Callable[[str], tuple[int, int]]:
    """Return what reads a number as its digits and how many of them are decimals; exact, unlike floats."""
    groups = re.escape("," if decimal == "." else ".")
    form = re.compile(
        rf"([+-]?)([0-9]+|[0-9]{{1,3}}(?:{groups}[0-9]{{3}})+)?(?:{re.escape(decimal)}([0-9]*))?", re.ASCII
    )

    def number(text: str) -> tuple[int, int]:
        match = form.fullmatch(text.strip())
        if match is None or not (match[2] or match[3]):
            raise ValueError(f"{text!r} is no number" if text.strip() else "no number")
        decimals = (match[3] or "").rstrip("0")
        whole = re.sub(groups, "", match[2] or "")
        return int(match[1] + whole + decimals or "0"), len(decimals)

    return number


def _scaled(what: str, digits: int, decimals: int) -> int:
    per: int = 10**decimals
    value, rest = divmod(digits * UNIT, per)
    if rest:
        raise ValueError(f"{what}: more than {SCALE} decimals")
    if abs(value) >= LARGEST:
        raise ValueError(f"{what}: more than a shop's books hold")
    return value


def instant_reader(time_format: str | None, zone: ZoneInfo) -> Callable[[str, str], int]:
    """Return what reads date and time of day; without an offset it is local to `zone`, the earlier of two that it may be."""

    @lru_cache(REMEMBERED)
    def instant(date: str, time: str) -> int:
        text = f"{date} {time}".strip()
        try:
            # the zone is put in below where the text says none
            moment = dt.datetime.strptime(text, time_format) if time_format else dt.datetime.fromisoformat(text)  # noqa: DTZ007
        except ValueError:
            raise ValueError(f"{text!r} is no time {time_format or 'as of ISO 8601'}" if text else "no time") from None
        return ((moment if moment.tzinfo else moment.replace(tzinfo=zone)) - EPOCH) // MICROSECOND

    return instant
