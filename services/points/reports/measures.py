"""The arithmetic of what a customer is worth, apart from where the numbers come from."""

from decimal import Decimal

from shared.reports.shares import rounded


def discount_a_period(yearly: Decimal, periods_a_year: int) -> Decimal:
    """Return the rate of a period that compounds to a yearly one."""
    return (1 + yearly) ** (Decimal(1) / periods_a_year) - 1


def expected_value(value: Decimal, kept: Decimal, discount: Decimal) -> Decimal:
    """Return what a customer who buys for `value` a period is expected to buy for in all periods to come.

    value * r / (1 + d - r), with the share `kept` of customers from one period to the next as r, and d discounted a period:
    constant value and retention without end (Gupta and Lehmann, Customers as Assets, Journal of Interactive Marketing 17(1),
    2003), on turnover where they take the margin.
    """
    return rounded(value * kept / (1 + discount - kept))
