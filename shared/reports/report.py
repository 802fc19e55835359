"""What a report is: its columns, how they are counted, how it is drawn, and the function that reads it."""

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.reports.questions import Period, Question

Unit = Literal["text", "count", "points", "money", "percent", "days", "date", "flag"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a report's rows, or a figure of its summary; what it is not, `None`, has no answer."""

    name: str
    unit: Unit
    meaning: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Which columns are drawn and how; with `panels`, apart for each value of that column.

    `lines` and `bars` stand along the periods, `ranks` lie beside each other, `heat` colours a table by its one value.
    """

    kind: Literal["lines", "bars", "ranks", "heat"]
    along: str
    drawn: tuple[str, ...]
    across: str | None = None
    panels: str | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """What a report found: rows, one value per column, and figures of the whole."""

    rows: Sequence[Sequence[Any]]
    summary: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """A report; `method` says how it counts, whether amounts are net of refunds, and where its formula is from.

    `is_of_now` is one that tells what stands in the books now, whatever the range.
    """

    name: str
    title: str
    says: str
    method: str
    columns: tuple[Column, ...]
    chart: Chart
    read: Callable[[AsyncConnection, Question], Awaitable[Findings]]
    takes: frozenset[str] = frozenset({"shop_id", "currency"})
    summary: tuple[Column, ...] = ()
    period: Period = "month"
    is_of_now: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A report, what it was asked, and what it found."""

    report: Report
    question: Question
    findings: Findings

    def records(self) -> list[dict[str, Any]]:
        """Return the rows by their columns' names."""
        return [_record(self.report.columns, row) for row in self.findings.rows]

    def about(self) -> str:
        """Return the days that the answer is about, in words."""
        asked = self.question
        if self.report.is_of_now:
            return f"{asked.now.astimezone(asked.zone):%Y-%m-%d %H:%M}, {asked.zone.key}"
        return f"{asked.first} to {asked.end - dt.timedelta(days=1)}, {asked.zone.key}"

    def summary(self) -> dict[str, Any]:
        """Return the figures of the whole by their names."""
        return _record(self.report.summary, self.findings.summary)


def _record(columns: Sequence[Column], values: Sequence[Any]) -> dict[str, Any]:
    return {column.name: value for column, value in zip(columns, values, strict=True)}


PERIOD = Column("period", "text", "month 2026-11, quarter 2026-Q4 or year 2026, in the programme's time zone")
COMPLETE = Column("complete", "flag", "whether the period is over and lies in the range as a whole")
CURRENCY = Column("currency", "text", "amounts of different currencies are never added up")
