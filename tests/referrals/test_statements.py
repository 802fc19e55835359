"""A statement as it is printed, in the language of the partner."""

import datetime as dt
import re
import zlib
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.referrals.partners.printing import as_pdf
from services.referrals.partners.statements import Statement, StatementLine, money
from services.referrals.records import Partner, Payout
from services.referrals.terms import Terms, Version, Versions

NIGHT = dt.datetime(2026, 11, 5, 23, 30, tzinfo=dt.UTC)
NOVEMBER, DECEMBER = dt.date(2026, 11, 1), dt.date(2026, 12, 1)


def line(invoice: str = "R-1", amount: str = "8.92", **more: Any) -> StatementLine:
    said: dict[str, Any] = {"refunded": Decimal(0), "percent": "7.5", "reason": "due"} | more
    return StatementLine(
        number=1,
        occurred_at=NIGHT,
        shop_id="webshop-de",
        invoice_number=invoice,
        code="WINEBLOG",
        sold=Decimal("1119.0000"),
        amount=Decimal(amount),
        booked_at=NIGHT,
        **said,
    )


def statement(*lines: StatementLine, language: str = "en", name: str = "Łukasz, Wein né", **more: Any) -> Statement:
    terms = Terms.model_validate({"commission": {"kind": "share", "percent": "7.5"}})
    first = Version(version=1, valid_from=NIGHT, programme=terms)
    said: dict[str, Any] = {"opening": Decimal("-12.50"), "payout": None, "is_over": True} | more
    partner = Partner("wine", name, language, Versions([first]), NIGHT)
    return Statement(partner, NOVEMBER, ZoneInfo("Europe/Berlin"), lines=list(lines), **said)


def paid(month: dt.date) -> Payout:
    return Payout("wine", month, Decimal("1.00"), "EUR", "SEPA-4711", NIGHT + dt.timedelta(days=30), "finance")


def printed(pdf: bytes) -> list[str]:
    """The texts of a document, in their order."""
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
    content = b"".join(zlib.decompress(each) for each in streams if each.startswith(b"x"))
    texts = re.findall(rb"\(((?:\\.|[^()\\])*)\) Tj", content)
    return [re.sub(rb"\\(.)", rb"\1", each).decode("windows-1252") for each in texts]


def test_it_is_in_the_language_of_the_partner_with_local_days_and_amounts() -> None:
    german = printed(as_pdf(statement(line(), line("R-2", "-4.20", percent=None), language="de")))
    assert german[:9] == [
        "Provisionsabrechnung",
        "November 2026",
        "Partner: Lukasz, Wein né",
        "Nummer: wine",
        *["Datum", "Rechnung und Shop", "Betrag", "Erstattet", "Satz"],
    ]
    assert german[10:15] == ["06.11.2026", "R-1, webshop-de", "1.119,00\xa0€", "7,5\xa0%", "8,92\xa0€"]
    assert german[15:20] == ["06.11.2026", "R-2, webshop-de", "1.119,00\xa0€", "fest", "-4,20\xa0€"]
    assert german[20:-2] == [
        *["Übertrag", "-12,50\xa0€", "Provisionen", "8,92\xa0€", "Zurückgenommen", "-4,20\xa0€"],
        *["Übertrag auf die nächste Abrechnung", "-7,78\xa0€"],
    ]
    english = printed(as_pdf(statement(line(refunded=Decimal("19.0000")), language="fr")))
    assert english[0] == "Commission statement"
    assert english[10:16] == ["6 Nov 2026", "R-1, webshop-de", "€1,119.00", "€19.00", "7.5\xa0%", "€8.92"]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"is_over": False}, "This month is not over: the statement may still change."),
        ({}, "Nothing became due in this month."),
        ({"payout": paid(NOVEMBER)}, "Paid out on 6 Dec 2026, reference SEPA-4711"),
        (
            {"payout": paid(DECEMBER)},
            "Paid out with the statement of December 2026 on 6 Dec 2026, reference SEPA-4711",
        ),
        ({"opening": Decimal("1.00")}, "To be paid out"),
        ({"name": "日本 Wein"}, "Partner: ?? Wein"),
        ({"name": "(a) \\ b"}, "Partner: (a) \\ b"),
    ],
)
def test_it_says_how_it_stands(said: dict[str, Any], words: str) -> None:
    assert words in printed(as_pdf(statement(**said)))


def test_what_goes_on_on_another_page_has_its_headings_there_and_long_names_are_cut() -> None:
    texts = printed(as_pdf(statement(*[line("R-" + "9" * 100)] * 60)))
    assert texts.count("Invoice and shop") == 2
    assert texts.count("Page 2 of ") == 1
    cut = {each for each in texts if each.startswith("R-9")}
    assert len(cut) == 1
    assert cut.pop().endswith("9…")


def test_the_same_statement_is_always_the_same_document() -> None:
    assert as_pdf(statement(line())) == as_pdf(statement(line()))


def test_an_amount_has_the_digits_of_its_currency_and_no_fewer_than_it_has() -> None:
    assert money(Decimal("8.9200"), "EUR") == "8.92"
    assert money(Decimal("100.0000"), "JPY") == "100"
    assert money(Decimal("0.0050"), "EUR") == "0.005"
    assert money(Decimal("-4.5000"), "EUR") == "-4.50"
