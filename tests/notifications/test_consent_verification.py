"""`loyalty verify` finds every kind of damage to consents and addresses, and names it and the rows."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notifications.commands import ConfirmConsent, HearConsent, HearReport
from services.notifications.verification import verify
from shared.database import fetch
from tests.notifications.conftest import NOW, Book

DAMAGE = {
    "consents-have-their-proofs": ("UPDATE consent SET asked_how = NULL WHERE customer_id = 'anna'", "anna"),
    "the-last-word-counts": (
        "UPDATE consent SET asked_at = withdrawn_at + interval '1 s' WHERE customer_id = 'cleo'",
        "cleo",
    ),
    "questions-are-about-a-consent": ("DELETE FROM consent WHERE customer_id = 'anna'", "anna"),
    "addresses-that-take-messages-have-no-row": ("UPDATE address SET bounced_at = NULL", "kim@example.com"),
}


def said(customer: str, *, is_given: bool = True) -> HearConsent:
    return HearConsent(customer, "email", "offers", is_given=is_given, how="till", text="t/3", at=NOW)


@pytest.fixture
async def history(book: Book) -> None:
    """Books in which a consent of every state stands: anna is asked, ben confirmed, cleo changed her mind."""
    await book(*map(said, ("anna", "ben", "cleo")), said("cleo", is_given=False), said("dora", is_given=False))
    await book(ConfirmConsent("ben", "email", "offers", NOW, "link in mail", "yes"))
    await book(HearReport("email", "kim@example.com", "bounced"))


@pytest.mark.usefixtures("history")
async def test_what_was_booked_is_found_sound(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        assert await verify(connection) == []


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("name", DAMAGE)
async def test_damage_is_found(engine: AsyncEngine, name: str) -> None:
    damage, row = DAMAGE[name]
    async with engine.begin() as connection:
        await fetch(connection, damage)
    async with engine.connect() as connection:
        (found,) = await verify(connection)
    assert found.name == name
    assert row in str(found.rows)
