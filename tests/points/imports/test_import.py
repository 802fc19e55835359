"""Rows become invoices, cancellations find what they take back, and both stand in the books once."""

import csv
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.points.imports.presets import MappingError
from tests.points.imports.conftest import ImportFiles, Write


async def rows(engine: AsyncEngine, statement: str) -> list[tuple[Any, ...]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(statement))]


async def purchases(engine: AsyncEngine) -> list[tuple[Any, ...]]:
    return await rows(
        engine, "SELECT invoice_number, customer_id, total::float, points FROM purchase ORDER BY invoice_number"
    )


async def refunds(engine: AsyncEngine) -> list[tuple[Any, ...]]:
    return await rows(engine, "SELECT invoice_number, refund_id, amount::float FROM refund ORDER BY arrival")


def reasons(rejected: Path) -> list[tuple[str, str]]:
    with rejected.open(newline="") as file:
        return [(row["rejected_line"], row["rejected_reason"]) for row in csv.DictReader(file)]


async def test_rows_of_one_invoice_need_not_stand_together(
    write: Write, import_files: ImportFiles, engine: AsyncEngine
) -> None:
    file = write("1,2026-01-02 10:01,c,a,1,1.60", "2,2026-01-02,d,a,1,5", "1,2026-01-02 10:00,c,b,2,1.20")
    report = await import_files(file)
    assert await purchases(engine) == [("1", "c", 4.0, 4), ("2", "d", 5.0, 5)]
    assert (report.purchases, report.customers, report.points) == (2, 2, 9)
    (first,) = await rows(engine, "SELECT occurred_at FROM purchase WHERE invoice_number = '1'")
    assert first[0].isoformat() == "2026-01-02T10:00:00+00:00"


async def test_what_is_imported_again_is_booked_once(
    write: Write, import_files: ImportFiles, engine: AsyncEngine
) -> None:
    file = write("1,2026-01-02,c,a,2,10", "C1,2026-01-03,c,a,-1,10")
    first = await import_files(file)
    again = await import_files(file)
    assert (first.purchases, first.refunds) == (1, 1)
    assert (again.purchases, again.customers, again.points, again.refunds, again.rejected) == (0, 0, 0, 0, 0)
    assert await rows(engine, "SELECT available FROM account") == [(10,)]


async def test_imported_purchases_leave_through_the_outbox(
    write: Write, import_files: ImportFiles, engine: AsyncEngine
) -> None:
    await import_files(write("1,2026-01-02,c,a,2,10", "C1,2026-01-03,c,a,-1,10"))
    left = await rows(
        engine,
        "SELECT key, document ->> 'id', document ->> 'source' FROM (SELECT id, topic, key,"
        " convert_from(payload, 'UTF8')::jsonb AS document FROM outbox) o WHERE topic = 'loyalty.purchases' ORDER BY id",
    )
    assert left == [("c", "purchase/1", "/imports/shop"), ("c", "refund/C1/1", "/imports/shop")]


async def test_equal_rows_of_one_file_are_real_and_those_of_an_overlap_are_not(
    write: Write, import_files: ImportFiles, engine: AsyncEngine
) -> None:
    early = write("1,2026-01-02,c,a,1,2", "2,2026-01-03,c,a,1,3", "2,2026-01-03,c,a,1,3", name="early.csv")
    late = write("2,2026-01-03,c,a,1,3", "2,2026-01-03,c,a,1,3", "3,2026-01-04,c,a,1,4", name="late.csv")
    await import_files(late, early)
    assert [row[:3] for row in await purchases(engine)] == [("1", "c", 2.0), ("2", "c", 6.0), ("3", "c", 4.0)]


async def test_an_invoice_may_be_spread_over_files(
    write: Write, import_files: ImportFiles, engine: AsyncEngine
) -> None:
    await import_files(write("1,2026-01-02,c,a,1,2", name="one.csv"), write("1,2026-01-02,c,b,1,3", name="two.csv"))
    assert [row[2] for row in await purchases(engine)] == [5.0]


SALES = ("1,2026-01-01,c,a,5,10", "2,2026-01-05,c,a,2,10", "2,2026-01-05,c,b,1,7", "9,2026-01-01,d,a,9,10")
MATCHES = {
    "the most recent invoice that holds enough": (["C1,2026-01-06,c,a,-2,10"], [("2", "C1/1", 20.0)]),
    "an older one where the last holds too few": (["C1,2026-01-06,c,a,-3,10"], [("1", "C1/1", 30.0)]),
    "never one that came later": (["C1,2026-01-03,c,a,-1,10"], [("1", "C1/1", 10.0)]),
    "not what was returned before": (
        ["C1,2026-01-06,c,a,-2,10", "C2,2026-01-07,c,a,-1,10"],
        [("2", "C1/1", 20.0), ("1", "C2/1", 10.0)],
    ),
    "each line its own": (
        ["C1,2026-01-06,c,b,-1,7", "C1,2026-01-06,c,a,-4,10"],
        [("2", "C1/1", 7.0), ("1", "C1/2", 40.0)],
    ),
    "two equal lines are two": (
        ["C1,2026-01-06,c,a,-1,10", "C1,2026-01-06,c,a,-1,10"],
        [("2", "C1/1", 10.0), ("2", "C1/2", 10.0)],
    ),
    "never more than was paid": (["C1,2026-01-06,c,b,-1,9"], [("2", "C1/1", 7.0)]),
    "less where the cancellation says less": (["C1,2026-01-06,c,b,-1,5"], [("2", "C1/1", 5.0)]),
    "no other customer's": (["C1,2026-01-06,e,a,-1,10"], []),
    "no other article": (["C1,2026-01-06,c,x,-1,10"], []),
    "not more than there is": (["C1,2026-01-06,c,a,-6,10"], []),
}


@pytest.mark.parametrize(("cancellations", "found"), MATCHES.values(), ids=MATCHES.keys())
async def test_a_cancellation_takes_back(
    cancellations: list[str],
    found: list[tuple[Any, ...]],
    write: Write,
    import_files: ImportFiles,
    engine: AsyncEngine,
    rejected: Path,
) -> None:
    report = await import_files(write(*cancellations, *SALES))
    assert await refunds(engine) == found
    assert (report.refunds, report.unmatched) == (len(found), len(cancellations) - len(found))
    assert rejected.exists() == bool(report.unmatched)


async def test_a_cancellation_that_names_its_invoice_needs_no_article(
    write: Write, import_files: ImportFiles, engine: AsyncEngine
) -> None:
    header = "number,date,customer,amount,of"
    file = write("1,2026-01-02,c,30,", "G1,2026-01-03,c,-10,1", header=header)
    await import_files(
        file, invoice="number", amount="amount", refunds_invoice="of", sku=None, quantity=None, price=None
    )
    assert await refunds(engine) == [("1", "G1/1", 10.0)]


async def test_what_cannot_be_used_stands_in_the_rejected_file_with_its_reason(
    write: Write, import_files: ImportFiles, engine: AsyncEngine, rejected: Path
) -> None:
    file = write(
        "1,2026-01-02,c,a,1,10",
        "2,2026-01-02,,a,1,10",
        "3,2026-01-02,c,a,1,ten",
        "3,2026-01-02,c,b,1,5",
        "broken",
        "4,2026-01-02,c,a,1,1",
        "4,2026-01-02,d,a,1,1",
        "C1,2026-01-03,c,z,-1,10",
        "5,2026-01-02,a@example.org,a,1,1",
    )
    report = await import_files(file)
    assert await purchases(engine) == [("1", "c", 10.0, 10)]
    assert (report.anonymous, report.unmatched, report.rejected) == (1, 1, 6)
    found = dict(reasons(rejected))
    assert found["3"] == "anonymous: no customer"
    assert found["4"] == "'ten' is no number"
    assert found["5"].startswith("held back: another row of this invoice cannot be used: 'ten'")
    assert found["6"] == "unreadable: 1 fields instead of 6"
    assert found["7"] == found["8"] == "the invoice names more than one customer"
    assert found["9"].startswith("unmatched: ")
    assert found["10"].startswith("event-malformed: data.customer_id")


async def test_rejected_rows_can_be_mended_and_read_again(
    write: Write, import_files: ImportFiles, engine: AsyncEngine, rejected: Path, tmp_path: Path
) -> None:
    await import_files(write("3,2026-01-02,c,a,1,ten", "3,2026-01-02,c,b,1,5"))
    mended = tmp_path / "mended.csv"
    mended.write_text(rejected.read_text().replace(",ten,", ",10,"))
    await import_files(mended)
    assert await purchases(engine) == [("3", "c", 15.0, 15)]


async def test_the_rejected_file_never_takes_the_place_of_one_that_is_read(
    write: Write, import_files: ImportFiles, rejected: Path
) -> None:
    with pytest.raises(MappingError, match="name another file with --rejected"):
        await import_files(write("1,2026-01-02,c,a,1,10", name=rejected.name))


async def test_an_invoice_that_is_booked_with_another_total_is_rejected(
    write: Write, import_files: ImportFiles, rejected: Path
) -> None:
    await import_files(write("1,2026-01-02,c,a,1,10"))
    report = await import_files(write("1,2026-01-02,c,a,1,11"))
    assert (report.purchases, report.rejected) == (0, 1)
    assert reasons(rejected)[0][1].startswith("purchase-conflict: ")


async def test_a_dry_run_says_what_would_be_booked_and_changes_nothing(
    write: Write, import_files: ImportFiles, engine: AsyncEngine, rejected: Path
) -> None:
    file = write("1,2026-01-02,c,a,2,10", "C1,2026-01-03,c,a,-1,10", "2,2026-01-02,,a,1,1")
    dry = await import_files(file, dry_run=True)
    assert await purchases(engine) == []
    assert not rejected.exists()
    wet = await import_files(file)
    names = ("purchases", "customers", "points", "refunds", "unmatched", "anonymous", "rejected")
    assert [getattr(dry, name) for name in names] == [getattr(wet, name) for name in names]


async def test_the_rows_of_cdnow_are_invoices_also_where_they_are_equal(
    write: Write, import_files: ImportFiles, engine: AsyncEngine
) -> None:
    file = write(" 00001 19970101  1   11.77", " 00001 19970101  1   11.77", " 00002 19970112  1    0.00", header="")
    report = await import_files(file, preset="cdnow")
    assert (report.purchases, report.customers, report.points) == (3, 2, 22)
    assert (await rows(engine, "SELECT DISTINCT occurred_at::text FROM purchase ORDER BY 1"))[0] == (
        "1997-01-01 05:00:00+00",
    )
