"""Which column of a shop's files says what, and the two files that are known by name."""

import codecs
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

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


Column = Annotated[str, Field(min_length=1)]
"""The name of a column in the header; of a file without one, a name from `columns`."""


class Mapping(BaseModel):
    """Where in a file the fields of a purchase stand.

    A line's value is `quantity` times `price`, or `amount` as it stands. `currency` and `shop_id` are the same in every row
    unless a column says them. `cancelled` and `ignored` are patterns of invoice numbers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    customer: Column | None = None
    invoice: Column | None = None
    sku: Column | None = None
    category: Column | None = None
    quantity: Column | None = None
    price: Column | None = None
    amount: Column | None = None
    occurred_at: Column
    time_of_day: Column | None = None
    refunds_invoice: Column | None = None
    shop_column: Column | None = None
    currency_column: Column | None = None

    shop_id: Identifier | None = None
    currency: Currency | None = None
    time_format: str | None = None
    time_zone: Annotated[str, AfterValidator(_time_zone)] = "UTC"
    cancelled: str | None = None
    ignored: str | None = None

    columns: tuple[Column, ...] = ()
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | Literal["whitespace"] | None = None
    decimal: Literal[".", ","] = "."
    encoding: Annotated[str, AfterValidator(_encoding)] = "utf-8"

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.price is None) == (self.amount is None):
            raise ValueError("map either a price (beside a quantity) or an amount")
        if self.price is not None and self.quantity is None:
            raise ValueError("a price needs the column of the quantity")
        if self.shop_id is None and self.shop_column is None:
            raise ValueError("say the shop_id, or the column that says it")
        if self.currency is None and self.currency_column is None:
            raise ValueError("say the currency, or the column that says it")
        if self.invoice is None and (self.cancelled or self.ignored):
            raise ValueError("a pattern of invoice numbers needs the column of the invoice")
        return self

    def mapped(self) -> dict[str, str]:
        """Return the columns that must be there, by what they say."""
        fields = (
            "customer", "invoice", "sku", "category", "quantity", "price", "amount", "occurred_at", "time_of_day",
            "refunds_invoice", "shop_column", "currency_column",
        )  # fmt: skip
        return {field: column for field in fields if (column := getattr(self, field)) is not None}


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
        shop_id="online-retail",
        currency="GBP",
        time_zone="Europe/London",
    ),
}
"""`cdnow`: the master file of the CDNOW purchases; `online-retail`: the CSV files of Online Retail I and II."""
