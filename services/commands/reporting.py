"""`loyalty report`: its options, and a report as a table or a file."""

import datetime as dt
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.points.reports.catalogue import REPORTS as POINTS_REPORTS
from services.points.reports.reader import points_reports
from services.points.service import PointsService
from services.referrals.reports.catalogue import REPORTS as REFERRALS_REPORTS
from services.referrals.reports.reader import referrals_reports
from services.referrals.service import ReferralsService
from services.registry import POINTS, REFERRALS, AllSettings, Kind
from services.running import opened
from shared.reports.drawing import as_svg
from shared.reports.questions import EARLIEST, LATEST, Period
from shared.reports.reader import Reports
from shared.reports.rendering import as_csv, as_json, cells, summary
from shared.reports.report import Answer, Report


@dataclass(frozen=True, slots=True)
class Reporting:
    """A service's reports, and what makes their reader."""

    kind: Kind[Any]
    catalogue: Mapping[str, Report]
    reader: Callable[[Any, AllSettings], Reports]

    @asynccontextmanager
    async def opened(self, settings: AllSettings) -> AsyncIterator[Reports]:
        """Give the reader, on the service's database."""
        async with opened(settings, [self.kind]) as here:
            reports = self.reader(here.services[0].service, settings)
            try:
                yield reports
            finally:
                await reports.close()


def _points(points: PointsService, settings: AllSettings) -> Reports:
    return points_reports(points.engine, clock=points.clock, account_names=settings.account_names())


def _referrals(referrals: ReferralsService, _: AllSettings) -> Reports:
    return referrals_reports(referrals.engine, clock=referrals.clock)


SERVICES = {
    "points": Reporting(POINTS, POINTS_REPORTS, _points),
    "referrals": Reporting(REFERRALS, REFERRALS_REPORTS, _referrals),
}
"""Who has reports; no two have one of the same name."""

CATALOGUE = {name: report for service in SERVICES.values() for name, report in service.catalogue.items()}


class Form(StrEnum):
    """How a report is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    SVG = "svg"


def _day(text: str) -> dt.date:
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("should be a day like 2026-11-23") from None
    if not EARLIEST <= day <= LATEST:
        raise typer.BadParameter("should be a day from 1970 to 2200")
    return day


def _cost(text: str) -> Decimal:
    try:
        cost = Decimal(text)
    except InvalidOperation:
        raise typer.BadParameter("should be an amount like 0.01") from None
    if not cost.is_finite() or cost < 0:
        raise typer.BadParameter("should be an amount like 0.01")
    return cost


def _known(text: str) -> Report:
    if text not in CATALOGUE:
        raise typer.BadParameter(f"there is {', '.join(CATALOGUE)}")
    return CATALOGUE[text]


Wanted = Annotated[Report | None, typer.Argument(parser=_known, metavar="NAME", help="Without it: what there is.")]
From = Annotated[
    dt.date | None, typer.Option("--from", parser=_day, metavar="DAY", help="The first day. [default: 12 periods]")
]
To = Annotated[
    dt.date | None, typer.Option("--to", parser=_day, metavar="DAY", help="The day after the last. [default: tomorrow]")
]
Each = Annotated[Period | None, typer.Option("--period", help="What the range is cut into.")]
Shop = Annotated[str | None, typer.Option("--shop-id", help="Only of this shop.")]
Currency = Annotated[str | None, typer.Option(help="Only in this currency.")]
Code = Annotated[str | None, typer.Option(help="Only of this code of a referrer.")]
Rule = Annotated[str | None, typer.Option(help="Only of this campaign or rule.")]
Limit = Annotated[int | None, typer.Option(min=1, help="So many rows. [default: 100]")]
Cost = Annotated[
    Decimal | None, typer.Option("--cost-per-point", parser=_cost, metavar="AMOUNT", help="What one costs.")
]
Format = Annotated[Form, typer.Option("--format", help="How it is written.")]
Output = Annotated[Path | None, typer.Option(help="A file instead of the terminal.")]


async def read(settings: AllSettings, report: Report, *, narrowing: dict[str, Any], **asked: Any) -> Answer:
    """Read a report from its service's database. Raises what `Reports.read` does."""
    said = {name: value for name, value in narrowing.items() if value is not None}
    (service,) = (each for each in SERVICES.values() if report.name in each.catalogue)
    async with service.opened(settings) as reports:
        return await reports.read(report, narrowing=said, **asked)


def write(answer: Answer, form: Form, output: Path | None) -> None:
    """Write an answer where it was asked for."""
    if form is Form.TABLE and output is None:
        show(answer, Console(width=None if sys.stdout.isatty() else 200))
    elif output is None:
        sys.stdout.write(written(answer, form) + "\n" * (form is Form.JSON))
    else:
        # rows of a CSV file end as the format says, on every system
        output.write_text(written(answer, form), encoding="utf-8", newline="")


def written(answer: Answer, form: Form) -> str:
    """Return an answer as the content of a file."""
    match form:
        case Form.JSON:
            return as_json(answer).decode()
        case Form.CSV:
            return as_csv(answer)
        case Form.SVG:
            return as_svg(answer)
        case Form.TABLE:
            console = Console(record=True, width=200, quiet=True)
            show(answer, console)
            return console.export_text()


def show(answer: Answer, console: Console) -> None:
    """Show an answer as a table, with how it was counted."""
    report = answer.report
    console.print(f"[bold]{report.title}[/], {answer.about()}", highlight=False)
    table = Table(header_style="bold")
    for column in report.columns:
        is_word = column.unit in {"text", "date", "flag"}
        table.add_column(column.name.replace("_", " "), justify="left" if is_word else "right", overflow="fold")
    for row in cells(answer):
        table.add_row(*map(escape, row))
    console.print(table)
    for name, value in summary(answer):
        console.print(f"{name.replace('_', ' ')}: {value or 'none'}", markup=False, highlight=False)
    console.print(report.method, style="dim", highlight=False)


def show_all() -> None:
    """List the reports with what each tells."""
    console = Console(width=None if sys.stdout.isatty() else 200)
    table = Table("report", "what it tells", header_style="bold")
    for report in CATALOGUE.values():
        table.add_row(report.name, report.says)
    console.print(table)
