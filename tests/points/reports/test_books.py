"""Reports on books that the ledger itself has written: what a few purchases must come to."""

import asyncio
import datetime as dt
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.points.commands import AdjustBalance, GiveTier, MergeAccounts, Redeem, ReleaseHold, ReverseRedemption
from services.points.ledger import Ledger
from services.points.programme import Programme
from services.points.reports.catalogue import REPORTS
from services.points.reports.reader import points_reports
from shared.database import fetch
from shared.reports.reader import Reports
from shared.reports.rendering import as_csv
from shared.reports.report import Findings, Report
from tests.points.conftest import NOW, Book, purchase, refund

FIRST, END = dt.date(2026, 9, 1), dt.date(2026, 12, 1)


@pytest.fixture
async def reports(engine: AsyncEngine) -> Any:
    made = points_reports(engine, clock=lambda: NOW)
    yield made
    await made.close()


async def records(reports: Reports, name: str, **narrowing: Any) -> list[dict[str, Any]]:
    return (await reports.read(REPORTS[name], first=FIRST, end=END, narrowing=narrowing)).records()


def bought(invoice: str, customer: str, on: str, total: str = "100.00", **more: Any) -> Any:
    return purchase(invoice, total, customer, occurred_at=f"{on}T10:00:00+01:00", **more)


@pytest.mark.parametrize("name", REPORTS)
async def test_every_report_can_be_read_from_empty_books(reports: Reports, name: str) -> None:
    answer = await reports.read(REPORTS[name])
    assert all(len(row) == len(answer.report.columns) for row in answer.findings.rows)
    assert len(answer.findings.summary) == len(answer.report.summary)


async def test_a_purchase_taken_back_whole_is_none(reports: Reports, book: Book) -> None:
    await book(bought("R-1", "c-1", "2026-10-05"), bought("R-2", "c-2", "2026-10-06"), refund("R-2", "100.00"))
    assert [each["active"] for each in await records(reports, "active-customers")] == [0, 1, 0]
    (october,) = [each for each in await records(reports, "turnover") if each["period"] == "2026-10"]
    assert (october["purchases"], october["gross"], october["refunded"], october["turnover"]) == (1, 200, 100, 100)


async def test_a_refund_lowers_the_period_of_its_purchase(reports: Reports, book: Book) -> None:
    await book(bought("R-1", "c-1", "2026-09-05"), refund("R-1", "40.00", occurred_at="2026-11-05T10:00:00+01:00"))
    assert [each["turnover"] for each in await records(reports, "turnover")] == [60, 0, 0]
    assert [each["average"] for each in await records(reports, "average-order-value")] == [60, None, None]
    points = await records(reports, "points")
    assert [(each["issued"], each["clawed_back"], each["outstanding"]) for each in points] == [
        (100, 0, 100), (0, 0, 100), (0, -40, 60),
    ]  # fmt: skip


async def test_currencies_are_never_added_up(reports: Reports, book: Book) -> None:
    await book(bought("R-1", "c-1", "2026-10-05"), bought("R-2", "c-1", "2026-10-06", currency="CHF", total="50.00"))
    found = await records(reports, "turnover")
    assert {(each["currency"], each["turnover"]) for each in found if each["purchases"]} == {("EUR", 100), ("CHF", 50)}
    assert [each["currency"] for each in await records(reports, "best-customers", currency="CHF")] == ["CHF"]


async def test_merged_customers_are_one(reports: Reports, book: Book) -> None:
    await book(bought("R-1", "c-1", "2026-09-05"), bought("R-2", "c-2", "2026-10-06"))
    await book(MergeAccounts("c-1", "c-2", "one person"))
    found = await records(reports, "active-customers")
    assert [(each["active"], each["new"], each["kept"]) for each in found] == [(1, 1, 0), (1, 0, 1), (0, 0, 0)]
    assert found[-1]["members"] == 1
    assert [each["issued"] for each in await records(reports, "breakage")] == [100, 100, 0]
    assert [each["used"] for each in await records(reports, "breakage")] == [0, 0, 0]


async def test_what_waits_and_what_ends_is_told_apart(reports: Reports, book: Book, engine: AsyncEngine) -> None:
    await publish(engine, {"pending_days": 14, "expiry": {"model": "after_earning", "months": 2}})
    await book(
        bought("R-1", "c-1", "2026-09-01"), bought("R-2", "c-1", "2026-10-01"), bought("R-3", "c-2", "2026-11-20")
    )
    answer = await reports.read(REPORTS["liability"], narrowing={"cost_per_point": 2})
    assert [tuple(row) for row in answer.findings.rows] == [
        ("2026-12", 100, 0, 0, 100),
        ("2027-01", 0, 100, 0, 100),
    ]
    assert (answer.summary()["available"], answer.summary()["liability"]) == (100, 400)


async def test_a_debt_is_owed_and_not_set_off(reports: Reports, book: Book) -> None:
    spent = AdjustBalance("a", "c-1", -100, "shopping", "tester", NOW)
    await book(bought("R-1", "c-1", "2026-10-05"), bought("R-2", "c-2", "2026-10-05"), spent, refund("R-1", "30.00"))
    summary = (await reports.read(REPORTS["liability"])).summary()
    assert (summary["available"], summary["owed"], summary["owing"]) == (100, 30, 1)


async def test_points_that_end_by_inactivity_end_with_their_customers(
    reports: Reports, book: Book, engine: AsyncEngine
) -> None:
    await publish(engine, {"expiry": {"model": "inactivity", "months": 2}, "pending_days": 14})
    await book(
        bought("R-1", "c-1", "2026-09-23"), bought("R-2", "c-1", "2026-11-20"), bought("R-3", "c-2", "2026-09-24")
    )
    await book(bought("R-4", "c-3", "2026-09-22"), bought("R-5", "c-4", "2026-10-05"))
    await book(Redeem("hold", "c-4", 30, NOW, hold_seconds=600))
    lasting = [("2026-11", 100, 0, 0, 100), ("2026-12", 70, 0, 30, 100), ("2027-01", 100, 100, 0, 200)]
    assert [tuple(row) for row in (await reports.read(REPORTS["liability"])).findings.rows] == lasting
    rows = (await reports.read(REPORTS["liability-by-expiry"])).findings.rows
    assert [(row[0], *row[2:6]) for row in rows] == lasting
    assert {row[1] for row in rows} == {"inactivity"}


async def test_points_of_every_end_stand_in_the_liability_by_expiry(
    reports: Reports, book: Book, engine: AsyncEngine
) -> None:
    await book(bought("R-1", "c-1", "2026-10-05"))
    for model, day in (("after_earning", "2026-10-06"), ("inactivity", "2026-10-07")):
        await publish(engine, {"expiry": {"model": model, "months": 2}})
        await book(bought(f"R-{model}", "c-1", day))
    answer = await reports.read(REPORTS["liability-by-expiry"], narrowing={"cost_per_point": 2})
    assert [tuple(row) for row in answer.findings.rows] == [
        ("2026-12", "expiry", 100, 0, 0, 100, 200),
        ("2026-12", "inactivity", 100, 0, 0, 100, 200),
        ("never", "nothing", 100, 0, 0, 100, 200),
    ]
    assert answer.summary() == {"available": 300, "pending": 0, "held": 0, "points": 300, "cost": 600}


async def test_held_points_are_neither_gone_nor_available(reports: Reports, book: Book) -> None:
    await book(bought("R-1", "c-1", "2026-10-05"), Redeem("hold", "c-1", 40, NOW, hold_seconds=600))
    assert (await reports.read(REPORTS["liability"])).summary()["held"] == 40
    (october,) = [each for each in await records(reports, "breakage") if each["period"] == "2026-10"]
    assert (october["issued"], october["used"], october["held"]) == (100, 0, 100)
    november = (await records(reports, "points"))[-1]
    assert (november["held"], november["redeemed"], november["other"], november["outstanding"]) == (-40, 0, 0, 100)
    await book(ReleaseHold("hold"))
    assert (await records(reports, "points"))[-1]["released"] == 40


async def test_a_hold_whose_time_is_over_holds_nothing_though_its_job_is_late(reports: Reports, book: Book) -> None:
    earlier = NOW - dt.timedelta(hours=1)
    await book(bought("R-1", "c-1", "2026-10-05"), Redeem("hold", "c-1", 40, earlier, hold_seconds=600), now=earlier)
    summary = (await reports.read(REPORTS["liability"])).summary()
    assert (summary["available"], summary["held"]) == (100, 0)


async def test_points_given_back_after_their_end_are_not_issued_twice(
    reports: Reports, book: Book, engine: AsyncEngine
) -> None:
    await publish(engine, {"expiry": {"model": "after_earning", "months": 1}})
    in_time = dt.datetime(2026, 10, 6, 10, tzinfo=dt.UTC)
    await book(bought("R-1", "c-1", "2026-10-05"), Redeem("spent", "c-1", 60, in_time), now=in_time)
    await book(ReverseRedemption("spent", 50, "returned"))
    found = [
        (each["issued"], each["used"], each["expired"], each["held"]) for each in await records(reports, "breakage")
    ]
    assert found == [(0, 0, 0, 0), (100, 60, 40, 0), (0, -50, 0, 50)]
    assert (await records(reports, "points"))[-1]["restored"] == 50


async def test_the_journal_of_a_merge_moves_points_and_debts_and_nets_to_nothing(reports: Reports, book: Book) -> None:
    spent = AdjustBalance("a", "c-1", -100, "shopping", "tester", NOW)
    await book(bought("R-1", "c-1", "2026-11-05"), bought("R-2", "c-2", "2026-11-05"), spent, refund("R-1", "30.00"))
    await book(
        bought("R-3", "c-3", "2026-11-06", "5.00"),
        MergeAccounts("c-1", "c-2", "one"),
        MergeAccounts("c-3", "c-2", "one"),
    )
    found = await records(reports, "journal")
    lines = {(each["debit"], each["credit"]): each["points"] for each in found if "transfer" in each["entry_kinds"]}
    assert lines == {
        ("points outstanding", "transfers between customers"): 35,
        ("transfers between customers", "points outstanding"): 5,
        ("transfers between customers", "points owed by customers"): 30,
    }
    summary = (await reports.read(REPORTS["journal"])).summary()
    assert (summary["outstanding"], summary["owed"]) == (75, 0)


async def test_the_journals_accounts_have_the_names_that_the_shop_gives_them(engine: AsyncEngine, book: Book) -> None:
    await book(bought("R-1", "c-1", "2026-11-05"))
    named = points_reports(engine, clock=lambda: NOW, account_names={"expense": "=6300 Bonuspunkte"})
    answer = await named.read(REPORTS["journal"], narrowing={"cost_per_point": 2})
    await named.close()
    assert as_csv(answer).splitlines() == [
        "day,debit,credit,points,amount,entry_kinds",
        "2026-11-05,'=6300 Bonuspunkte,points outstanding,100,200,award",
    ]


async def test_a_young_programme_has_no_breakage_estimate_and_says_so(reports: Reports, book: Book) -> None:
    await book(bought("R-1", "c-1", "2026-09-05"), bought("R-2", "c-2", "2026-10-06"))
    answer = await reports.read(REPORTS["breakage-estimate"], narrowing={"cost_per_point": 2})
    assert {row[-1] for row in answer.findings.rows} == {"not enough history"}
    said = answer.summary()
    assert (said["basis"], said["held_out"], said["open"]) == ("not enough history", "not enough history", 200)
    assert {said[name] for name in ("to_expire", "breakage", "liability", "predicted", "relative_error")} == {None}
    assert "not enough history" in as_csv(answer)


async def test_a_cohort_keeps_its_points_through_merges_and_its_fates_through_restorations(
    reports: Reports, book: Book, engine: AsyncEngine
) -> None:
    await publish(engine, {"expiry": {"model": "after_earning", "months": 1}})
    in_time = dt.datetime(2026, 8, 20, 10, tzinfo=dt.UTC)
    spending = [Redeem(name, "c-1", 20, in_time) for name in ("kept", "early", "late")]
    await book(bought("R-1", "c-1", "2026-08-05"), *spending, ReverseRedemption("early", 15, "returned"), now=in_time)
    await book(MergeAccounts("c-1", "c-2", "one person"), now=in_time)
    await book(ReverseRedemption("late", 20, "returned"), now=dt.datetime(2026, 9, 20, 10, tzinfo=dt.UTC))
    await book(bought("R-2", "c-2", "2026-11-05"))
    (august,) = await records(reports, "breakage-estimate")
    fates = [august[name] for name in ("issued", "used", "clawed_back", "expired", "open", "ultimate_breakage")]
    assert fates == [100, 45, 0, 55, 0, 55]


async def test_campaigns_rules_and_tiers_are_told_apart(reports: Reports, book: Book, engine: AsyncEngine) -> None:
    await publish(
        engine,
        {
            "rules": [{"name": "double web", "channels": ["web"], "multiplier": "2"}],
            "campaigns": [{"name": "autumn", "points": 50, "minimum": "80.00"}],
            "tiers": {"levels": [{"name": "Member", "threshold": 0, "multiplier": "1.5"}]},
        },
    )
    await book(bought("R-1", "c-1", "2026-10-05", channel="web"), bought("R-2", "c-2", "2026-10-05", total="10.00"))
    found = await records(reports, "campaigns")
    assert {(each["rule"], each["kind"], each["purchases"], each["points"]) for each in found} == {
        ("autumn", "campaign", 1, 50), ("double web", "rule", 1, 150), ("tier Member", "tier", 2, 55),
    }  # fmt: skip


async def test_rule_33_flag_coupon_and_bonus_are_promotions(reports: Reports, book: Book, engine: AsyncEngine) -> None:
    await publish(engine, {"campaigns": [{"name": "autumn", "points": 5, "minimum": "500.00"}]})
    await book(
        bought("R-1", "c-1", "2026-09-01"),
        bought("R-2", "c-1", "2026-09-02", promoted=True),
        bought("R-3", "c-1", "2026-09-03", coupon_codes=["XMAS"]),
        bought("R-4", "c-1", "2026-09-04", total="500.00"),
        bought("R-5", "c-1", "2026-09-05"),
    )
    (customer,) = await records(reports, "offer-dependence-of-customers")
    assert (customer["repeat_purchases"], customer["unpromoted"], customer["unpromoted_share"]) == (4, 1, 25)


async def test_tiers_and_who_rose_and_fell(reports: Reports, book: Book, engine: AsyncEngine) -> None:
    levels = [
        {"name": "Basic", "threshold": 0},
        {"name": "Silver", "threshold": 100},
        {"name": "Gold", "threshold": 500},
    ]
    await publish(engine, {"tiers": {"levels": levels}})
    october = dt.datetime(2026, 10, 5, 10, tzinfo=dt.UTC)
    await book(bought("R-1", "c-1", "2026-10-05"), bought("R-2", "c-2", "2026-10-05", total="20.00"), now=october)
    await book(GiveTier("c-2", "Gold", dt.date(2026, 10, 31), "a gift"), now=october)
    await book(bought("R-3", "c-2", "2026-11-05", total="1.00"))
    assert [(each["tier"], each["customers"]) for each in await records(reports, "tiers")] == [
        ("Basic", 1), ("Silver", 1), ("Gold", 0),
    ]  # fmt: skip
    moved = [tuple(each.values())[:7] for each in await records(reports, "tier-movements")]
    assert moved == [
        ("2026-10", "Basic", "Gold", 1, 1, 1, 0),
        ("2026-10", "Basic", "Silver", 1, 1, 1, 0),
        ("2026-11", "Gold", "Basic", 1, 1, 0, 1),
    ]


async def test_changes_of_a_tier_and_the_customers_who_made_them_are_told_apart(
    reports: Reports, book: Book, engine: AsyncEngine
) -> None:
    levels = [{"name": "Basic", "threshold": 0}, {"name": "Gold", "threshold": 500}]
    await publish(engine, {"tiers": {"levels": levels}})
    await book(bought("R-1", "c-1", "2026-11-05"), bought("R-2", "c-2", "2026-11-05", total="500.00"))
    given, taken = GiveTier("c-1", "Gold", dt.date(2027, 1, 1), "a gift"), GiveTier("c-1", None, None, "a mistake")
    await book(given, taken, given)
    moved = [(each["left"], each["changes"], each["customers"]) for each in await records(reports, "tier-movements")]
    assert moved == [("Basic", 3, 2), ("Gold", 1, 1)]


async def publish(engine: AsyncEngine, programme: dict[str, Any]) -> None:
    async with engine.begin() as connection:
        beginning = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
        document = Programme.model_validate(programme)
        await Ledger().publish(connection, document, valid_from=beginning, now=beginning, actor="tester")


# Reading


async def test_purchases_are_booked_while_a_report_is_read(reports: Reports, book: Book) -> None:
    begun, read_on = asyncio.Event(), asyncio.Event()

    async def waiting(connection: Any, _question: Any) -> Any:
        await fetch(connection, "SELECT count(*) FROM purchase")
        begun.set()
        await read_on.wait()
        return Findings(await fetch(connection, "SELECT count(*) FROM purchase"))

    reading = asyncio.create_task(reports.read(replaced(waiting)))
    await begun.wait()
    (outcome,) = await book(bought("R-1", "c-1", "2026-10-05"))
    read_on.set()
    assert outcome.status == "booked"
    assert (await reading).findings.rows[0][0] == 0, "a report sees one state of the books"


def replaced(read: Any) -> Report:
    known = REPORTS["turnover"]
    return Report("tried", known.title, known.says, known.method, known.columns, known.chart, read)
