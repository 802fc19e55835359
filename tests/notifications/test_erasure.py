"""Customers who are erased: nothing is planned, said or redeemed of theirs any more, and nothing is left of them."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notifications.commands import (
    CreateShared,
    EraseCustomer,
    HearMerge,
    HearStanding,
    PlanMessage,
    Request,
    ReserveCoupon,
)
from services.notifications.delivery import Delivery
from services.notifications.memory import MEMORY
from services.notifications.rules.coupons import Basket, Line
from services.notifications.verification import ERASED, verify
from shared import erasures
from shared.database import fetch, transact
from shared.messaging import dead_letters, outbox
from tests.asking import refusal, rows
from tests.forgotten import Places, filled, found, undeclared
from tests.notifications.conftest import CODE, NOW, VALUE, Book, issue, purchase, refund
from tests.notifications.test_history import bought

PERSON, ALIAS = "id-of-the-person", "alias-of-the-person"
MARK = "MARKED"
CARD, MAIL, PHONE = f"{MARK}-CARD", "marked@example.com", "+49 170 5550099"

BARE_ID: Places = {
    *((table, "customer_id") for table in (
        "coupon", "coupon_use", "customer", "erasure", "notification", "sale", "shared_reservation",
    )),
    ("customer", "merged_into"), ("audit", "subject"), ("outbox", "key"), ("outbox", "payload"),
}  # fmt: skip
"""Where the id of somebody who was erased may stand: it names a row, and tells nobody who that was."""


@pytest.fixture(autouse=True)
async def _books_are_right(engine: AsyncEngine) -> AsyncIterator[None]:
    """Whatever was done, the books must be provable afterwards."""
    yield
    async with engine.connect() as connection:
        assert await verify(connection) == []


def quiet(_done: int, _of: int) -> None:
    pass


async def test_a_coupon_is_void_with_its_customer(book: Book, engine: AsyncEngine) -> None:
    await book(issue(), EraseCustomer("anna"))
    assert await rows(engine, "SELECT status, code, reason FROM coupon") == [
        {"status": "voided", "code": None, "reason": "customer-erased"}
    ]
    assert [each.code for each in await book(issue("claim-2"))] == ["customer-erased"]


async def test_what_was_planned_is_not_said(book: Book, engine: AsyncEngine) -> None:
    planned = PlanMessage("anna", "welcome", "1", NOW)
    await book(planned)
    assert len(await rows(engine, "SELECT FROM notification")) == 1
    await book(EraseCustomer("anna"))
    assert [each.code for each in await book(planned)] == ["customer-erased"]
    assert await rows(engine, "SELECT FROM notification") == []
    await book(PlanMessage("ben", "welcome", "1", NOW), EraseCustomer("ben"))
    assert await rows(engine, "SELECT FROM notification") == []


async def test_whatever_is_heard_later_is_skipped_under_every_name(book: Book, engine: AsyncEngine) -> None:
    await book(bought("R-1", "anna", "9.90"), HearMerge("anne", "anna"), HearMerge("annie", "anna"))
    await book(EraseCustomer("anne"))
    outcomes = await book(
        *(bought(f"R-{name}", name, "5.00") for name in ("anna", "anne", "annie")),
        refund("R-1"),
        HearStanding("anna", 9, 10, 0),
        HearMerge("cleo", "anna"),
    )
    assert {each.code for each in outcomes} == {"customer-erased"}
    assert [each.status for each in await book(EraseCustomer("anna"), EraseCustomer("annie"))] == ["repeated"] * 2
    assert len(await rows(engine, "SELECT FROM erasure")) == 3


async def test_whoever_was_never_heard_of_can_be_erased(book: Book, engine: AsyncEngine) -> None:
    writers = [Delivery(), Delivery()]

    async def booked(writer: Delivery, command: Any) -> None:
        work = lambda connection: writer.book(connection, [Request([command])], now=NOW)  # noqa: E731
        await transact(engine, work)

    for number in range(10):
        name = f"c-{number}"
        await asyncio.gather(
            booked(writers[0], EraseCustomer(name)), booked(writers[1], HearStanding(name, 1, 10, 0, "Gold"))
        )
        assert [each.code for each in await book(HearStanding(name, 2, 5, 0))] == ["customer-erased"]


async def test_rest_says_that_somebody_is_gone_and_tells_the_others(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await client.put("/v1/customers/anna", json={"given_name": "Anna"})
    assert [(await client.delete("/v1/customers/anna")).status_code for _ in range(2)] == [204, 204]
    refusal(await client.get("/v1/customers/anna"), 410, "customer-erased")
    refusal(await client.get("/v1/customers/anna/export"), 410, "customer-erased")
    refusal(await client.put("/v1/customers/anna", json={"given_name": "Anna"}), 410, "customer-erased")
    # the registration had not left yet: of it nobody needs to hear any more
    said = await rows(
        engine, "SELECT convert_from(payload, 'UTF8') AS it FROM outbox WHERE topic = 'loyalty.customers'"
    )
    assert [orjson.loads(row["it"])["type"] for row in said] == ["loyalty.customer.erased.v1"]


# The proof

LEFT = f"""
INSERT INTO consent (customer_id, channel, purpose, state, asked_at, asked_how, asked_text)
  VALUES ('{PERSON}', 'mail', 'offers', 'asked', now(), '{MARK} at the desk', '{MARK} yes');
INSERT INTO address (channel, address, bounced_at) VALUES ('mail', '{MAIL}', now());
INSERT INTO notification (notification_id, customer_id, subject, reference, status, purpose, happened_at, due_at, content,
    channel, reason, said_at)
  VALUES (gen_random_uuid(), '{PERSON}', 'welcome', 'x', 'requested', 'account', now(), now(), '{{"name": "{MARK}"}}', 'mail',
    '{MARK}', now());
INSERT INTO dispatch (notification_id, customer_id, channel, address, message, status, due_at)
  SELECT notification_id, customer_id, 'mail', '{MAIL}', '{{"text": "Dear {MARK}"}}', 'waiting', now() FROM notification
   WHERE subject = 'welcome' AND status = 'requested'"""


async def do_everything(client: httpx.AsyncClient, book: Book, engine: AsyncEngine) -> None:
    names = {"given_name": f"{MARK} Kim", "family_name": f"{MARK} Berg", "salutation": f"{MARK} Dr"}
    profile = names | {"email": MAIL, "phone": PHONE, "preferences": {"colour": MARK}}
    own = {"own_dates": {"marked-wedding": "2012-06-16"}, "birthday": "1984-02-28"}
    put = await client.put(f"/v1/customers/{PERSON}", json=profile | own)
    assert put.is_success, put.text
    await book(HearStanding(PERSON, 1, 10, 0, "Gold", card_number=CARD), HearMerge(ALIAS, PERSON))
    await book(bought("R-1", PERSON, "9.90", "wine", card=CARD), refund("R-1", "1.00"))
    await book(issue(customer=PERSON), purchase("R-2", CODE)._replace(customer_id=PERSON))
    await book(
        CreateShared("SUMMER26", VALUE),
        ReserveCoupon("SUMMER26", "b-1", 600, Basket("EUR", (Line(Decimal("49.90")),), customer_id=PERSON)),
    )
    issued = {"customer_id": PERSON, "terms": {"value": orjson.loads(VALUE), "valid_days": 30}}
    coupon = await client.post("/v1/coupons", json=issued, headers={"Idempotency-Key": f"{MARK}-key"})
    assert coupon.is_success, coupon.text
    async with engine.begin() as connection:
        for statement in LEFT.split(";\n"):
            await fetch(connection, statement)


async def leave_messages(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await outbox.keep_days(connection)
        numbers = [row["id"] for row in await fetch(connection, "SELECT id FROM outbox ORDER BY id")]
        await outbox.move(connection, numbers[: len(numbers) // 2])
        value = orjson.dumps({"email": MAIL, "name": MARK})
        letter = dead_letters.Failed(
            consumer="notifications", topic="loyalty.customers", value=value, code="c", error="e"
        )
        await dead_letters.store(connection, [letter])


async def test_nothing_is_left_of_whoever_was_erased(
    client: httpx.AsyncClient, book: Book, engine: AsyncEngine
) -> None:
    await do_everything(client, book, engine)
    await leave_messages(engine)
    counts = await filled(engine, MEMORY, [PERSON, ALIAS], [PERSON, ALIAS, CARD, MAIL])
    assert [table for table, count in counts.items() if not count] == []
    assert len(await found(engine, MARK)) >= 15
    shown = (await client.get(f"/v1/customers/{ALIAS}/export")).json()
    assert {table: len(kept) for table, kept in shown["tables"].items()} == counts
    assert (await client.delete(f"/v1/customers/{ALIAS}")).status_code == 204
    assert await erasures.forget(engine, MEMORY, quiet) == 2
    assert await found(engine, MARK, PHONE) == set()
    assert await found(engine, PERSON, ALIAS) <= BARE_ID


async def test_every_table_says_whether_it_has_anything_of_people(engine: AsyncEngine) -> None:
    assert await undeclared(engine, MEMORY) == set()


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("the-erased-are-over", "DELETE FROM erasure"),
        ("the-erased-are-forgotten", "UPDATE customer SET email = 'a@b.c'"),
    ],
)
async def test_what_is_left_is_found(book: Book, engine: AsyncEngine, name: str, damage: str) -> None:
    await book(EraseCustomer("anna"))
    await erasures.forget(engine, MEMORY, quiet)
    async with engine.connect() as connection:
        await fetch(connection, damage)
        (invariant,) = [each for each in ERASED if each.name == name]
        assert await fetch(connection, invariant.broken)
