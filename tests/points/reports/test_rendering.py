"""Answers as JSON, CSV and pictures."""

import csv
import datetime as dt
import io
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from services.points.reports.catalogue import REPORTS
from shared.reports.drawing import as_svg
from shared.reports.questions import question
from shared.reports.rendering import as_csv, as_json
from shared.reports.report import Answer, Findings
from tests.points.reports.conftest import BERLIN, Read
from tests.retail import NOW

SVG = "{http://www.w3.org/2000/svg}"


def answer(name: str, rows: Sequence[Sequence[Any]], summary: Sequence[Any] = ()) -> Answer:
    asked = question(dt.date(2026, 1, 1), dt.date(2026, 3, 1), period="month", zone=BERLIN, now=NOW)
    return Answer(REPORTS[name], asked, Findings(rows, summary))


BEST = ("EUR", "=1+1", 2, Decimal("10.5000"), dt.date(2026, 1, 2), dt.date(2026, 2, 1))


def test_json_says_what_was_asked_and_how_it_was_counted() -> None:
    document = json.loads(as_json(answer("best-customers", [BEST])))
    assert (document["from"], document["to"], document["time_zone"]) == ("2026-01-01", "2026-03-01", "Europe/Berlin")
    assert "net of refunds" in document["method"]
    assert document["rows"] == [
        {"currency": "EUR", "customer_id": "=1+1", "purchases": 2, "turnover": "10.50", "first_on": "2026-01-02",
         "last_on": "2026-02-01"}
    ]  # fmt: skip


def test_csv_has_a_header_and_no_formulas() -> None:
    header, row = csv.reader(io.StringIO(as_csv(answer("best-customers", [BEST]))))
    assert header == ["currency", "customer_id", "purchases", "turnover", "first_on", "last_on"]
    assert row == ["EUR", "'=1+1", "2", "10.50", "2026-01-02", "2026-02-01"]


def test_what_has_no_answer_is_null_or_empty() -> None:
    found = answer("retention", [("2026-01", 0, 1, 1, 0, None, None, True)])
    assert json.loads(as_json(found))["rows"][0]["retention"] is None
    assert as_csv(found).splitlines()[1] == "2026-01,0,1,1,0,,,true"


@pytest.mark.parametrize("name", REPORTS)
async def test_every_picture_is_drawn_within_its_frame(read: Read, name: str) -> None:
    picture = ET.fromstring(as_svg(await read(name)))  # noqa: S314 - our own
    width, height = float(picture.attrib["width"]), float(picture.attrib["height"])
    assert picture.find(f"{SVG}title") is not None
    for group in picture.iter(f"{SVG}g"):
        below = float(group.attrib["transform"].split()[1].rstrip(")"))
        for box in group.iter(f"{SVG}rect"):
            x, y, w, h = (float(box.attrib[each]) for each in ("x", "y", "width", "height"))
            assert x >= 0
            assert x + w <= width
            assert 0 <= below + y <= below + y + h <= height


def test_a_picture_of_nothing_says_so() -> None:
    assert "Nothing in this range" in as_svg(answer("turnover", []))


def test_names_in_a_picture_stay_text() -> None:
    picture = as_svg(answer("best-customers", [("EUR", "<script>&", 1, Decimal(1), NOW.date(), NOW.date())]))
    assert "&lt;script&gt;&amp;" in picture
    assert "<script>" not in picture


def test_a_line_has_a_gap_where_there_is_no_value() -> None:
    rows = [
        (f"2026-0{n}", 1, 1, 0, 1, share, Decimal(1), True)
        for n, share in enumerate((Decimal(50), None, Decimal(60)), 1)
    ]
    assert as_svg(answer("retention", rows)).count("<polyline") == 3


def test_rows_of_one_period_are_drawn_as_one_bar() -> None:
    rows = [("2026-01", "Basic", "Gold", 2, 2, 2, 0, True), ("2026-01", "Basic", "Silver", 1, 1, 1, 0, True)]
    assert as_svg(answer("tier-movements", rows)).count('class="bar s0"') == 2  # one of the legend


def test_a_picture_says_what_days_it_is_about() -> None:
    assert "2026-01-01 to 2026-02-28, Europe/Berlin" in as_svg(answer("turnover", []))
    assert "2011-12-09 14:00, Europe/Berlin" in as_svg(answer("tiers", []))
