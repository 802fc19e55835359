"""`loyalty import` as the command it is: killed, twice at once, and with the whole of Online Retail."""

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import duckdb
import pytest

from tests.points.imports.conftest import HEADER, SHOP
from tests.processes import COMMAND, command, environment

OPTIONS = [part for field, value in SHOP.items() for part in (f"--{field.replace('_', '-')}", value)]
PATIENCE_SECONDS = 280
INVOICES = 16_000


@pytest.fixture
def many(tmp_path: Path) -> Path:
    path = tmp_path / "many.csv"
    rows = (f"{n},2026-01-02,c{n % 3000},a,1,10" for n in range(INVOICES))
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


@contextmanager
def importing(*arguments: object, url: str) -> Iterator[subprocess.Popen[str]]:
    words = [COMMAND, "import", *map(str, arguments), "--json"]
    settings = environment(points_database_url=url, log_level="warning")
    with subprocess.Popen(words, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def booked_by(process: subprocess.Popen[str]) -> dict[str, Any]:
    said, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, errors
    booked: dict[str, Any] = json.loads(said.splitlines()[-1])
    return booked


async def count_purchases(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        count: int = await connection.fetchval("SELECT count(*) FROM purchase")
        return count
    finally:
        await connection.close()


async def test_a_killed_import_goes_on_and_two_at_once_book_nothing_twice(
    many: Path, database_url: str, rejected: Path
) -> None:
    words = (many, *OPTIONS, "--rejected", rejected)
    with importing(*words, url=database_url) as first:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (before := await count_purchases(database_url)):
            assert first.poll() is None
            assert time.monotonic() < deadline
        first.kill()
        first.wait()
    before = await count_purchases(database_url)
    with importing(*words, url=database_url) as one, importing(*words, url=database_url) as other:
        booked = [booked_by(one), booked_by(other)]
    assert 0 < before < INVOICES
    assert before + sum(each["purchases"] for each in booked) == INVOICES == await count_purchases(database_url)
    assert [each["rejected"] for each in booked] == [0, 0]
    assert command("verify", points_database_url=database_url).returncode == 0


def test_the_last_line_of_stdout_is_one_object(many: Path, database_url: str, rejected: Path) -> None:
    with importing(many, *OPTIONS, "--dry-run", "--rejected", rejected, url=database_url) as process:
        booked = booked_by(process)
    assert set(booked) == {
        "purchases", "customers", "points", "refunds", "unmatched", "anonymous", "rejected", "seconds",
    }  # fmt: skip
    assert (booked["purchases"], booked["customers"], booked["points"]) == (INVOICES, 3000, INVOICES * 10)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["missing.csv", "--preset", "cdnow"], "missing.csv: No such file or directory"),
        ([__file__, "--preset", "online-retail"], "has no column CustomerID"),
        ([__file__, "--preset", "nobody"], "--preset: 'nobody' is none"),
        ([__file__, "--preset", "cdnow", "--currency", "euro"], "--currency: "),
        ([__file__], "--occurred-at has to name"),
        ([__file__, __file__, "--preset", "cdnow"], "a file is named twice"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(words: list[str], said: str, database_url: str) -> None:
    done = command("import", *words, points_database_url=database_url)
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_the_demo_sums_up_and_books_once(database_url: str, referrals_url: str) -> None:
    urls = {"points_database_url": database_url, "referrals_database_url": referrals_url}
    first = command("demo", referrals_contact_key="k" * 32, **urls)
    again = command("demo", referrals_contact_key="k" * 32, **urls)
    assert first.returncode == again.returncode == 0, first.stderr + again.stderr
    assert "69,659 purchases, 2,658,599 points" in first.stdout
    assert "all of it was there already" in again.stdout
    assert all(figure in again.stdout for figure in ("23,570", "2,500,315.63 USD", "1998-Q2", "Gold", "holidays 1997"))
    assert re.search("friends who came with it +│ 503 ", again.stdout)
    assert first.stdout.splitlines()[1:] == again.stdout.splitlines()[1:]


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
