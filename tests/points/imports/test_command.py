"""`loyalty import` as the command it is: killed, twice at once, and told what is wrong."""

import re
import time
from pathlib import Path

import asyncpg
import pytest

from tests.points.imports.conftest import HEADER, PATIENCE_SECONDS, SHOP, booked_by, importing
from tests.processes import command

OPTIONS = [part for field, value in SHOP.items() for part in (f"--{field.replace('_', '-')}", value)]
INVOICES = 16_000


@pytest.fixture
def many(tmp_path: Path) -> Path:
    path = tmp_path / "many.csv"
    rows = (f"{n},2026-01-02,c{n % 3000},a,1,10" for n in range(INVOICES))
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


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
def test_the_demo_sums_up_and_books_once(
    database_url: str, referrals_url: str, notifications_url: str, tmp_path: Path
) -> None:
    here = {
        "points_database_url": database_url,
        "referrals_database_url": referrals_url,
        "referrals_contact_key": "k" * 32,
        "notifications_database_url": notifications_url,
        "notifications_link_key": "k" * 32,
        "notifications_file_outbox": str(tmp_path / "outbox"),
    }
    first = command("demo", **here)
    mails = {path.name for path in (tmp_path / "outbox").glob("*.eml")}
    again = command("demo", **here)
    assert first.returncode == again.returncode == 0, first.stderr + again.stderr
    assert "69,659 purchases, 2,658,599 points" in first.stdout
    assert "all of it was there already" in again.stdout
    assert all(figure in again.stdout for figure in ("23,570", "2,500,315.63 USD", "1998-Q2", "Gold", "holidays 1997"))
    assert re.search("friends who came with it +│ 503 ", again.stdout)
    assert re.search("birthday, with a coupon +│ 39 +│ 22 +│ 8 +│ 9 ", again.stdout)
    assert re.search("of them used at a till +│ 4 ", again.stdout)
    assert first.stdout.splitlines()[1:] == again.stdout.splitlines()[1:]
    assert len(mails) > 22
    assert mails == {path.name for path in (tmp_path / "outbox").glob("*.eml")}
