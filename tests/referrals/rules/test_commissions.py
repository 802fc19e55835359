"""What sales earn a partner, by examples."""

import datetime as dt
import itertools
from decimal import Decimal
from typing import Any

import pytest

from services.referrals.rules.commissions import amount, earned, following, months_later
from services.referrals.rules.qualifying import Sale
from services.referrals.terms import Terms, faults

CLAIMED = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
UNTIL = CLAIMED + dt.timedelta(days=90)
SHARE = {"kind": "share", "percent": "10"}
FIXED = {"kind": "fixed", "amount": "5.00"}


def terms(commission: dict[str, str] = SHARE, **said: Any) -> Terms:
    return Terms.model_validate({"commission": commission} | said)


def sale(invoice: str, left: str, *, at: float = 1, refunded: str = "0", currency: str = "EUR") -> Sale:
    """So many days after the claim; `left` is what counts before `refunded`."""
    when = CLAIMED + dt.timedelta(days=at)
    return Sale(when, "shop", invoice, currency, Decimal(left), Decimal(refunded))


def told(sales: list[Sale], said: Terms) -> dict[str, str]:
    return {each.sale.invoice_number: str(each.amount) for each in earned(sales, CLAIMED, UNTIL, said)}


@pytest.mark.parametrize(
    ("left", "percent", "currency", "due"),
    [
        ("100.00", "10", "EUR", "10.00"),
        ("0.25", "10", "EUR", "0.02"),
        ("0.35", "10", "EUR", "0.04"),
        ("99.99", "7.5", "EUR", "7.50"),
        ("1050", "10", "JPY", "105"),
        ("1.0005", "100", "KWD", "1.000"),
        ("10.05", "10", "RSD", "1.00"),
    ],
)
def test_a_share_is_rounded_half_to_even_to_the_minor_unit(left: str, percent: str, currency: str, due: str) -> None:
    said = terms({"kind": "share", "percent": percent}, currency=currency)
    assert str(amount(Decimal(left), said)) == due


@pytest.mark.parametrize(
    ("sales", "said", "due"),
    [
        ([sale("A", "100")], terms(months=1), {"A": "10.00"}),
        ([sale("A", "100"), sale("B", "50", at=2)], terms(months=1), {"A": "10.00", "B": "5.00"}),
        ([sale("A", "100"), sale("B", "50", at=2)], terms(), {"A": "10.00"}),
        ([sale("A", "100"), sale("B", "50", at=0.5)], terms(), {"B": "5.00"}),
        ([sale("A", "100", at=-1)], terms(months=1), {}),
        ([sale("A", "100", at=0)], terms(months=1), {"A": "10.00"}),
        ([sale("A", "100", at=89)], terms(), {"A": "10.00"}),
        ([sale("A", "100", at=90)], terms(), {}),
        ([sale("A", "100", at=27.9), sale("B", "100", at=28)], terms(months=1), {"A": "10.00"}),
        ([sale("A", "19.99"), sale("B", "20.00", at=2)], terms(minimum="20.00"), {"B": "2.00"}),
        ([sale("A", "100", currency="CHF")], terms(months=1), {}),
        ([sale("A", "0.04")], terms(months=1), {}),
        ([sale("A", "0.04"), sale("B", "50", at=2)], terms(), {}),
        ([sale("A", "30", refunded="10")], terms(FIXED, minimum="20.00"), {"A": "5.00"}),
        ([sale("A", "30", refunded="10.01")], terms(FIXED, minimum="20.00"), {}),
        ([sale("A", "30", refunded="30"), sale("B", "50", at=2)], terms(FIXED), {"B": "5.00"}),
        ([sale("A", "30", refunded="10")], terms(), {"A": "2.00"}),
    ],
)  # fmt: skip
def test_what_sales_earn(sales: list[Sale], said: Terms, due: dict[str, str]) -> None:
    for order in itertools.permutations(sales):
        assert told(list(order), said) == due


def test_months_end_on_the_last_day_where_they_have_no_such_day() -> None:
    assert months_later(CLAIMED, 1) == dt.datetime(2026, 2, 28, 12, tzinfo=dt.UTC)
    assert months_later(CLAIMED, 11) == dt.datetime(2026, 12, 31, 12, tzinfo=dt.UTC)
    assert months_later(CLAIMED, 12) == dt.datetime(2027, 1, 31, 12, tzinfo=dt.UTC)
    assert following(dt.date(2026, 12, 1)) == dt.date(2027, 1, 1)
    assert following(dt.date(2026, 1, 1)) == dt.date(2026, 2, 1)


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (terms(), None),
        (terms(FIXED), None),
        (terms(currency="XXQ"), ("/currency", "currency-unknown")),
        (terms({"kind": "fixed", "amount": "5.005"}), ("/commission/amount", "amount-not-payable")),
        (terms({"kind": "fixed", "amount": "5.5"}, currency="JPY"), ("/commission/amount", "amount-not-payable")),
        (
            terms(valid_from="2026-02-01T00:00:00Z", valid_until="2026-02-01T00:00:00Z"),
            ("/valid_until", "window-empty"),
        ),
    ],
)
def test_what_does_not_fit_together_is_named(said: Terms, fault: tuple[str, str] | None) -> None:
    assert [(each.pointer, each.code) for each in faults(said)] == ([] if fault is None else [fault])
