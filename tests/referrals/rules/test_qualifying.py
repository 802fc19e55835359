"""Rule 25: the friend's first purchase that is big enough within the window, refunds considered, whatever came first."""

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.referrals.programme import Programme
from services.referrals.rules.qualifying import Outcome, Sale, counting, judge

CLAIMED = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
SECOND = dt.timedelta(seconds=1)
PROGRAMME = Programme.model_validate({"minimum": "20.00", "window_days": 90, "currency": "EUR"})


def sale(
    amount: str, refunded: str = "0", *, after: dt.timedelta = DAY, currency: str = "EUR", number: str = "R-1"
) -> Sale:
    return Sale(CLAIMED + after, "shop", number, currency, Decimal(amount), Decimal(refunded))


@pytest.mark.parametrize(
    ("sales", "qualifying"),
    [
        ([], None),
        ([sale("20.00")], 0),
        ([sale("19.99")], None),
        ([sale("25", "5")], 0),
        ([sale("25", "5.01")], None),
        ([sale("50", currency="CHF")], None),
        ([sale("50", after=0 * DAY)], 0),
        ([sale("50", after=90 * DAY - SECOND)], 0),
        ([sale("50", after=90 * DAY)], None),
        ([sale("50", after=2 * DAY), sale("30", number="R-2")], 1),
        ([sale("50", number="R-2"), sale("30", number="R-1")], 1),
        ([sale("50", "50"), sale("30", after=2 * DAY)], 1),
        ([sale("5"), sale("30", after=2 * DAY)], 1),
    ],
)
def test_which_purchase_qualifies(sales: list[Sale], qualifying: int | None) -> None:
    assert judge(sales, CLAIMED, PROGRAMME) == Outcome(
        bought_before=False, qualifying=None if qualifying is None else sales[qualifying]
    )


@pytest.mark.parametrize("before", [sale("1", after=-SECOND), sale("1", "1", after=-SECOND, currency="CHF")])
def test_whoever_had_bought_before_the_claim_is_no_new_customer(before: Sale) -> None:
    assert judge([sale("50"), before], CLAIMED, PROGRAMME) == Outcome(bought_before=True, qualifying=None)


@pytest.mark.parametrize("nothing", [sale("0"), sale("10", "10")])
def test_what_costs_nothing_never_qualifies(nothing: Sale) -> None:
    assert judge([nothing], CLAIMED, Programme.model_validate({"minimum": "0"})).qualifying is None


def test_shipping_gift_cards_and_what_points_paid_do_not_count() -> None:
    parts = {"shipping": Decimal("4.90"), "gift_cards": Decimal(10), "points_paid": Decimal(5)}
    assert counting(Decimal(50), **parts) == Decimal("30.10")
    assert counting(Decimal(10), **parts) == 0


SALES = st.lists(
    st.builds(
        Sale,
        st.integers(-1, 5).map(lambda days: CLAIMED + days * DAY),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["1", "2", "3"]),
        st.sampled_from(["EUR", "EUR", "CHF"]),
        st.integers(20, 40).map(Decimal),
        st.integers(0, 20).map(Decimal),
    ),
    unique_by=lambda each: (each.shop_id, each.invoice_number),
    max_size=6,
)


@given(SALES.flatmap(lambda sales: st.tuples(st.just(sales), st.permutations(sales))))
def test_any_order_of_arrival_ends_the_same(orders: tuple[list[Sale], list[Sale]]) -> None:
    one, other = orders
    assert judge(one, CLAIMED, PROGRAMME) == judge(other, CLAIMED, PROGRAMME)


@given(SALES)
def test_what_qualifies_is_big_enough_and_none_before_it_was(sales: list[Sale]) -> None:
    found = judge(sales, CLAIMED, PROGRAMME).qualifying
    enough = [each for each in sales if each.currency == "EUR" and each.amount - each.refunded >= 20]
    is_new = all(each.occurred_at >= CLAIMED for each in sales)
    assert found == (min(enough, default=None) if is_new else None)
