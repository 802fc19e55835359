"""Answers as documents: JSON for programs, CSV for spreadsheets."""

import csv
import datetime as dt
import io
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import orjson

from shared.reports.questions import Question
from shared.reports.report import Answer, Column, Findings, Report
from shared.spreadsheets import harmless

CENTS = 2


def as_json(answer: Answer) -> bytes:
    """Return the answer with what was asked and how it was counted; amounts are strings, shares numbers."""
    report, asked = answer.report, answer.question
    document = {
        "report": report.name,
        "title": report.title,
        "method": report.method,
        "from": asked.first,
        "to": asked.end,
        "period": asked.period,
        "time_zone": asked.zone.key,
        "shop_id": asked.shop_id,
        "currency": asked.currency,
        "as_of": asked.now,
        "columns": _columns(report.columns),
        "rows": [_record(report.columns, row) for row in answer.findings.rows],
        "summary_columns": _columns(report.summary),
        "summary": _record(report.summary, answer.findings.summary),
    }
    return orjson.dumps(document, option=orjson.OPT_UTC_Z)


def as_csv(answer: Answer) -> str:
    """Return the rows under their columns' names."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(column.name for column in answer.report.columns)
    words = [column.unit == "text" for column in answer.report.columns]
    for row in cells(answer):
        writer.writerow(harmless(text) if is_words else text for text, is_words in zip(row, words, strict=True))
    return written.getvalue()


def cells(answer: Answer) -> Iterable[list[str]]:
    """Return the rows as people read them."""
    for row in answer.findings.rows:
        yield [cell(column, value) for column, value in zip(answer.report.columns, row, strict=True)]


def summary(answer: Answer) -> Iterable[tuple[str, str]]:
    """Return the figures of the whole, each after its name."""
    for column, value in zip(answer.report.summary, answer.findings.summary, strict=True):
        yield column.name, cell(column, value)


def brief(report: Report) -> dict[str, Any]:
    """Return what a list of the reports says about one."""
    return {
        "name": report.name,
        "title": report.title,
        "says": report.says,
        "method": report.method,
        "parameters": sorted(report.takes),
        "columns": _columns(report.columns),
    }


def as_examples(
    reports: Mapping[str, Report], asked: Question, findings: Mapping[str, Findings]
) -> dict[str, dict[str, Any]]:
    """Return what reports might find as examples of an API's document, by their names."""
    answers = {name: Answer(reports[name], asked, found) for name, found in findings.items()}
    return {
        name: {"summary": answer.report.title, "value": orjson.loads(as_json(answer))}
        for name, answer in answers.items()
    }


def cell(column: Column, value: Any) -> str:
    """Return one value as people read it; what has no answer is empty."""
    shown = _value(column, value)
    if shown is None:
        return ""
    return str(shown).lower() if isinstance(shown, bool) else str(shown)


def amount(value: Decimal) -> str:
    """Return an amount with as many decimals as it has, and at least two."""
    exact = value.normalize()
    return f"{exact:.{max(CENTS, -int(exact.as_tuple().exponent))}f}"


def _columns(columns: Sequence[Column]) -> list[dict[str, str]]:
    return [{"name": column.name, "unit": column.unit, "meaning": column.meaning} for column in columns]


def _record(columns: Sequence[Column], values: Sequence[Any]) -> dict[str, Any]:
    return {column.name: _value(column, value) for column, value in zip(columns, values, strict=True)}


def _value(column: Column, value: Any) -> Any:
    if isinstance(value, Decimal):
        return amount(value) if column.unit == "money" else float(value)
    return value.isoformat() if isinstance(value, dt.date) else value
