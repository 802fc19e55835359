"""Which lots give first (rules 8 and 14)."""

import datetime as dt

import pytest

from services.points.rules.lots import Lot, spend


def lots(*remaining: int) -> list[Lot]:
    return [Lot(number, points, points) for number, points in enumerate(remaining, start=1)]


def ending(sequence: int, day: int | None, *, pending: bool = False) -> Lot:
    ends = None if day is None else dt.datetime(2026, 12, day, tzinfo=dt.UTC)
    return Lot(sequence, 10, 10, expires_at=ends, pending=pending)


@pytest.mark.parametrize(
    ("points", "first", "allocated", "missing"),
    [
        (5, None, [(1, 5)], 0),
        (15, None, [(1, 10), (2, 5)], 0),
        (15, 2, [(2, 15)], 0),
        (25, 2, [(2, 20), (1, 5)], 0),
        (100, 3, [(3, 30), (1, 10), (2, 20)], 40),
    ],
)
def test_rule_14_the_purchases_own_lot_gives_first_then_the_oldest(
    points: int, first: int | None, allocated: list[tuple[int, int]], missing: int
) -> None:
    there = lots(10, 20, 30)
    given, lacking = spend(there, points, first=None if first is None else there[first - 1])
    assert [(lot.sequence, part) for lot, part in given] == allocated
    assert lacking == missing


@pytest.mark.parametrize(
    ("there", "order"),
    [
        ([ending(1, 20), ending(2, 10)], [2, 1]),
        ([ending(1, None), ending(2, 10)], [2, 1]),
        ([ending(2, 10), ending(1, 10)], [1, 2]),
        ([ending(2, None), ending(1, None)], [1, 2]),
        ([ending(1, 10, pending=True), ending(2, 20)], [2]),
    ],
)
def test_rule_8_the_lot_that_ends_first_gives_first_then_the_oldest(there: list[Lot], order: list[int]) -> None:
    given, _ = spend(there, 20)
    assert [lot.sequence for lot, _ in given] == order


def test_rule_14_another_purchases_pending_lot_never_gives() -> None:
    own, other = ending(1, 10, pending=True), ending(2, 5, pending=True)
    assert spend([own, other], 15, first=own) == ([(own, 10)], 5)


def test_nothing_is_changed_by_asking() -> None:
    there = lots(10, 20)
    spend(there, 15, first=there[1])
    assert [lot.remaining for lot in there] == [10, 20]
