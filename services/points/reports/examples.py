"""Answers as they look in the API's document: what a small shop might read."""

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from services.points.reports.catalogue import REPORTS
from shared.reports.questions import question
from shared.reports.rendering import as_examples
from shared.reports.report import Findings

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
TODAY = dt.date(2026, 11, 23)
ASKED = question(dt.date(2026, 11, 1), dt.date(2026, 11, 24), period="month", zone=ZoneInfo("Europe/Berlin"), now=NOW)


def _cents(points: int) -> Decimal:
    return points * Decimal("0.01")


def _line(debit: str, credit: str, points: int, kinds: str) -> Sequence[Any]:
    return TODAY, debit, credit, points, _cents(points), kinds


FINDINGS = {
    "points": Findings([("2026-11", 5200, 4100, -300, 100, -900, 50, -240, -114, 100, 0, 0, 0, 0, 21_760, False)]),
    "liability": Findings(
        [("2026-11", 800, 0, 0, 800), ("never", 18_000, 2760, 200, 20_960)], (18_800, 2760, 200, 66, 1, _cents(21_760))
    ),
    "liability-by-expiry": Findings(
        [
            ("2027-03", "expiry", 15_500, 2760, 200, 18_460, _cents(18_460)),
            ("2027-05", "inactivity", 2500, 0, 0, 2500, _cents(2500)),
            ("never", "nothing", 800, 0, 0, 800, _cents(800)),
        ],
        (18_800, 2760, 200, 21_760, _cents(21_760)),
    ),
    "breakage-estimate": Findings(
        [
            ("2026-06", 9000, 5400, 300, 3300, 0, 0, Decimal("36.67"), "final"),
            ("2026-10", 8000, 2000, 150, 0, 5850, 3110, Decimal("38.88"), "estimate"),
        ],
        (
            "estimate",
            5850,
            0,
            3110,
            Decimal("53.16"),
            _cents(2740),
            "2026-05 to 2026-10",
            3150,
            3300,
            -150,
            Decimal("-4.55"),
        ),
    ),
    "journal": Findings(
        [
            _line("loyalty expense", "points pending", 114, "award"),
            _line("points outstanding", "points held", 300, "hold"),
            _line("points held", "points redeemed", 250, "redemption"),
            _line("points held", "points outstanding", 50, "release"),
            _line("points outstanding", "breakage income", 240, "expiry"),
        ],
        (954, 954, _cents(954), 18_800, 2760, 200, -66, _cents(21_760)),
    ),
}


def examples() -> Mapping[str, Any]:
    """Return an answer of each report for which there is one, by its name."""
    return as_examples(REPORTS, ASKED, FINDINGS)
