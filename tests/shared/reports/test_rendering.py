"""Amounts, scales, and the form that a client is answered in."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.reports.drawing import scale
from shared.reports.rendering import amount
from shared.reports.routes import preferred


@pytest.mark.parametrize(
    ("value", "shown"), [("12", "12.00"), ("1200", "1200.00"), ("0.5000", "0.50"), ("1.2345", "1.2345"), ("0", "0.00")]
)
def test_amounts_have_their_decimals(value: str, shown: str) -> None:
    assert amount(Decimal(value)) == shown


@given(st.lists(st.integers(-(10**11), 10**11).map(lambda cents: cents / 100), max_size=20))
def test_a_scale_holds_zero_and_every_value(values: list[float]) -> None:
    found = scale(values)
    assert found.low <= 0 < found.high
    assert all(found.low - found.step / 100 <= value <= found.high + found.step / 100 for value in values)
    assert 2 <= len(found.ticks()) <= 8


@pytest.mark.parametrize(
    ("accept", "form"),
    [("", "json"), ("*/*", "json"), ("text/html,image/svg+xml;q=0.9,*/*", "svg"), ("Text/CSV", "csv"), ("x/y", "json")],
)
def test_the_first_known_form_of_a_client_is_taken(accept: str, form: str) -> None:
    assert preferred(accept) == form
