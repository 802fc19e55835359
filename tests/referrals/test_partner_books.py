"""`loyalty verify` finds every kind of damage to what partners are owed, and names it and the rows."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.referrals.verification import PARTNERS, verify
from shared.database import fetch
from shared.verification import Finding
from tests.referrals.asking import days
from tests.referrals.conftest import NOW, Book, claim, purchase, refund
from tests.referrals.test_commissions import AFTER_HOLD, DECEMBER, WINE, partner, pay, settled

DAMAGE = {
    "commissions-are-on-statements": ("UPDATE commission SET amount = amount + 1 WHERE invoice_number = 'R-1'", "R-1"),
    "commissions-follow-their-terms": (
        "UPDATE commission SET refunded = refunded - 1 WHERE invoice_number = 'R-1'",
        "R-1",
    ),
    "no-sale-pays-two-partners": (
        "UPDATE statement_line SET invoice_number = 'R-1' WHERE partner_id = 'beer'",
        "R-1",
    ),
    "holds-of-commissions-are-watched": (
        "UPDATE referral SET due_at = NULL WHERE friend_id = 'ben'",
        "ben claims WINEBLOG",
    ),
    "lines-are-numbered": ("DELETE FROM statement_line WHERE partner_id = 'wine' AND number = 1", "wine"),
    "payouts-are-what-statements-say": ("UPDATE payout SET amount = amount + 1", "wine"),
    "partners-know-what-they-were-paid": ("UPDATE partner SET paid = 0 WHERE partner_id = 'wine'", "wine"),
    "paid-statements-are-closed": (
        "UPDATE statement_line SET booked_at = booked_at + interval '1 year' WHERE partner_id = 'wine' AND number = 1",
        "wine",
    ),
    "events-of-partners-are-numbered": (
        "UPDATE partner SET event_sequence = event_sequence + 1 WHERE partner_id = 'wine'",
        "wine",
    ),
}


@pytest.fixture
async def history(book: Book, engine: AsyncEngine) -> None:
    """Books in which something of every kind stands."""
    await book(*partner(), *partner("beer", "BEERBLOG"), claim(spelled=WINE), claim("cleo", "BEERBLOG"))
    await book(purchase("R-1"), purchase("R-2", "50.00", at=1), purchase("R-3", customer="cleo"))
    await settled(engine, AFTER_HOLD)
    await book(pay(DECEMBER), now=NOW + days(40))
    await book(refund("R-1", "40.00"), refund("R-2", "50.00"), now=NOW + days(41))
    # one whose hold is not over yet
    await book(purchase("R-4", at=23), now=NOW + days(1))


async def damage(engine: AsyncEngine, statement: str) -> None:
    async with engine.begin() as connection:
        # whoever can do this can do anything; the triggers stand against everyone else
        await fetch(connection, "SET LOCAL session_replication_role = replica")
        assert (await fetch(connection, f"WITH hit AS ({statement} RETURNING 1) SELECT count(*) AS n FROM hit"))[0]["n"]


async def findings(engine: AsyncEngine) -> dict[str, Finding]:
    async with engine.connect() as connection:
        return {finding.name: finding for finding in await verify(connection)}


@pytest.mark.usefixtures("history")
async def test_books_that_are_right_have_no_findings(engine: AsyncEngine) -> None:
    assert await findings(engine) == {}


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("name", DAMAGE)
async def test_damage_is_found_and_named(engine: AsyncEngine, name: str) -> None:
    statement, row = DAMAGE[name]
    await damage(engine, statement)
    found = await findings(engine)
    assert name in found
    assert any(row in map(str, each.values()) for each in found[name].rows), found[name].rows


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("table", ["statement_line", "payout", "partner_terms"])
async def test_what_was_written_is_never_changed(engine: AsyncEngine, table: str) -> None:
    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET partner_id = 'other'"):
        with pytest.raises(Exception, match=r"permission denied|what was done stays written"):
            await write(engine, statement)


async def write(engine: AsyncEngine, statement: str) -> None:
    async with engine.begin() as connection:
        await fetch(connection, statement)


def test_every_invariant_is_tried() -> None:
    assert DAMAGE.keys() == {invariant.name for invariant in PARTNERS}
