"""What only reports on points take."""

from collections.abc import Mapping

from shared.reports.questions import Question


def rule(question: Question) -> str | None:
    """Return the campaign or rule that is asked about."""
    named: str | None = question.own.get("rule")
    return named


def account_names(question: Question) -> Mapping[str, str]:
    """Return the names of the journal's accounts."""
    names: Mapping[str, str] = question.own["account_names"]
    return names
