"""Codes: random symbols and one that checks them, easy to read aloud (rules 23 and 27)."""

import re
from functools import cache

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""32 symbols, without those that are taken for others: 0 and O, 1 and I."""

DRAWN = 11
"""So many symbols of a coupon code are random."""

GROUP = 4
PLACES = {symbol: place for place, symbol in enumerate(ALPHABET)}


def check_symbol(drawn: str) -> str:
    """Return the symbol that makes Σ sᵢ·xⁱ zero over the 32 elements of GF(2)[x] / (x⁵ + x² + 1).

    The weights of up to 31 places all differ, so one wrong symbol, or any two exchanged, are always found.
    """
    rest = 0
    for symbol in drawn:
        rest = _times_x(rest ^ PLACES[symbol])
    return ALPHABET[rest]


def _times_x(element: int) -> int:
    shifted = element << 1
    return shifted ^ 0b100101 if shifted & 0b100000 else shifted


def code(drawn: str, prefix: str | None = None) -> str:
    """Return a code as it is printed: `XMAS-7K2M-9QF4-T3HJ`."""
    symbols = drawn + check_symbol(drawn)
    groups = [symbols[place : place + GROUP] for place in range(0, len(symbols), GROUP)]
    return "-".join([*([prefix] if prefix else []), *groups])


def spelled(text: str, drawn: int = DRAWN) -> str | None:
    """Return a code as it is printed, whatever its case, blanks and dashes were; none where it is mistyped."""
    found = _spelling(drawn).fullmatch("".join(text.replace("-", "").split()).upper())
    if found is None:
        return None
    prefix, symbols = found.groups()
    return code(symbols[:-1], prefix) if check_symbol(symbols[:-1]) == symbols[-1] else None


@cache
def _spelling(drawn: int) -> re.Pattern[str]:
    return re.compile(f"([{ALPHABET}]*)([{ALPHABET}]{{{drawn + 1}}})")
