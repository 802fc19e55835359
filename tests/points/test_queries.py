"""What is read of the books without the API between: amounts as people write them, and what waits."""

import datetime as dt

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.points import queries
from tests.points.conftest import NOW, Book, purchase, refund


@pytest.mark.parametrize(
    ("total", "shown"),
    [("119", "119.00"), ("119.5", "119.50"), ("119.0001", "119.0001"), ("0", "0.00"), ("1000.1230", "1000.123")],
)
async def test_amounts_are_shown_with_their_own_decimals(
    book: Book, engine: AsyncEngine, total: str, shown: str
) -> None:
    await book(purchase(total=total))
    async with engine.connect() as connection:
        found = await queries.purchase(connection, "shop", "R-1")
    assert found is not None
    assert found["total"] == shown


async def test_waiting_refunds_are_listed_by_their_age(book: Book, engine: AsyncEngine) -> None:
    await book(refund("R-2", "5.00"), now=NOW)
    await book(refund("R-1", "7.00"), now=NOW)
    await book(purchase("R-2"))
    await book(refund("R-3", "1.00"))
    async with engine.connect() as connection:
        waiting = await queries.waiting_refunds(connection)
    assert [row["invoice_number"] for row in waiting] == ["R-1", "R-3"]


async def test_purchases_of_one_state_are_listed_in_the_order_of_their_names(book: Book, engine: AsyncEngine) -> None:
    await book(*(purchase(f"R-{number}", customer=None) for number in (3, 1, 2)), purchase("R-4"))
    async with engine.connect() as connection:
        listed = await queries.unsettled_purchases(connection, "unclaimed", after=("shop", "R-1"), limit=10)
        assert await queries.unsettled_purchases(connection, "parked", limit=10) == []
    assert [row["invoice_number"] for row in listed] == ["R-2", "R-3"]


async def test_a_statement_does_not_move_while_it_is_read(book: Book, engine: AsyncEngine) -> None:
    await book(*(purchase(f"R-{number}") for number in range(5)))
    async with engine.connect() as connection:
        first = await queries.entries(connection, "c-1", limit=2)
    await book(purchase("R-9"))
    async with engine.connect() as connection:
        rest = await queries.entries(connection, "c-1", before=first[-1]["sequence"], limit=9)
    assert [row["sequence"] for row in first + rest] == [5, 4, 3, 2, 1]


def test_ages_are_said_as_people_say_them() -> None:
    assert queries.age(NOW - dt.timedelta(days=2, hours=1, microseconds=5), NOW) == "2 days, 1:00:00"
