"""Shares and means, rounded once; shares are percentages, and so is retention."""

from decimal import ROUND_HALF_UP, Decimal

HUNDREDTH = Decimal("0.01")


def percent(part: int | Decimal, whole: int | Decimal) -> Decimal | None:
    """Return a share of a whole; of nothing there is none."""
    return rounded(Decimal(part) * 100 / whole) if whole else None


def mean(total: int | Decimal, count: int | Decimal) -> Decimal | None:
    """Return the share of each of so many; of nobody there is none."""
    return rounded(Decimal(total) / count) if count else None


def retention(before: int, active: int, new: int) -> Decimal | None:
    """Return (E - N) / S * 100 (rule 32); customers who came back can lift it above 100."""
    return percent(active - new, before)


def churn(before: int, active: int, new: int) -> Decimal | None:
    """Return what retention leaves of 100 (rule 32)."""
    kept = retention(before, active, new)
    return None if kept is None else 100 - kept


def rounded(value: Decimal) -> Decimal:
    """Return a value in hundredths."""
    return value.quantize(HUNDREDTH, ROUND_HALF_UP)
