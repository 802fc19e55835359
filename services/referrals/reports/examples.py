"""Answers as they look in the API's document: what a small shop might read."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from services.referrals.reports.catalogue import REPORTS
from shared.reports.questions import question
from shared.reports.rendering import as_examples
from shared.reports.report import Findings

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
ASKED = question(dt.date(2026, 10, 1), dt.date(2026, 11, 24), period="month", zone=ZoneInfo("Europe/Berlin"), now=NOW)

OCTOBER = (120, 30, 4, 0, 26, 13, 12, 1, *map(Decimal, ("25.00", "86.67", "50.00", "92.31")))
NOVEMBER = (80, 20, 2, 2, 16, 5, 1, 0, *map(Decimal, ("25.00", "80.00", "31.25", "20.00")))
BOTH = (200, 50, 6, 2, 42, 18, 13, 1, *map(Decimal, ("25.00", "84.00", "42.86", "72.22")))

FINDINGS = {
    "funnel": Findings([("2026-10", *OCTOBER, True), ("2026-11", *NOVEMBER, False)], BOTH),
    "referred": Findings(
        [
            (
                "2026-10", "EUR", 20, 400, Decimal(1_300), Decimal(21_600), Decimal(50), Decimal(45),
                Decimal(30), Decimal(20), Decimal(70), Decimal(55), Decimal(60), Decimal(48), True,
            )
        ]
    ),
    "top-referrers": Findings(
        [("EUR", "7K2M-9QFS", "c-42", None, 3, 2, 7, Decimal("412.50"), Decimal("137.50"))]
    ),
    "referral-cost": Findings(
        [
            (
                "2026-10", "EUR", 13, 8600, 2, 0, Decimal("661.54"), Decimal("24.00"), Decimal("110.00"), Decimal("8.46"), True,
            ),
            (
                "2026-11", "EUR", 5, 1500, 1, 2000, Decimal("300.00"), Decimal(0), Decimal("15.00"), Decimal("3.00"), False,
            ),
        ]
    ),
    "referral-cost-by-code": Findings(
        [("7K2M-9QFS", "EUR", 3, 1600, 0, 500, Decimal("533.33"), Decimal(0), Decimal("16.00"), Decimal("5.33"))]
    ),
}  # fmt: skip


def examples() -> Mapping[str, Any]:
    """Return an answer of each report, by its name."""
    return as_examples(REPORTS, ASKED, FINDINGS)
