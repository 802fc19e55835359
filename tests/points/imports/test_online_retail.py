"""`loyalty import` with the whole of Online Retail."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.points.imports.conftest import booked_by, importing
from tests.processes import command

FILES = ("online_retail_2009_2010.csv.zst", "online_retail_2010_2011.csv.zst")


@dataclass(frozen=True)
class OnlineRetail:
    """What two imports of the same files said, and where they booked."""

    files: list[Path]
    url: str
    first: dict[str, Any]
    again: dict[str, Any]


@pytest.fixture(scope="module")
def online_retail(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> OnlineRetail:
    folder = os.environ.get("ONLINE_RETAIL_DIR")
    if not folder:
        message = "ONLINE_RETAIL_DIR names no folder with Online Retail"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    files = [Path(folder) / name for name in FILES]
    rejected = tmp_path_factory.mktemp("rejected") / "rejected.csv"
    said = []
    for _ in range(2):
        with importing("--preset", "online-retail", *files, "--rejected", rejected, url=module_database_url) as process:
            said.append(booked_by(process))
    return OnlineRetail(files, module_database_url, *said)


@pytest.mark.slow
def test_online_retail_earns_what_its_files_say(online_retail: OnlineRetail) -> None:
    with duckdb.connect() as files:
        first, second = (str(path) for path in online_retail.files)
        said = files.execute(
            """WITH rows AS (SELECT * FROM read_csv($1, all_varchar = true) WHERE InvoiceDate < '2010-12-01'
                UNION ALL SELECT * FROM read_csv($2, all_varchar = true)),
              invoices AS (SELECT InvoiceNo, CustomerID, sum(Quantity::BIGINT * UnitPrice::DECIMAL(18, 4)) AS total FROM rows
                WHERE CustomerID IS NOT NULL AND InvoiceNo NOT SIMILAR TO '[AC].*' AND Quantity::BIGINT > 0
                  AND UnitPrice::DECIMAL(18, 4) > 0 GROUP BY ALL)
            SELECT count(*), count(DISTINCT CustomerID), sum(floor(total))::BIGINT FROM invoices""",
            [first, second],
        ).fetchone()
    booked = online_retail.first
    assert (booked["purchases"], booked["customers"], booked["points"]) == said == (36_969, 5_878, 17_414_139)


@pytest.mark.slow
def test_online_retail_imported_again_books_nothing_more(online_retail: OnlineRetail) -> None:
    first, again = online_retail.first, online_retail.again
    assert [again[name] for name in ("purchases", "customers", "points", "refunds")] == [0, 0, 0, 0]
    assert [again[name] for name in ("unmatched", "anonymous", "rejected")] == [
        first[name] for name in ("unmatched", "anonymous", "rejected")
    ]


@pytest.mark.slow
def test_the_books_are_right_after_online_retail(online_retail: OnlineRetail) -> None:
    verified = command("verify", points_database_url=online_retail.url)
    assert verified.returncode == 0, verified.stdout
