"""Shares and means."""

from decimal import Decimal

from shared.reports.shares import mean, percent


def test_of_nobody_there_is_no_share_and_no_mean() -> None:
    assert percent(0, 0) is None
    assert mean(Decimal(0), 0) is None


def test_shares_and_means_are_rounded_once_to_hundredths() -> None:
    assert percent(1, 3) == Decimal("33.33")
    assert percent(2, 3) == Decimal("66.67")
    assert mean(Decimal("0.01"), 2) == Decimal("0.01")
