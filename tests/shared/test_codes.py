"""Codes are easy to read aloud, forgive how they are written, and never take a slip for another code."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.codes import ALPHABET, DRAWN, code, spelled

DRAW = st.text(ALPHABET, min_size=DRAWN, max_size=DRAWN)
PREFIX = st.none() | st.text(ALPHABET, min_size=1, max_size=8)


def test_the_alphabet_has_32_symbols_that_are_not_taken_for_others() -> None:
    assert len(set(ALPHABET)) == 32
    assert not set(ALPHABET) & set("0O1I")


def test_a_code_is_printed_in_groups_after_its_prefix() -> None:
    assert code("7K2M9QF4T3H", "XMAS") == "XMAS-7K2M-9QF4-T3HJ"
    assert code("7K2M9QF4T3H") == "7K2M-9QF4-T3HJ"


@given(DRAW, PREFIX)
def test_case_blanks_and_dashes_are_forgiven(drawn: str, prefix: str | None) -> None:
    printed = code(drawn, prefix)
    for written in (printed, printed.lower(), printed.replace("-", " "), f" {printed.replace('-', '')} "):
        assert spelled(written) == printed


@given(DRAW)
def test_one_wrong_symbol_and_any_two_exchanged_are_found(drawn: str) -> None:
    symbols = code(drawn).replace("-", "")
    for place, other in itertools.product(range(len(symbols)), ALPHABET):
        if symbols[place] != other:
            assert spelled(symbols[:place] + other + symbols[place + 1 :]) is None
    for one, other_place in itertools.combinations(range(len(symbols)), 2):
        exchanged = list(symbols)
        exchanged[one], exchanged[other_place] = exchanged[other_place], exchanged[one]
        if symbols[one] != symbols[other_place]:
            assert spelled("".join(exchanged)) is None


@pytest.mark.parametrize("text", ["", "5", "2345-6789-ABC", "O0I1-2345-6789", "é" * 12, "XMAS-7K2M-9QF4-T3HK"])
def test_what_is_no_code_is_none(text: str) -> None:
    assert spelled(text) is None
