"""The arithmetic of the reports on points."""

from decimal import Decimal

import pytest

from services.points.reports.measures import discount_a_period, expected_value


@pytest.mark.parametrize("periods", [1, 4, 12])
def test_the_discount_of_a_period_compounds_to_that_of_a_year(periods: int) -> None:
    assert round((1 + discount_a_period(Decimal("0.1"), periods)) ** periods, 10) == Decimal("1.1")


def test_expected_value_is_the_sum_of_what_is_expected_in_each_period_to_come() -> None:
    value, kept, discount = Decimal(100), Decimal("0.8"), Decimal("0.1")
    to_come = sum(value * (kept / (1 + discount)) ** period for period in range(1, 400))
    assert expected_value(value, kept, discount) == round(to_come, 2)
    assert expected_value(value, Decimal(0), discount) == 0
