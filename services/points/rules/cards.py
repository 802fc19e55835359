"""Card numbers: EAN-13 in the range that GS1 leaves to a shop's own use."""

PREFIX = "299"
DIGITS = 13


def check_digit(digits: str) -> str:
    """Return the EAN check digit: weights 1 and 3, counted from the right (GS1 General Specifications 7.9)."""
    thrice, once = map(int, digits[::-2]), map(int, digits[-2::-2])
    return str(-(3 * sum(thrice) + sum(once)) % 10)


def card_number(serial: int) -> str:
    """Return the card number of a serial."""
    digits = f"{PREFIX}{serial:0{DIGITS - len(PREFIX) - 1}d}"
    return digits + check_digit(digits)


def is_mistyped(number: str) -> bool:
    """Tell whether a number of our own range fails its check digit; other numbers are the shop's affair."""
    return is_ours(number) and check_digit(number[:-1]) != number[-1]


def is_ours(number: str) -> bool:
    """Tell whether a number is of our own range, mistyped or not."""
    return len(number) == DIGITS and number.startswith(PREFIX) and number.isdecimal() and number.isascii()
