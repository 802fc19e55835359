"""Codes of referrers: generated ones that check themselves, and those that a customer chose (rule 23)."""

import re
import secrets

from shared import codes

DRAWN = 7
"""So many symbols of a generated code are random."""

VANITY = re.compile(r"[A-Z2-9]{4,20}")
READ_ALIKE = str.maketrans("01", "OI")


def generate() -> str:
    """Return a new code: `7K2M-9QF8`."""
    return codes.code("".join(secrets.choice(codes.ALPHABET) for _ in range(DRAWN)))


def vanity(text: str) -> str | None:
    """Return a chosen code as it is kept; none where it can't be one.

    4 to 20 letters and digits, but never as many as a generated code has, so that a slip in one is never the other;
    0 is read as O, and 1 as I.
    """
    symbols = _symbols(text).translate(READ_ALIKE)
    return symbols if len(symbols) != DRAWN + 1 and VANITY.fullmatch(symbols) else None


def spelled(text: str) -> str | None:
    """Return a code as it is printed, whatever its case, blanks and dashes were; none where it is mistyped."""
    symbols = _symbols(text)
    return codes.spelled(symbols, DRAWN) if len(symbols) == DRAWN + 1 else vanity(symbols)


def _symbols(text: str) -> str:
    return "".join(text.replace("-", "").split()).upper()
