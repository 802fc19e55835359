"""The statement of a month: what was carried forward, what became due and was taken back, what was paid; as JSON and CSV."""

import csv
import datetime as dt
import io
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from services.referrals.records import Partner, Payout
from services.referrals.terms import payable
from shared.spreadsheets import harmless

Status = Literal["open", "due", "carried", "paid"]

COLUMNS = (
    "kind", "date", "shop_id", "invoice_number", "code", "sold", "refunded", "percent", "amount", "currency", "reason"
)  # fmt: skip


class StatementLine(NamedTuple):
    """A commission, or what is taken back of one, with what is known of its sale; no `percent` where it is a fixed amount."""

    number: int
    occurred_at: dt.datetime
    shop_id: str
    invoice_number: str
    code: str
    sold: Decimal
    refunded: Decimal
    percent: str | None
    amount: Decimal
    reason: str
    booked_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Statement:
    """What a partner has to get at the end of a month: `opening`, and its lines; `payout` may cover later months with it."""

    partner: Partner
    month: dt.date
    zone: ZoneInfo
    opening: Decimal
    lines: list[StatementLine]
    payout: Payout | None
    is_over: bool

    @property
    def currency(self) -> str:
        return self.partner.terms.currency

    @property
    def earned(self) -> Decimal:
        return sum((each.amount for each in self.lines if each.amount > 0), Decimal(0))

    @property
    def taken_back(self) -> Decimal:
        return -sum((each.amount for each in self.lines if each.amount < 0), Decimal(0))

    @property
    def closing(self) -> Decimal:
        return self.opening + self.earned - self.taken_back

    @property
    def status(self) -> Status:
        """Whether it still changes, is to be paid, leaves nothing to pay yet, or was paid."""
        if self.payout is not None:
            return "paid"
        if not self.is_over:
            return "open"
        return "due" if self.closing > 0 else "carried"

    def local_day(self, instant: dt.datetime) -> dt.date:
        return instant.astimezone(self.zone).date()


def money(amount: Decimal, currency: str) -> str:
    """Return an amount with the digits of its currency, and no fewer than it has."""
    rounded = payable(amount, currency)
    return f"{rounded if rounded == amount else amount.normalize():f}"


# As JSON


def view(statement: Statement) -> dict[str, Any]:
    currency = statement.currency
    return {
        "partner_id": statement.partner.partner_id,
        "name": statement.partner.name,
        "month": f"{statement.month:%Y-%m}",
        "time_zone": str(statement.zone),
        "status": statement.status,
        "currency": currency,
        "opening_balance": money(statement.opening, currency),
        "earned": money(statement.earned, currency),
        "taken_back": money(statement.taken_back, currency),
        "closing_balance": money(statement.closing, currency),
        "lines": [line_view(each, currency) for each in statement.lines],
        "payout": None if statement.payout is None else payout_view(statement.payout),
    }


def line_view(line: StatementLine, currency: str) -> dict[str, Any]:
    amounts = {name: money(getattr(line, name), currency) for name in ("sold", "refunded", "amount")}
    return line._asdict() | amounts


def payout_view(payout: Payout) -> dict[str, Any]:
    return payout._asdict() | {
        "month": f"{payout.month:%Y-%m}",
        "amount": money(payout.amount, payout.currency),
    }


# As CSV


def as_csv(statement: Statement) -> str:
    """Return a table whose last row is the sum of those before it."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="")
    writer.writeheader()
    writer.writerows(_rows(statement))
    return text.getvalue()


def _rows(statement: Statement) -> Iterator[dict[str, Any]]:
    currency = statement.currency
    yield {"kind": "opening", "amount": money(statement.opening, currency), "currency": currency}
    for line in statement.lines:
        yield {
            "kind": "commission" if line.amount > 0 else "reversal",
            "date": statement.local_day(line.occurred_at),
            "shop_id": harmless(line.shop_id),
            "invoice_number": harmless(line.invoice_number),
            "code": harmless(line.code),
            "sold": money(line.sold, currency),
            "refunded": money(line.refunded, currency),
            "percent": line.percent,
            "amount": money(line.amount, currency),
            "currency": currency,
            "reason": harmless(line.reason),
        }
    yield {"kind": "closing", "amount": money(statement.closing, currency), "currency": currency}
