"""Card numbers and their check digits."""

import pytest

from services.points.rules import cards


@pytest.mark.parametrize("serial", [0, 1, 42, 999_999_999])
def test_the_card_number_of_a_serial_is_not_mistyped(serial: int) -> None:
    number = cards.card_number(serial)
    assert len(number) == 13
    assert not cards.is_mistyped(number)


def test_card_numbers_carry_the_ean_check_digit() -> None:
    assert cards.card_number(42) == "2990000000422"
    assert cards.check_digit("400638133393") == "1"


@pytest.mark.parametrize(
    ("number", "mistyped"),
    [
        ("2990000000422", False),
        ("2990000000423", True),
        ("2990000000242", True),
        ("SHOP-7", False),
        ("4006381333930", False),
        ("299000000042", False),
        ("299-000000042", False),
    ],
)
def test_only_numbers_of_our_own_range_are_checked(number: str, mistyped: bool) -> None:  # noqa: FBT001 - a table
    assert cards.is_mistyped(number) is mistyped


@pytest.mark.parametrize("place", range(3, 13))
def test_one_wrong_digit_is_always_found(place: int) -> None:
    right = cards.card_number(123_456_789)
    wrong = {right[:place] + digit + right[place + 1 :] for digit in "0123456789"} - {right}
    assert all(map(cards.is_mistyped, wrong))
