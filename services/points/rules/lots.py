"""Lots: points that came together and go together, and which of them give first."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

NEVER = dt.datetime.max.replace(tzinfo=dt.UTC)


@dataclass(slots=True)
class Lot:
    """`sequence` is that of the entry that brought the points, `remaining` what can still be spent or expire of them.

    `pending` ones can't be spent before `available_at`. One that `lapses` ends when its customer has been inactive, any
    other at `expires_at`, where it has one; `expired` points went that way. A lot that came from a merged account knows
    the one it was there.
    """

    sequence: int
    points: int
    remaining: int
    pending: bool = False
    available_at: dt.datetime | None = None
    expires_on: dt.date | None = None
    expires_at: dt.datetime | None = None
    lapses: bool = False
    expired: int = 0
    announced: bool = False
    origin: tuple[str, int] | None = None
    graced: bool = False
    """Came back after its end to a lot of its own, which happens once."""


def order(lot: Lot) -> tuple[dt.datetime, int]:
    """Return the place of a lot among others: that which ends first is spent first."""
    return lot.expires_at or NEVER, lot.sequence


def spend(lots: Sequence[Lot], points: int, *, first: Lot | None = None) -> tuple[list[tuple[Lot, int]], int]:
    """Return which lots give how much of `points`, and what is missing (rules 8 and 14).

    The lot `first` gives before the others, even while it is pending; then those that expire first, never-expiring ones
    last, and of these the oldest. Nothing is changed.
    """
    allocations: list[tuple[Lot, int]] = []
    spendable = [each for each in lots if each is first or not each.pending]
    for lot in sorted(spendable, key=lambda each: (each is not first, *order(each))):
        if not points:
            break
        part = min(lot.remaining, points)
        if part:
            allocations.append((lot, part))
            points -= part
    return allocations, points
