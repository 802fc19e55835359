"""`loyalty verify` finds every kind of damage to the books of referrals, and names it and the rows."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.referrals.commands import (
    AcceptClaim,
    Contact,
    EraseCustomer,
    HearCard,
    HearMerge,
    HearTier,
    SettleReferral,
)
from services.referrals.memory import MEMORY
from services.referrals.verification import REFERRED, verify
from shared import erasures
from shared.database import fetch
from shared.requests import Origin
from shared.verification import Finding
from tests.referrals.asking import days
from tests.referrals.conftest import NOW, Book, claim, code, publish, purchase, refund

OWN = "ben claims 7K2M-9QFS"

DAMAGE = {
    "friends-have-one-referral": ("UPDATE referral SET friend_id = 'benno' WHERE friend_id = 'cleo'", "ben"),
    "nobody-referred-themselves": ("UPDATE referral SET referrer_id = 'dora' WHERE friend_id = 'anna'", "dora"),
    "referrals-have-their-parts": ("UPDATE code SET customer_id = 'carl' WHERE customer_id = 'zoe'", "anna claims"),
    "referrals-are-watched-until-they-are-due": ("UPDATE referral SET due_at = NULL WHERE friend_id = 'emil'", "emil"),
    "refusals-have-their-reason": ("UPDATE referral SET reason = NULL WHERE friend_id = 'fritz'", "fritz"),
    "nobody-had-bought-before": ("UPDATE purchase SET customer_id = 'gina' WHERE invoice_number = 'R-fritz'", "gina"),
    "the-first-purchase-that-is-big-enough-qualifies": (
        "UPDATE purchase SET amount = 1, total = 1 WHERE invoice_number = 'R-ben'",
        "R-ben",
    ),
    "the-erased-are-over": ("DELETE FROM erasure", "gone"),
    "the-erased-are-forgotten": ("UPDATE customer SET tier = 'Gold' WHERE customer_id = 'gone'", "gone"),
    "first-purchases-are-known": (
        "UPDATE customer SET first_purchase_at = first_purchase_at + interval '1 h' WHERE customer_id = 'ben'",
        "ben",
    ),
    "rewards-follow-their-referral": (f"UPDATE reward SET status = 'held' WHERE reward_id = '{OWN}/friend/1'", OWN),
    "rewards-are-given-once": (
        f"UPDATE reward SET rung = 9 WHERE reward_id = '{OWN}/referrer/1' OR rung IS NOT NULL",
        "9",
    ),
    "rewards-are-of-their-customer": ("UPDATE reward SET customer_id = 'carl' WHERE customer_id = 'cleo'", "cleo"),
    "rewards-are-those-of-the-programme": (
        f"""UPDATE reward SET benefit = benefit || '{{"points": 9}}' WHERE reward_id = '{OWN}/referrer/1'""",
        OWN,
    ),
    "months-keep-to-their-cap": ("UPDATE reward SET status = 'given' WHERE status = 'capped'", "anna"),
    "the-ladder-follows-the-count": ("UPDATE reward SET rung = 9 WHERE rung = 2", "9"),
    "refunds-add-up": ("UPDATE purchase SET taken_back = taken_back + 1 WHERE invoice_number = 'R-hugo'", "R-hugo"),
    "no-refund-waits-for-a-purchase-that-came": (
        "UPDATE refund SET status = 'waiting' WHERE invoice_number = 'R-hugo'",
        "R-hugo",
    ),
    "no-purchase-waits-for-a-card-that-is-known": (
        "INSERT INTO card SELECT card_number, 'ben' FROM purchase WHERE status = 'parked'",
        "SHOP-9",
    ),
    "codes-check": ("UPDATE code SET code = '7K2M-9QSF' WHERE code = '7K2M-9QFS'", "7K2M-9QSF"),
    "merged-customers-go-on-as-one": (
        "UPDATE customer SET merged_into = 'benno' WHERE customer_id = 'carl'",
        "benno",
    ),
    "events-are-numbered": (
        "DELETE FROM outbox WHERE id = (SELECT id FROM outbox WHERE key = 'ben' ORDER BY id OFFSET 1 LIMIT 1)",
        "ben",
    ),
}
"""For each invariant, what breaks it and which rows it is then found in."""


HOUSE = Contact(address_hash=b"a house of many friends")


@pytest.fixture
async def history(book: Book, engine: AsyncEngine) -> None:
    """Books in which something of every kind stands: anna, whom zoe referred, has friends, and a full month."""
    ladder = [{"count": 2, "benefit": {"kind": "points", "points": 1_000}}]
    await publish(engine, hold_days=1, ladder=ladder, rewards_per_referrer_and_month=3, claims_per_address=1)
    await book(code(), code("zoe", "4T3H-B7KM"), claim("anna", "4T3H-B7KM"))
    for friend in ("ben", "cleo", "dora", "hugo"):
        await book(claim(friend), purchase(f"R-{friend}", customer=friend))
    await book(AcceptClaim("hugo claims 7K2M-9QFS", "staff"))
    await book(claim("gina", "4T3H-B7KM", contact=HOUSE), claim("emil", "4T3H-B7KM", contact=HOUSE))
    await book(purchase("R-fritz", customer="fritz", at=-9), claim("fritz"), claim("ben", "4T3H-B7KM"))
    await book(refund("R-hugo", "50.00", points_paid="0.00"), refund("R-nobody"), HearMerge("benno", "ben"))
    await book(HearCard("SHOP-1", "carl"), purchase("R-7", customer=None, card_number="SHOP-9"))
    await book(HearTier("gone", "Gold"), EraseCustomer("gone", Origin("/test", "erased", NOW)))
    await erasures.forget(engine, MEMORY, lambda _done, _of: None)
    friends = ("ben", "cleo", "dora", "hugo")
    await book(*(SettleReferral(f"{friend} claims 7K2M-9QFS", friend) for friend in friends), now=NOW + days(2))


async def damage(engine: AsyncEngine, statement: str) -> None:
    async with engine.begin() as connection:
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
    assert any(row in str(value) for each in found[name].rows for value in each.values()), found[name].rows
    assert found[name].count == len(found[name].rows)


def test_every_invariant_is_tried() -> None:
    assert DAMAGE.keys() == {invariant.name for invariant in REFERRED}
    assert len(REFERRED) == len(DAMAGE)
