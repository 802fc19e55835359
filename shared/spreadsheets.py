"""Text that others wrote, in cells that a spreadsheet opens."""

FORMULAS = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")
"""What a formula begins with; some spreadsheets take the wide ones too."""


def harmless(text: str) -> str:
    """Return a cell that stays text: a spreadsheet would run one that begins like a formula."""
    return f"'{text}" if text[:1] in FORMULAS else text
