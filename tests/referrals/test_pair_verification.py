"""Each invariant of pairs is broken once, and found; what the service itself did never breaks one."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.referrals.commands import HearMerge
from services.referrals.verification import PAIRS, verify
from shared.database import fetch
from tests.referrals.conftest import Book, accept, invite, offer, purchase, refund

BREAKAGES = {
    "pair-both-or-none": "UPDATE pair_reward SET status = 'reversed' WHERE reward_id = 'p-1/friend/1'",
    "pair-rounds": "UPDATE pair SET round = round + 1 WHERE pair_id = 'p-2'",
    "pair-purchases": "UPDATE purchase SET refunded = total WHERE invoice_number = 'R-1'",
    "offer-budget": "UPDATE offer SET reserved = reserved + 1",
    "offer-limit": """UPDATE offer SET document = document || '{"per_customer": 1}' WHERE offer_id = 'winter'""",
}


async def found(engine: AsyncEngine) -> set[str]:
    async with engine.connect() as connection:
        return {finding.name for finding in await verify(connection)}


@pytest.fixture
async def history(book: Book) -> None:
    """Two pairs of one customer that are complete, by purchases and baskets under old names, and one that was."""
    await book(offer(per_customer=3), offer("spring", kind="joint_basket"))
    await book(*(invite(f"p-{n}") for n in (1, 2, 3)), *(accept(f"p-{n}", f"f-{n}") for n in (1, 2, 3)))
    await book(HearMerge("old anna", "anna"), purchase("R-0", customer="old anna"))
    await book(*(purchase(f"R-{n}", customer=f"f-{n}") for n in (1, 2, 3)))
    await book(refund("R-3"))
    await book(invite("p-4", "cleo", of="spring"), accept("p-4", "dora"))
    await book(purchase("R-4", customer="dora", companion_id="cleo"), HearMerge("dora", "new dora"))


@pytest.mark.usefixtures("history")
async def test_what_the_service_did_breaks_none(engine: AsyncEngine) -> None:
    assert await found(engine) == set()


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("name", [each.name for each in PAIRS])
async def test_each_is_found_when_it_is_broken(name: str, engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await fetch(connection, BREAKAGES[name])
    assert name in await found(engine)
