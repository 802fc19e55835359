"""Customers who are erased: what is open of them ends, others keep what they brought, and nothing else is left of them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.referrals.commands import (
    CancelPair,
    ChooseCode,
    Contact,
    EraseCustomer,
    HearCard,
    HearCustomer,
    HearMerge,
    HearTier,
    Request,
    SettleReferral,
    ShareCode,
)
from services.referrals.lifecycle import Lifecycle
from services.referrals.memory import MEMORY
from services.referrals.verification import verify
from shared import erasures
from shared.database import fetch, transact
from shared.messaging import dead_letters, outbox
from shared.requests import Author, Origin
from tests.asking import refusal
from tests.forgotten import Places, filled, found, undeclared
from tests.referrals.asking import days, rows, states, told
from tests.referrals.conftest import (
    CONTACTS,
    NOW,
    Book,
    accept,
    claim,
    code,
    invite,
    offer,
    publish,
    purchase,
    refund,
)
from tests.referrals.test_commissions import WINE, partner

PERSON, ALIAS = "id-of-the-person", "alias-of-the-person"
MARK = "MARKED"
CARD, CODE = f"{MARK}-CARD", "4T3H-B7KM"

BARE_ID: Places = {
    *((table, "customer_id") for table in (
        "code", "customer", "erasure", "pair_reward", "purchase", "reward",
    )),
    *((table, column) for table in ("referral", "pair") for column in ("friend_id", "referrer_id")),
    ("customer", "merged_into"), ("purchase", "companion_id"), ("audit", "subject"), ("outbox", "key"),
    ("outbox", "payload"), ("outbox_sent", "payload"), ("referral", "referral_id"), ("reward", "referral_id"),
    ("reward", "reward_id"), ("commission", "referral_id"), ("statement_line", "referral_id"),
}  # fmt: skip
"""Where the id of somebody who was erased may stand; a claim of these tests is named after its friend."""


@pytest.fixture(autouse=True)
async def _books_are_right(engine: AsyncEngine) -> AsyncIterator[None]:
    """Whatever was done, the books must be provable afterwards."""
    yield
    async with engine.connect() as connection:
        assert await verify(connection) == []


def quiet(_done: int, _of: int) -> None:
    pass


def erasure(customer: str = "ben") -> EraseCustomer:
    return EraseCustomer(customer, Origin("/crm", f"erased-{customer}", NOW))


def heard(customer: str, **more: Any) -> HearCustomer:
    contact = CONTACTS.hashed(email=f"{MARK}@example.com", phone="+49 170 1234567")
    return HearCustomer(customer, contact, more.get("card"), None, NOW, Origin("/crm", customer, NOW))


async def test_an_open_claim_falls_with_the_friend_and_the_referrer_hears_it(book: Book, engine: AsyncEngine) -> None:
    await book(code(), claim(), erasure())
    assert await states(engine) == {"ben": "customer-erased"}
    assert ("anna", "referral.rejected") in await told(engine)


async def test_what_a_friend_brought_stays_due_to_the_referrer(book: Book, engine: AsyncEngine) -> None:
    await publish(engine, hold_days=1)
    await book(code(), claim(), purchase())
    await book(erasure())
    await book(SettleReferral("ben claims 7K2M-9QFS", "ben"), now=NOW + days(2))
    assert ("anna", "referral.rewarded") in await told(engine)


async def test_codes_of_a_referrer_claim_nothing_any_more(book: Book) -> None:
    await book(code(), ChooseCode("anna", "ANNAS"), erasure("anna"))
    outcomes = await book(claim("cleo"), claim("dora", "ANNAS"), code("anna", "4T3H-B7KM"))
    assert [each.code or (each.referral and each.referral.reason) for each in outcomes] == [
        "code-retired",
        "code-retired",
        "customer-erased",
    ]


async def test_a_pair_that_waits_ends_and_frees_its_place(book: Book, engine: AsyncEngine) -> None:
    await book(offer(budget=1), invite(), accept())
    await book(erasure())
    assert await rows(engine, "SELECT status, reason FROM pair") == [
        {"status": "cancelled", "reason": "customer-erased"}
    ]
    assert await rows(engine, "SELECT reserved FROM offer") == [{"reserved": 0}]


async def test_whatever_is_heard_later_is_skipped_under_every_name(book: Book, engine: AsyncEngine) -> None:
    await book(purchase(), HearMerge("benno", "ben"), HearCard("B-1", "ben"), erasure("benno"))
    outcomes = await book(
        *(purchase(f"R-{name}", customer=name) for name in ("ben", "benno")),
        purchase("R-card", customer=None, card_number="B-1"),
        refund(),
        heard("ben"),
        HearTier("benno", "Gold"),
        HearCard("B-2", "ben"),
        HearMerge("cleo", "ben"),
        claim(),
        invite(friend="ben"),
    )
    assert {each.code for each in outcomes} == {"customer-erased"}
    assert [each.status for each in await book(erasure("ben"), erasure("benno"))] == ["repeated"] * 2
    assert len(await rows(engine, "SELECT FROM purchase")) == 1


async def test_whoever_was_never_heard_of_can_be_erased(book: Book, engine: AsyncEngine) -> None:
    lifecycles = [Lifecycle(), Lifecycle()]

    async def booked(lifecycle: Lifecycle, command: Any) -> None:
        work = lambda connection: lifecycle.book(connection, [Request([command])], now=NOW)  # noqa: E731
        await transact(engine, work)

    for number in range(10):
        name = f"c-{number}"
        await asyncio.gather(
            booked(lifecycles[0], erasure(name)), booked(lifecycles[1], purchase(f"R-{number}", customer=name))
        )
        assert [each.code for each in await book(purchase("again", customer=name))] == ["customer-erased"]


async def test_rest_says_that_somebody_is_gone_and_tells_the_others(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await client.post("/v1/codes", json={"customer_id": "ben"})
    assert [(await client.delete("/v1/customers/ben")).status_code for _ in range(2)] == [204, 204]
    asked = [
        await client.get("/v1/customers/ben"),
        await client.get("/v1/customers/ben/export"),
        await client.post("/v1/codes", json={"customer_id": "ben"}),
    ]
    for each in asked:
        refusal(each, 410, "customer-erased")
    said = await rows(
        engine, "SELECT convert_from(payload, 'UTF8') AS it FROM outbox WHERE topic = 'loyalty.customers'"
    )
    assert [orjson.loads(row["it"])["type"] for row in said] == ["loyalty.customer.erased.v1"]


# The proof


async def do_everything(client: httpx.AsyncClient, book: Book, engine: AsyncEngine) -> None:
    await publish(engine, hold_days=1, rewards_per_referrer_and_month=9)
    await book(*partner(), heard(PERSON, card=CARD), HearCard(f"{CARD}-2", ALIAS), HearTier(PERSON, "Gold"))
    await book(code(PERSON, CODE), ChooseCode(PERSON, MARK), ShareCode(MARK, "mail"))
    await book(claim(PERSON, WINE, contact=Contact(address_hash=MARK.encode())), claim("fred", MARK, name="of-fred"))
    await book(purchase("R-0", customer=ALIAS, card_number=f"{CARD}-2"), HearMerge(ALIAS, PERSON))
    bought = purchase("R-1", customer=PERSON, card_number=CARD, referral_code=MARK)
    await book(bought, purchase("R-2", customer="fred", referral_code=MARK), refund("R-1", "1.00"))
    settled = [SettleReferral(f"{PERSON} claims {WINE}", PERSON), SettleReferral("of-fred", "fred")]
    await book(*settled, now=NOW + days(31))
    await book(offer(), invite("p-1", PERSON), accept("p-1", "gina"), offer("other"), invite("p-2", PERSON, of="other"))
    await book(purchase("R-3", customer=PERSON, at=-1), purchase("R-4", customer="gina", at=-1))
    cancelled = Request([CancelPair("p-2", f"{MARK} changed her mind")], author=Author("desk", "r-1"))
    await transact(engine, lambda connection: Lifecycle().book(connection, [cancelled], now=NOW))
    await client.post("/v1/codes", json={"customer_id": PERSON}, headers={"Idempotency-Key": f"{MARK}-key"})


async def leave_messages(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await outbox.keep_days(connection)
        numbers = [row["id"] for row in await fetch(connection, "SELECT id FROM outbox ORDER BY id")]
        await outbox.move(connection, numbers[: len(numbers) // 2])
        value = orjson.dumps({"data": {"customer_id": PERSON, "email": f"{MARK}@example.com"}})
        letter = dead_letters.Failed(consumer="referrals", topic="loyalty.customers", value=value, code="c", error="e")
        await dead_letters.store(connection, [letter])


async def test_nothing_is_left_of_whoever_was_erased(
    client: httpx.AsyncClient, book: Book, engine: AsyncEngine
) -> None:
    await do_everything(client, book, engine)
    await leave_messages(engine)
    counts = await filled(engine, MEMORY, [PERSON, ALIAS], [PERSON, ALIAS, CARD])
    assert [table for table, count in counts.items() if not count] == []
    assert len(await found(engine, MARK)) >= 13
    assert (await client.delete(f"/v1/customers/{ALIAS}")).status_code == 204
    assert await erasures.forget(engine, MEMORY, quiet) == 2
    # a code that somebody chose stands in what their friends were told, until that is a week old
    assert await found(engine, MARK) <= {("outbox", "payload"), ("outbox_sent", "payload")}
    assert await found(engine, CARD, f"{MARK}@example.com", "her mind") == set()
    assert await found(engine, PERSON, ALIAS) <= BARE_ID
    hashes = "SELECT FROM customer WHERE num_nonnulls(email_hash, phone_hash) > 0"
    assert await rows(engine, hashes) == []
    assert await rows(engine, "SELECT FROM referral WHERE address_hash IS NOT NULL") == []


async def test_every_table_says_whether_it_has_anything_of_people(engine: AsyncEngine) -> None:
    assert await undeclared(engine, MEMORY) == set()
