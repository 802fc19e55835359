"""Shares, means and retention."""

from decimal import Decimal

from shared.reports.shares import churn, mean, percent, retention


def test_of_nobody_there_is_no_share_and_no_mean() -> None:
    assert percent(0, 0) is None
    assert mean(Decimal(0), 0) is None


def test_shares_and_means_are_rounded_once_to_hundredths() -> None:
    assert percent(1, 3) == Decimal("33.33")
    assert percent(2, 3) == Decimal("66.67")
    assert mean(Decimal("0.01"), 2) == Decimal("0.01")


def test_rule_32_retention_is_those_of_before_who_are_there_without_the_new_ones() -> None:
    assert retention(1000, 900, 200) == 70
    assert churn(1000, 900, 200) == 30


def test_customers_who_come_back_lift_retention_above_100() -> None:
    assert retention(100, 150, 20) == 130
    assert churn(100, 150, 20) == -30


def test_of_nobody_none_are_kept_and_none_lost() -> None:
    assert retention(0, 5, 5) is None
    assert churn(0, 5, 5) is None
