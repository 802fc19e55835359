"""A statement as a page that a partner can read, in their language."""

import datetime as dt
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from babel.dates import format_date
from babel.numbers import format_currency, format_decimal
from fpdf import FPDF

from services.referrals.partners.statements import Statement, StatementLine, money
from shared import languages

ENCODING = "windows-1252"
"""Of the fonts that every reader has; of other letters only the nearest of these, or a question mark, can be printed."""

WIDTHS = (24, 58, 27, 25, 18, 28)
ALIGNMENT = ("L", "L", "R", "R", "R", "R")
GREY, PALE = 110, 238
LATIN = str.maketrans({"Ł": "L", "ł": "l", "Đ": "D", "đ": "d", "\u2212": "-", "\u202f": "\xa0"})

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "title": "Commission statement",
        "partner": "Partner",
        "number": "Number",
        "open": "This month is not over: the statement may still change.",
        "columns": "Date|Invoice and shop|Amount|Refunds|Rate|Commission",
        "opening": "Carried forward",
        "earned": "Commissions",
        "taken_back": "Taken back",
        "closing": "To be paid out",
        "carried": "Carried to the next statement",
        "paid": "Paid out on {day}, reference {reference}",
        "paid_later": "Paid out with the statement of {month} on {day}, reference {reference}",
        "fixed": "fixed",
        "nothing": "Nothing became due in this month.",
        "page": "Page {page} of {{nb}}",
    },
    "de": {
        "title": "Provisionsabrechnung",
        "partner": "Partner",
        "number": "Nummer",
        "open": "Der Monat ist noch nicht vorbei: Die Abrechnung kann sich noch ändern.",
        "columns": "Datum|Rechnung und Shop|Betrag|Erstattet|Satz|Provision",
        "opening": "Übertrag",
        "earned": "Provisionen",
        "taken_back": "Zurückgenommen",
        "closing": "Auszuzahlen",
        "carried": "Übertrag auf die nächste Abrechnung",
        "paid": "Ausgezahlt am {day}, Referenz {reference}",
        "paid_later": "Ausgezahlt mit der Abrechnung für {month} am {day}, Referenz {reference}",
        "fixed": "fest",
        "nothing": "In diesem Monat wurde nichts fällig.",
        "page": "Seite {page} von {{nb}}",
    },
}


class _Paper(FPDF):
    """A4 with the number of each page at its foot, and the names of the columns above what goes on from the page before."""

    def __init__(self, page: str, columns: list[str]) -> None:
        super().__init__()
        self.core_fonts_encoding = ENCODING
        self._page = page
        self._columns = columns
        self._is_in_table = False
        self.set_margin(15)
        self.set_auto_page_break(auto=True, margin=20)

    def header(self) -> None:
        if self._is_in_table:
            self._headings()

    def footer(self) -> None:
        self.set_y(-15)
        self.set_font("Helvetica", size=8)
        self.set_text_color(GREY)
        self.cell(0, 8, self._page.format(page=self.page_no()), align="R")

    def table_of(self, rows: Iterable[Iterable[str]]) -> None:
        """Draw the columns and rows of a line each; the library's own tables take six milliseconds for every row."""
        self.set_draw_color(PALE)
        self._headings()
        self._is_in_table = True
        for row in rows:
            self._row(row, fill=False)
        self._is_in_table = False

    def _headings(self) -> None:
        self.set_font("Helvetica", "B", 9)
        self.set_fill_color(PALE)
        self._row(self._columns, fill=True)
        self.set_font("Helvetica", size=9)

    def _row(self, cells: Iterable[str], *, fill: bool) -> None:
        for text, width, align in zip(cells, WIDTHS, ALIGNMENT, strict=True):
            self.cell(width, 7, self._fitting(text, width), border="B", align=align, fill=fill)
        self.ln()

    def _fitting(self, text: str, width: float) -> str:
        """Return as much of a text as a column has room for."""
        shown = text
        while self.get_string_width(shown) > width - 2:
            text = text[:-1]
            shown = f"{text}\u2026"
        return shown


def as_pdf(statement: Statement) -> bytes:
    """Return the statement as a PDF document; the same statement always as the same bytes."""
    language = languages.choose([statement.partner.language], WORDS, "en")
    return _Printed(statement, language).document()


class _Printed:
    def __init__(self, statement: Statement, language: str) -> None:
        self._statement = statement
        self._language = language
        self._words = WORDS[language]
        self._paper = _Paper(self._words["page"], self._words["columns"].split("|"))

    def document(self) -> bytes:
        paper = self._paper
        month = _month(self._statement.month, self._language)
        paper.set_title(_printable(f"{self._words['title']} {month}, {self._statement.partner.name}"))
        paper.set_lang(self._language)
        paper.set_creation_date(dt.datetime.combine(self._statement.month, dt.time(), dt.UTC))
        paper.add_page()
        self._head(month)
        self._sales()
        self._totals()
        return bytes(paper.output())

    def _head(self, month: str) -> None:
        partner = self._statement.partner
        self._line(self._words["title"], size=18, style="B", height=10)
        self._line(month, size=13, height=8)
        self._paper.ln(4)
        self._line(f"{self._words['partner']}: {partner.name}", size=11)
        self._line(f"{self._words['number']}: {partner.partner_id}", size=11)
        if self._statement.status == "open":
            self._line(self._words["open"], size=10, style="I")
        self._paper.ln(5)

    def _line(self, text: str, *, size: int, style: str = "", height: float = 6) -> None:
        self._paper.set_font("Helvetica", style, size)
        self._paper.multi_cell(0, height, _printable(text), new_x="LMARGIN", new_y="NEXT")

    def _sales(self) -> None:
        if not self._statement.lines:
            self._line(self._words["nothing"], size=10)
            return
        self._paper.table_of([_printable(cell) for cell in self._cells(line)] for line in self._statement.lines)

    def _cells(self, line: StatementLine) -> Iterator[str]:
        yield _day(self._statement.local_day(line.occurred_at), self._language)
        yield f"{line.invoice_number}, {line.shop_id}"
        yield self._money(line.sold)
        yield self._money(line.refunded) if line.refunded else ""
        yield self._rate(line)
        yield self._money(line.amount)

    def _rate(self, line: StatementLine) -> str:
        if line.percent is None:
            return self._words["fixed"]
        return f"{format_decimal(Decimal(line.percent), locale=self._language)}\xa0%"

    def _totals(self) -> None:
        statement, words = self._statement, self._words
        self._paper.ln(5)
        self._total(words["opening"], statement.opening)
        self._total(words["earned"], statement.earned)
        self._total(words["taken_back"], -statement.taken_back)
        is_payable = statement.closing > 0 or statement.payout is not None
        self._total(words["closing" if is_payable else "carried"], statement.closing, style="B")
        if statement.payout is not None:
            self._paper.ln(4)
            self._line(self._paid(), size=10)

    def _total(self, name: str, amount: Decimal, *, style: str = "") -> None:
        self._paper.set_font("Helvetica", style, 10)
        self._paper.cell(sum(WIDTHS[:-1]), 6, name, align="R")
        self._paper.cell(WIDTHS[-1], 6, _printable(self._money(amount)), align="R", new_x="LMARGIN", new_y="NEXT")

    def _paid(self) -> str:
        payout = self._statement.payout
        if payout is None:
            return ""
        words = self._words["paid" if payout.month == self._statement.month else "paid_later"]
        day = _day(self._statement.local_day(payout.paid_at), self._language)
        return words.format(month=_month(payout.month, self._language), day=day, reference=payout.reference)

    def _money(self, amount: Decimal) -> str:
        currency = self._statement.currency
        said = Decimal(money(amount, currency))
        return format_currency(said, currency, locale=self._language, decimal_quantization=False)


def _month(month: dt.date, language: str) -> str:
    return format_date(month, "LLLL yyyy", locale=language)


def _day(day: dt.date, language: str) -> str:
    return format_date(day, "dd.MM.yyyy" if language == "de" else "d MMM yyyy", locale=language)


def _printable(text: str) -> str:
    """Return what the fonts can show of a text."""
    return "".join(map(_letter, text.translate(LATIN)))


def _letter(letter: str) -> str:
    for spelled in (letter, unicodedata.normalize("NFKD", letter)[0]):
        if spelled.encode(ENCODING, "ignore"):
            return spelled
    return "?"
