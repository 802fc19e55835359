"""Codes of coupons: drawn so that nobody guesses one (rule 27)."""

import secrets

from shared import codes


def draw(prefix: str | None) -> str:
    """Return a new code: `XMAS-7K2M-9QF4-T3HJ`."""
    return codes.code("".join(secrets.choice(codes.ALPHABET) for _ in range(codes.DRAWN)), prefix)
