"""`loyalty demo`: 18 months of a real shop's purchases, booked like any other, and what they come to."""

from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.table import Table

from services.importing import run as run_import
from services.points.imports import run as imports
from services.points.imports.presets import PRESETS
from services.points.imports.records import FileError
from services.points.settings import PointsSettings
from services.points.summary import Quarter, Summary, summary
from services.running import points_service
from shared.database import create_engine

PRESET = PRESETS["cdnow"]
SHOP = PRESET.shop_id or ""


def purchases() -> Path:
    """Return the file of the CDNOW purchases, found without importing the package that has it."""
    package = find_spec("lifetimes")
    if package is None or not package.submodule_search_locations:
        raise FileError(
            "the purchases of the demo come with the package lifetimes; install the development dependencies"
        )
    return Path(package.submodule_search_locations[0]) / "datasets" / "CDNOW_master.txt"


async def run(settings: PointsSettings) -> tuple[imports.Report, Summary]:
    """Book what is not booked yet, and sum up."""
    wanted = imports.Import([purchases()], PRESET, settings.max_event_bytes)
    imports.check(wanted)
    report, _ = await run_import(settings, wanted)
    async with points_service(settings) as (_, books):
        engine = create_engine(books.url, name="loyalty-demo", reporting=True)
        try:
            async with engine.connect() as connection:
                return report, await summary(connection, SHOP)
        finally:
            await engine.dispose()


def show(report: imports.Report, sums: Summary, out: Console) -> None:
    """Tell a shop's owner what happened and what it means."""
    if report.purchases:
        out.print(f"[bold green]booked[/]: {report.purchases:,} purchases, {report.points:,} points")
    else:
        out.print("[bold green]all of it was there already[/]; nothing was booked twice")
    out.print(_totals(sums))
    out.print(_top(sums))
    out.print(_retention(sums.quarters))
    out.print("Retention = (active - new) / active in the quarter before; strictly: who bought in both.")
    out.print("`make run` serves these accounts; their purchases are those of CDNOW, 1997 and 1998.")


def _totals(sums: Summary) -> Table:
    totals = sums.totals
    table = Table(title=f"{SHOP}, {totals['first']:%d %B %Y} to {totals['last']:%d %B %Y}", show_header=False)
    for name in ("customers", "invoices"):
        table.add_row(name, f"{totals[name]:,}")
    table.add_row("turnover", f"{totals['turnover']:,.2f} {totals['currency']}")
    table.add_row("average invoice", f"{totals['turnover'] / totals['invoices']:,.2f} {totals['currency']}")
    table.add_row("points", f"{totals['points']:,}")
    return table


def _top(sums: Summary) -> Table:
    table = Table("customer", "invoices", "turnover", "points", title="best customers")
    for row in sums.top:
        table.add_row(row["customer_id"], f"{row['invoices']:,}", f"{row['turnover']:,.2f}", f"{row['points']:,}")
    return table


def _retention(quarters: list[Quarter]) -> Table:
    table = Table("quarter", "active before", "active", "new", "retention", "strictly", title="retention")
    for each in quarters:
        counts = (each.before, each.active, each.new)
        table.add_row(each.name, *(f"{count:,}" for count in counts), f"{each.retention:.1f} %", f"{each.strict:.1f} %")
    return table
