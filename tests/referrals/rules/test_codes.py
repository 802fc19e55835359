"""Codes of referrers: generated ones find a slip, chosen ones are never taken for them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.referrals.rules.codes import DRAWN, generate, spelled, vanity
from shared import codes

CODE = st.text(codes.ALPHABET, min_size=DRAWN, max_size=DRAWN).map(codes.code)


def test_a_generated_code_is_eight_symbols_in_two_groups() -> None:
    code = generate()
    assert [len(group) for group in code.split("-")] == [4, 4]
    assert spelled(code) == code


@given(CODE)
def test_case_blanks_and_dashes_are_forgiven(code: str) -> None:
    for written in (code, code.lower(), code.replace("-", " "), f" {code.replace('-', '')}\n"):
        assert spelled(written) == code


@given(CODE, st.integers(0, DRAWN), st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
def test_one_wrong_symbol_makes_no_other_code(code: str, place: int, other: str) -> None:
    symbols = code.replace("-", "")
    written = symbols[:place] + other + symbols[place + 1 :]
    assert spelled(written) in ({code} if written == symbols else {None})


@given(CODE)
def test_a_generated_code_can_not_be_chosen(code: str) -> None:
    assert vanity(code) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("anna", "ANNA"),
        (" Sophie-2026 ", "SOPHIE2O26"),
        ("S0PH1E", "SOPHIE"),
        ("ann", None),
        ("johannes", None),
        ("charlotte", "CHARLOTTE"),
        ("x" * 20, "X" * 20),
        ("x" * 21, None),
        ("müller", None),
        ("a/b/c/d", None),
        ("", None),
    ],
)
def test_what_a_customer_may_choose(text: str, code: str | None) -> None:
    assert vanity(text) == code
    assert spelled(text) == code
