"""Which column of a shop's files says what, and the two files that are known by name."""

import codecs
import re
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from shared.contracts.values import Currency, Identifier


class MappingError(Exception):
    """The columns do not fit together, or not the files; says which."""


def _time_zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone") from None


def _encoding(name: str) -> str:
    try:
        "".encode(name)  # refuses those that are no text
        return codecs.lookup(name).name
    except LookupError:
        raise ValueError(f"{name!r} is no encoding") from None


def _pattern(text: str) -> str:
    try:
        return re.compile(text).pattern
    except re.error as error:
        raise ValueError(f"{text!r} is no pattern: {error}") from None


def _names(value: object) -> object:
    return tuple(name.strip() for name in value.split(",")) if isinstance(value, str) else value


def _tab(value: object) -> object:
    return "\t" if value in {"tab", "\\t"} else value


Column = Annotated[str, Field(min_length=1)]
"""The name of a column in the header; of a file without one, a name from `columns`."""

Pattern = Annotated[str, AfterValidator(_pattern)]
Delimiter = Annotated[str, Field(min_length=1, max_length=1)] | Literal["whitespace"]


class Mapping(BaseModel):
    """Where in a file the fields of a purchase stand.

    A line's value is `quantity` times `price`, or `amount` as it stands. `currency` and `shop_id` are the same in every row
    unless a column says them. Without `cancelled`, an invoice that has nothing above zero is a cancellation.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    customer: Column | None = Field(None, description="Column of the customer id.")
    invoice: Column | None = Field(
        None, description="Column of the invoice number; without one each row is an invoice."
    )
    sku: Column | None = Field(None, description="Column of the article.")
    category: Column | None = Field(None, description="Column of the article's category.")
    quantity: Column | None = Field(None, description="Column of the quantity.")
    price: Column | None = Field(None, description="Column of the price of one.")
    amount: Column | None = Field(None, description="Column of the row's value, in place of a price.")
    occurred_at: Column | None = Field(None, description="Column of the date, or of date and time.")
    time_of_day: Column | None = Field(None, description="Column of the time, where it stands apart.")
    refunds_invoice: Column | None = Field(None, description="Column of the invoice that a row takes back.")
    shop_column: Column | None = Field(None, description="Column of the shop id.")
    currency_column: Column | None = Field(None, description="Column of the currency.")

    shop_id: Identifier | None = Field(None, description="The shop id of every row.")
    currency: Currency | None = Field(None, description="The currency of every row, as EUR.")
    time_format: str | None = Field(None, description="How times are written, as %d.%m.%Y %H:%M; else ISO 8601.")
    time_zone: Annotated[str, AfterValidator(_time_zone)] = Field("UTC", description="Of times without an offset.")
    cancelled: Pattern | None = Field(None, description="Pattern of the invoice numbers of cancellations.")
    ignored: Pattern | None = Field(None, description="Pattern of invoice numbers to leave out.")
    free: bool = Field(default=True, description="Keep rows that cost nothing.")

    columns: Annotated[tuple[Column, ...], BeforeValidator(_names)] = Field(
        (), description="Names of the columns, comma-separated, of a file without a header."
    )
    delimiter: Annotated[Delimiter | None, BeforeValidator(_tab)] = Field(
        None, description="What stands between fields: a character, tab or whitespace; else found out."
    )
    decimal: Literal[".", ","] = Field(".", description="The decimal sign.")
    encoding: Annotated[str, AfterValidator(_encoding)] = Field("utf-8", description="Of the text.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.occurred_at is None:
            raise ValueError("--occurred-at has to name the column of the date, where no --preset does")
        if (self.price is None) == (self.amount is None):
            raise ValueError("either --price (beside --quantity) or --amount has to name a column")
        if self.price is not None and self.quantity is None:
            raise ValueError("--price needs a --quantity")
        if self.shop_id is None and self.shop_column is None:
            raise ValueError("--shop-id has to say the shop, or --shop-column the column that does")
        if self.currency is None and self.currency_column is None:
            raise ValueError("--currency has to say the currency, or --currency-column the column that does")
        if self.invoice is None and (self.cancelled or self.ignored):
            raise ValueError("--cancelled and --ignored need an --invoice")
        return self

    def mapped(self) -> dict[str, str]:
        """Return the columns that must be there, by what they say."""
        fields = (
            "customer", "invoice", "sku", "category", "quantity", "price", "amount", "occurred_at", "time_of_day",
            "refunds_invoice", "shop_column", "currency_column",
        )  # fmt: skip
        return {field: column for field in fields if (column := getattr(self, field)) is not None}


def mapping(preset: str | None, given: dict[str, object]) -> Mapping:
    """Return the preset's mapping, or one from nothing, with what is given in place. Raises `MappingError`."""
    if preset is not None and preset not in PRESETS:
        raise MappingError(f"--preset: {preset!r} is none; there are {', '.join(PRESETS)}")
    known = PRESETS[preset].model_dump() if preset is not None else {}
    try:
        return Mapping.model_validate(known | given)
    except ValidationError as error:
        raise MappingError(_said(error.errors()[0])) from None


def _said(error: ErrorDetails) -> str:
    message = error["msg"].removeprefix("Value error, ")
    return f"--{str(error['loc'][0]).replace('_', '-')}: {message}" if error["loc"] else message


PRESETS = {
    "cdnow": Mapping(
        columns=("customer_id", "date", "number_of_cds", "dollar_value"),
        delimiter="whitespace",
        customer="customer_id",
        occurred_at="date",
        time_format="%Y%m%d",
        time_zone="America/New_York",
        amount="dollar_value",
        shop_id="cdnow",
        currency="USD",
    ),
    "online-retail": Mapping(
        invoice="InvoiceNo",
        sku="StockCode",
        quantity="Quantity",
        occurred_at="InvoiceDate",
        price="UnitPrice",
        customer="CustomerID",
        cancelled="^C",
        ignored="^A",
        free=False,
        shop_id="online-retail",
        currency="GBP",
        time_zone="Europe/London",
    ),
}
"""`cdnow`: the master file of the CDNOW purchases; `online-retail`: the CSV files of Online Retail I and II."""
