"""`loyalty demo`: 18 months of a real shop's purchases, booked like any other, friends, mails to customers, and what all comes to."""

import datetime as dt
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.commands import demo_friends, demo_mails, reporting
from services.commands.demo_mails import Mailed
from services.commands.importing import run as run_import
from services.points.imports import run as imports
from services.points.imports.presets import PRESETS
from services.points.imports.records import FileError
from services.points.programme import Programme
from services.points.reports.customers import RETENTION
from services.points.reports.reader import points_reports
from services.points.service import PointsService
from services.points.summary import Summary, campaign_gifts, summary, tier_counts
from services.referrals.summary import Recommended
from services.registry import NOTIFICATIONS, POINTS, REFERRALS, AllSettings, kinds_here
from services.running import opened, points_service
from shared.database import create_engine
from shared.reports.reader import Reports
from shared.reports.report import Answer

PRESET = PRESETS["cdnow"]
SHOP = PRESET.shop_id or ""
OPENING = dt.datetime(1997, 1, 1, 5, tzinfo=dt.UTC)

PROGRAMME = Programme.model_validate(
    {
        "time_zone": "America/New_York",
        "tiers": {
            "window": "lifetime",
            "levels": [
                {"name": "Listener", "threshold": 0},
                {"name": "Silver", "threshold": 150, "multiplier": "1.1", "benefits": ["first to hear of sales"]},
                {"name": "Gold", "threshold": 500, "multiplier": "1.25", "benefits": ["free shipping"]},
            ],
        },
        "campaigns": [
            {
                "name": "holidays 1997",
                "factor": "1",
                "minimum": "25",
                "valid_from": "1997-12-01T00:00:00-05:00",
                "valid_until": "1998-01-01T00:00:00-05:00",
                "per_customer": {"points": 100},
            }
        ],
    }
)
"""Tiers for life, and twice the points in December for baskets of 25 and more, at most 100 more for each customer."""


def purchases() -> Path:
    """Return the file of the CDNOW purchases, found without importing the package that has it."""
    package = find_spec("lifetimes")
    if package is None or not package.submodule_search_locations:
        raise FileError(
            "the purchases of the demo come with the package lifetimes; install the development dependencies"
        )
    return Path(package.submodule_search_locations[0]) / "datasets" / "CDNOW_master.txt"


@dataclass(frozen=True, slots=True)
class Sums:
    """What the purchases come to, and what became of their customers."""

    purchases: Summary
    tiers: dict[str, int]
    campaigns: list[dict[str, Any]]
    retention: Answer
    friends: list[Recommended]
    """Of the referrals service, where it is here."""
    mails: list[Mailed]
    """Of the notifications service, where it is here."""


async def run(settings: AllSettings) -> tuple[imports.Report, Sums]:
    """Book what is not booked yet, and sum up."""
    wanted = imports.Import([purchases()], PRESET, settings.max_event_bytes)
    imports.check(wanted)
    async with points_service(settings) as points:
        await _publish(points)
    report, _ = await run_import(settings, wanted)
    neighbours = [each for each in (REFERRALS, NOTIFICATIONS) if each in kinds_here(settings)]
    async with opened(settings, [POINTS, *neighbours]) as here:
        books, *_ = here.services
        friends = [
            await demo_friends.recommend(books.service, each.service, SHOP, OPENING)
            for each in here.services
            if each.kind is REFERRALS
        ]
        mails = [
            await demo_mails.write(books.service, each, settings, SHOP)
            for each in here.services
            if each.kind is NOTIFICATIONS
        ]
        engine = create_engine(books.url, name="loyalty-demo", reporting=True)
        return report, await _sums(books.service, engine, friends, mails)


async def _sums(points: PointsService, engine: AsyncEngine, friends: list[Recommended], mails: list[Mailed]) -> Sums:
    reports = points_reports(engine, clock=points.clock)
    try:
        async with engine.connect() as connection:
            return await _loyalty(connection, points, reports, friends, mails)
    finally:
        await reports.close()
        await engine.dispose()


async def _publish(points: PointsService) -> None:
    """Give the books a programme with tiers and a campaign, unless their shop has published one."""
    async with points.engine.begin() as connection:
        if (await points.ledger.versions(connection)).latest == 1:
            now = points.clock()
            await points.ledger.publish(connection, PROGRAMME, valid_from=OPENING, now=now, actor="loyalty demo")


async def _loyalty(
    connection: AsyncConnection,
    points: PointsService,
    reports: Reports,
    friends: list[Recommended],
    mails: list[Mailed],
) -> Sums:
    programme = (await points.ledger.versions(connection)).at(points.clock()).programme
    purchases = await summary(connection, SHOP)
    first, last = (programme.local_day(purchases.totals[name]) for name in ("first", "last"))
    retention = await reports.read(
        RETENTION, first=first, end=last + dt.timedelta(days=1), period="quarter", narrowing={"shop_id": SHOP}
    )
    tiers, campaigns = await tier_counts(connection, programme.tiers), await campaign_gifts(connection)
    return Sums(purchases, tiers, campaigns, retention, friends, mails)


def show(report: imports.Report, sums: Sums, out: Console) -> None:
    """Tell a shop's owner what happened and what it means."""
    if report.purchases:
        out.print(f"[bold green]booked[/]: {report.purchases:,} purchases, {report.points:,} points")
    else:
        out.print("[bold green]all of it was there already[/]; nothing was booked twice")
    out.print(_totals(sums.purchases))
    out.print(_top(sums.purchases))
    out.print(_tiers(sums.tiers))
    out.print(_campaigns(sums.campaigns))
    for each in sums.friends:
        demo_friends.show(each, out)
    for mailed in sums.mails:
        demo_mails.show(mailed, out)
    reporting.show(sums.retention, out)
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


def _tiers(counts: dict[str, int]) -> Table:
    table = Table("tier", "customers", "share", title="tiers")
    everybody = sum(counts.values()) or 1
    for name, customers in counts.items():
        table.add_row(name, f"{customers:,}", f"{customers / everybody:.1%}")
    return table


def _campaigns(gifts: list[dict[str, Any]]) -> Table:
    table = Table("campaign", "customers", "awards", "points", title="campaigns")
    for each in gifts:
        table.add_row(each["campaign"], *(f"{each[name]:,}" for name in ("customers", "awards", "points")))
    return table
