"""What is right, in numbers: earning, clawing back, spending lots, card numbers. Pure: no I/O, no clock."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_FLOOR, Decimal

from services.points.programme import Programme

ZERO = Decimal(0)
CENT_OF_CENT = Decimal("0.0001")
AHEAD = dt.timedelta(hours=24)
"""How far ahead of its receipt a purchase may say it happened: a till's clock may be off, not in another week."""

CARD_PREFIX = "299"
CARD_DIGITS = 13


@dataclass(frozen=True, slots=True)
class Sale:
    """The parts of a purchase that decide what it earns; money in units of its currency."""

    total: Decimal
    tax: Decimal = ZERO
    shipping: Decimal = ZERO
    gift_cards: Decimal = ZERO
    points_paid: Decimal = ZERO
    discount: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Terms:
    """An award's snapshot: what every later clawback is computed from, whatever the programme has become.

    `gross` is the part of the total that counts, `base` what of it earns (smaller where tax does not earn).
    """

    version: int
    rate: Decimal
    minimum: Decimal
    gross: Decimal
    base: Decimal


def eligible(sale: Sale, programme: Programme) -> Decimal:
    """Return the part of the total that counts, tax included (rule 2)."""
    counts = programme.earn_base
    left_out = (
        (ZERO if counts.shipping else sale.shipping)
        + (ZERO if counts.gift_cards else sale.gift_cards)
        + (ZERO if counts.points_paid else sale.points_paid)
    )
    return max(ZERO, sale.total - left_out + (sale.discount if counts.discount else ZERO))


def terms(sale: Sale, *, version: int, programme: Programme, rate: Decimal) -> Terms:
    """Return the snapshot of what `sale` earns under `programme` (rule 4)."""
    gross = eligible(sale, programme)
    base = gross if programme.earn_base.tax else max(ZERO, gross - sale.tax)
    return Terms(version, rate, programme.minimum, gross, base)


def points_for(base: Decimal, *, rate: Decimal, minimum: Decimal = ZERO) -> int:
    """Return the whole points for an earn base, rounded down once (rule 1); nothing below the minimum."""
    if base <= 0 or base < minimum:
        return 0
    return int((base * rate).to_integral_value(ROUND_FLOOR))


def award(snapshot: Terms, taken_back: Decimal = ZERO) -> int:
    """Return what the purchase earns when `taken_back` of its counting part was refunded (rule 13)."""
    kept = max(ZERO, snapshot.gross - taken_back)
    if not kept:
        return 0
    base = kept if snapshot.base == snapshot.gross else snapshot.base * kept / snapshot.gross
    return points_for(base, rate=snapshot.rate, minimum=snapshot.minimum)


def clawback(snapshot: Terms, *, earned: int, taken_back: Decimal, clawed_back: int) -> int:
    """Return the points to claw back now, after `taken_back` in all and `clawed_back` points before (rule 13)."""
    return max(0, earned - award(snapshot, taken_back) - clawed_back)


def points_paid_part(*, paid: Decimal, total: Decimal, refunded: Decimal, given_back: Decimal) -> Decimal:
    """Return the part of a refund that was paid with points, cumulatively (rule 16).

    `refunded` is the sum of all refunds with this one, `given_back` the points-paid parts of the earlier ones.
    """
    if not paid:
        return ZERO
    share = paid if refunded >= total else (paid * refunded / total).quantize(CENT_OF_CENT, ROUND_DOWN)
    return max(ZERO, share - given_back)


def refund_counts(
    amount: Decimal, *, shipping: Decimal, gift_cards: Decimal, points_paid: Decimal, programme: Programme
) -> Decimal:
    """Return the part of a refunded amount that lowers the earn base: the mirror of `eligible`."""
    return eligible(
        Sale(total=amount, shipping=shipping, gift_cards=gift_cards, points_paid=points_paid),
        programme,
    )


@dataclass(slots=True)
class Lot:
    """Points that came together and go together; `sequence` is that of the entry that brought them."""

    sequence: int
    points: int
    remaining: int


def spend(lots: Sequence[Lot], points: int, *, first: int | None = None) -> tuple[list[tuple[Lot, int]], int]:
    """Return which lots give how much of `points`, and what is missing (rules 8 and 14).

    The lot with the sequence `first` gives before the others; these give oldest first. Nothing is changed.
    """
    allocations: list[tuple[Lot, int]] = []
    for lot in sorted(lots, key=lambda each: (each.sequence != first, each.sequence)):
        if not points:
            break
        part = min(lot.remaining, points)
        if part:
            allocations.append((lot, part))
            points -= part
    return allocations, points


def is_ahead(occurred_at: dt.datetime, received_at: dt.datetime) -> bool:
    """Tell whether a purchase claims to have happened later than a wrong clock explains."""
    return occurred_at - received_at > AHEAD


def check_digit(digits: str) -> str:
    """Return the EAN check digit: weights 1 and 3, counted from the right (GS1 General Specifications 7.9)."""
    weighted: Iterable[int] = (int(digit) * (3, 1)[place % 2] for place, digit in enumerate(reversed(digits)))
    return str(-sum(weighted) % 10)


def card_number(serial: int) -> str:
    """Return the card number of a serial: EAN-13 in the range that GS1 leaves to a shop's own use."""
    digits = f"{CARD_PREFIX}{serial:0{CARD_DIGITS - len(CARD_PREFIX) - 1}d}"
    return digits + check_digit(digits)


def is_mistyped(number: str) -> bool:
    """Tell whether a number of our own range fails its check digit; other numbers are the shop's affair."""
    ours = len(number) == CARD_DIGITS and number.startswith(CARD_PREFIX) and number.isdecimal() and number.isascii()
    return ours and check_digit(number[:-1]) != number[-1]
