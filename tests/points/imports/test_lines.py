"""Numbers and times are read as they are written, exactly, or refused."""

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from services.points.imports.lines import LineReader, RowError, instant_reader, number_reader
from services.points.imports.presets import PRESETS, Mapping


@pytest.mark.parametrize(
    ("text", "decimal", "number"),
    [
        ("12", ".", (12, 0)),
        ("-12.50", ".", (-125, 1)),
        (" 0.001 ", ".", (1, 3)),
        (".5", ".", (5, 1)),
        ("0", ".", (0, 0)),
        ("1,234.56", ".", (123456, 2)),
        ("1.234,56", ",", (123456, 2)),
        ("12,5", ",", (125, 1)),
    ],
)
def test_a_number_is_read_exactly(text: str, decimal: str, number: tuple[int, int]) -> None:
    assert number_reader(decimal)(text) == number


@pytest.mark.parametrize("text", ["", "x", "1e3", "1,5", "12,34.5", "\u0661", "-", "."])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no number"):
        number_reader(".")(text)


def test_a_time_without_an_offset_is_local() -> None:
    local = instant_reader(None, ZoneInfo("Europe/London"))("2010-07-01 12:00:00", "")
    assert local == dt.datetime(2010, 7, 1, 11, tzinfo=dt.UTC).timestamp() * 1e6


def test_a_time_may_have_a_form_and_a_column_of_its_own() -> None:
    instant = instant_reader("%d.%m.%Y %H:%M", ZoneInfo("UTC"))("01.07.2010", "12:30")
    assert instant == dt.datetime(2010, 7, 1, 12, 30, tzinfo=dt.UTC).timestamp() * 1e6


COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")


def online_retail(**fields: str) -> list[str | int]:
    row = dict(zip(COLUMNS, ("1", "A", "cup", "2", "2010-12-01 08:26:00", "2.55", "17850", "UK"), strict=True)) | fields
    return [*row.values(), 2, 1]


def reader(mapping: Mapping = PRESETS["online-retail"]) -> LineReader:
    return LineReader(mapping, COLUMNS, Path("sales.csv.zst"))


def test_a_row_is_read() -> None:
    line = reader().read(online_retail())
    assert (line.shop_id, line.invoice_number, line.customer_id, line.currency) == (
        "online-retail",
        "1",
        "17850",
        "GBP",
    )
    assert (line.sku, line.quantity, line.amount, line.cancelled) == ("A", 20_000, 51_000, 0)


@pytest.mark.parametrize(
    ("fields", "reason", "whole_invoice"),
    [
        ({"InvoiceNo": " "}, "no invoice number", False),
        ({"InvoiceNo": "A1"}, "left out: a number to be ignored", False),
        ({"UnitPrice": "0"}, "left out: it cost nothing", False),
        ({"UnitPrice": "free"}, "'free' is no number", True),
        ({"UnitPrice": "0.00001", "Quantity": "1"}, "more than 4 decimals", True),
        ({"InvoiceDate": "yesterday"}, "'yesterday' is no time", True),
        ({"CustomerID": "17\ufffd"}, "not in the encoding", True),
    ],
)
def test_a_row_that_cannot_be_used_says_why(fields: dict[str, str], reason: str, whole_invoice: bool) -> None:  # noqa: FBT001 - a column of the table
    with pytest.raises(RowError, match=reason) as raised:
        reader().read(online_retail(**fields))
    assert (raised.value.number is not None) == whole_invoice


def test_without_an_invoice_number_the_file_and_the_row_name_it() -> None:
    mapping = Mapping(occurred_at="InvoiceDate", amount="UnitPrice", shop_id="shop", currency="GBP")
    assert reader(mapping).read(online_retail()).invoice_number == "sales.csv:1"
