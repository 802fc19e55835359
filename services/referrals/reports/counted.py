"""Which referrals, friends and purchases count, for every report the same."""

from typing import Any

from services.referrals.rules import codes
from shared.reports.purchases import counted
from shared.reports.questions import Question

COUNTED = counted("customer")

COUNTS_NOW = "r.status IN ('qualified', 'rewarded')"
"""Whether a referral brought a customer, and still does."""

COHORT = """
 r.claimed_at >= ($1::timestamptz[])[1] AND r.claimed_at < $1[cardinality($1)] AND ($2::text IS NULL OR r.code = $2)"""
"""Whether a referral was claimed in the range, with the code that is asked about; takes the bounds of the periods and it."""

BY_CLAIM = "A referral counts in the period of its claim, whenever the rest happened, and as it stands now: young periods still change."


def code(question: Question) -> str | None:
    """Return the code that is asked about, as it is kept."""
    named: str | None = question.own.get("code")
    return None if named is None else codes.spelled(named) or named


def cohort(question: Question) -> tuple[Any, ...]:
    """Return the arguments of `COHORT`."""
    return question.bounds(), code(question)
