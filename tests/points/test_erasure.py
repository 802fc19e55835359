"""Customers who are erased: what is kept of them is found wherever it stands, and nothing is done for them later."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.points.catalogue import Reward
from services.points.commands import (
    CancelClaim,
    ClaimReward,
    EndCoupon,
    EraseCustomer,
    FulfilClaim,
    JoinPool,
    KeepReward,
    MergeAccounts,
    Redeem,
    Request,
)
from services.points.memory import MEMORY
from services.points.programme import Programme
from services.points.service import PointsService
from services.points.verification import verify
from shared import erasures
from shared.database import create_engine, fetch
from shared.requests import Origin
from tests.points.asking import refusal, rows
from tests.points.conftest import NOW, Book, adjustment, enrolment, publish, purchase, refund


@pytest.fixture(autouse=True)
async def _books_are_right(engine: AsyncEngine) -> AsyncIterator[None]:
    """Whatever was done, the books must be provable afterwards."""
    yield
    async with engine.connect() as connection:
        assert await verify(connection) == []


def erasure(customer: str = "c-1", event: str | None = None) -> EraseCustomer:
    return EraseCustomer(customer, Origin("/crm", event or f"erased-{customer}", NOW))


async def account(engine: AsyncEngine, customer: str = "c-1") -> dict[str, Any]:
    said = "SELECT status, card_number, available, pending, held, merged_into FROM account WHERE customer_id = $1"
    async with engine.connect() as connection:
        return dict((await fetch(connection, said, customer))[0])


async def owed(engine: AsyncEngine, topic: str = "loyalty.points") -> list[dict[str, Any]]:
    said = "SELECT convert_from(payload, 'UTF8') AS event FROM outbox WHERE topic = $1 ORDER BY id"
    async with engine.connect() as connection:
        return [orjson.loads(row["event"]) for row in await fetch(connection, said, topic)]


GONE = {"status": "erased", "card_number": None, "available": 0, "pending": 0, "held": 0, "merged_into": None}


async def test_the_balance_is_booked_off_and_that_is_said(book: Book, engine: AsyncEngine) -> None:
    await book(purchase())
    assert [each.status for each in await book(erasure())] == ["booked"]
    assert await account(engine) == GONE
    said = (await owed(engine))[-1]
    assert said["type"] == "loyalty.points.adjusted.v1"
    assert (said["data"]["points"], said["data"]["reason"]) == (-100, "customer erased")
    assert said["data"]["balance"] == {"available": 0, "pending": 0, "held": 0}


async def test_a_debt_holds_and_pending_points_end_with_the_account(book: Book, engine: AsyncEngine) -> None:
    await book(purchase(), adjustment(-40), Redeem("h", "c-1", 60, NOW, hold_seconds=600), refund())
    await publish(engine, Programme.model_validate({"pending_days": 14, "rates": {"EUR": "1"}}), valid_from=NOW)
    later = NOW.isoformat()
    await book(purchase("R-2", occurred_at=later))
    before = await account(engine)
    assert (before["available"], before["pending"], before["held"]) == (-100, 100, 60)
    await book(erasure())
    assert await account(engine) == GONE


async def test_whoever_was_never_heard_of_can_be_erased_and_stays_so(book: Book, engine: AsyncEngine) -> None:
    await book(erasure())
    outcomes = await book(purchase(), enrolment(), adjustment(5), refund("R-9", customer_id="c-1"))
    assert [each.code for each in outcomes] == ["customer-erased"] * 4
    assert await account(engine) == GONE
    assert await rows(engine, "SELECT FROM purchase") == []


async def test_every_name_of_a_person_is_erased_whichever_was_said(book: Book, engine: AsyncEngine) -> None:
    await book(purchase(), purchase("R-2", customer="c-2"), enrolment("c-3"))
    await book(MergeAccounts("c-1", "c-2", "same"), MergeAccounts("c-2", "c-3", "same"))
    await book(erasure("c-1"))
    assert await account(engine, "c-3") == GONE
    assert [(await account(engine, name))["card_number"] for name in ("c-1", "c-2")] == [None, None]
    outcomes = await book(*(purchase(f"N-{name}", customer=name) for name in ("c-1", "c-2", "c-3")))
    assert {each.code for each in outcomes} == {"customer-erased"}
    assert [each.status for each in await book(erasure("c-2"), erasure("c-3"))] == ["repeated", "repeated"]


async def test_all_of_it_may_come_in_one_batch(book: Book, engine: AsyncEngine) -> None:
    outcomes = await book(
        purchase(),
        purchase("R-2", customer="c-2"),
        MergeAccounts("c-1", "c-2", "same"),
        erasure("c-1"),
        purchase("R-3"),
        purchase("R-4", customer="c-2"),
    )
    assert [each.status for each in outcomes] == ["booked"] * 4 + ["refused"] * 2
    assert await account(engine, "c-2") == GONE


async def test_what_has_not_left_yet_tells_nothing_and_no_number_is_missing(book: Book, engine: AsyncEngine) -> None:
    await book(enrolment(card="SECRET-CARD"), purchase())
    await book(erasure())
    events = await owed(engine)
    assert [each["sequence"] for each in events] == [f"{number:020d}" for number in (1, 2, 3)]
    assert [each["type"] for each in events[:2]] == ["loyalty.customer.withheld.v1"] * 2
    assert "SECRET-CARD" not in str(events)


async def test_a_purchase_that_others_wait_for_leaves_without_its_card(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await client.post("/v1/accounts", json={"customer_id": "c-1", "card_number": "SECRET-CARD"})
    said = {"shop_id": "shop", "invoice_number": "R", "currency": "EUR", "total": "7.00"}
    await client.post("/v1/purchases", json=said | {"customer_id": "c-1", "card_number": "SECRET-CARD"})
    await client.delete("/v1/customers/c-1")
    (left,) = await owed(engine, "loyalty.purchases")
    assert left["data"] == said | {"customer_id": "c-1"}


async def test_a_claimed_reward_stays_and_can_be_ended_no_more(book: Book, engine: AsyncEngine) -> None:
    value = {"kind": "money_voucher", "amount": "5.00", "currency": "EUR"}
    kept = {"texts": {"en": {"title": "Five"}}, "default_language": "en", "value": value, "points": 100}
    await book(purchase(), KeepReward("five", Reward.model_validate(kept), is_new=True))
    claimed = (await book(ClaimReward("k", "r-k", "c-1", "five", "A" * 11, NOW)))[0].claim
    assert claimed is not None
    await book(erasure())
    ended = EndCoupon(claimed.code or "", "voided", Origin("/notifications", "n", NOW))
    outcomes = await book(CancelClaim("k", "by mistake"), FulfilClaim("k", "done"), ended)
    assert {each.code for each in outcomes} == {"customer-erased"}
    assert await rows(engine, "SELECT status FROM reward_claim") == [{"status": "claimed"}]
    await erasures.forget(engine, MEMORY, lambda _done, _of: None)
    assert [each.status for each in await book(ended)] == ["ignored"]


async def test_a_household_goes_on_without_whoever_was_erased(book: Book) -> None:
    await book(purchase(), purchase("R-2", customer="c-2"), JoinPool("p", "c-1", is_new=True), JoinPool("p", "c-2"))
    await book(erasure())
    outcomes = await book(Redeem("r", "c-2", 150, NOW), Redeem("s", "c-2", 100, NOW))
    assert [each.code for each in outcomes] == ["insufficient-points", None]


async def test_an_erasure_over_rest_is_told_to_the_others_once(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await client.post("/v1/accounts", json={"customer_id": "c-1"})
    answers = [await client.delete("/v1/customers/c-1") for _ in range(2)]
    assert [each.status_code for each in answers] == [204, 204]
    told = await owed(engine, "loyalty.customers")
    assert [(each["type"], each["subject"]) for each in told] == [("loyalty.customer.erased.v1", "c-1")]


async def test_rest_says_that_somebody_is_gone(client: httpx.AsyncClient) -> None:
    await client.post("/v1/accounts", json={"customer_id": "c-1", "card_number": "CARD-1"})
    await client.delete("/v1/customers/c-1")
    reads = [
        await client.get(f"/v1/{place}") for place in ("accounts/c-1", "accounts/c-1/lots", "customers/c-1/export")
    ]
    bought = {"shop_id": "shop", "invoice_number": "R", "customer_id": "c-1", "currency": "EUR", "total": "1.00"}
    writes = [
        await client.post("/v1/purchases", json=bought),
        await client.post("/v1/purchases/preview", json=bought),
        await client.post("/v1/accounts", json={"customer_id": "c-1"}),
        await client.post("/v1/accounts/c-1/block", json={"reason": "x"}),
        await client.post(
            "/v1/redemptions", json={"customer_id": "c-1", "points": 1}, headers={"Idempotency-Key": "k"}
        ),
    ]
    for each in (*reads, *writes):
        refusal(each, 410, "customer-erased")
    assert (await client.get("/v1/cards/CARD-1")).status_code == 404


async def test_later_events_are_skipped_and_not_passed_on(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    def event(kind: str, **data: Any) -> dict[str, Any]:
        said = {"customer_id": "c-1"} | data
        return {"specversion": "1.0", "id": kind, "source": "/s", "type": f"loyalty.{kind}.v1", "data": said}

    bought = {"shop_id": "s", "invoice_number": "1", "currency": "EUR", "total": "10.00"}
    events = [event("customer.erased"), event("customer.updated"), event("purchase.completed", **bought)]
    answer = await client.post(
        "/v1/events", content=orjson.dumps(events), headers={"Content-Type": "application/cloudevents-batch+json"}
    )
    results = [(each["status"], each["code"]) for each in answer.json()["results"]]
    assert results == [("accepted", None), *[("skipped", "customer-erased")] * 2]
    assert await owed(engine, "loyalty.purchases") == []
    assert [each["type"] for each in await owed(engine, "loyalty.customers")] == ["loyalty.customer.erased.v1"]


async def test_two_processes_agree_who_is_gone(database_url: str, engine: AsyncEngine) -> None:
    services = [PointsService(create_engine(database_url, name=f"p{number}", pool_size=2)) for number in range(2)]
    for number in range(20):
        customer = f"c-{number}"
        await asyncio.gather(
            services[0].submit(Request([purchase(f"R-{number}", customer=customer)])),
            services[1].submit(Request([erasure(customer)])),
        )
        assert await account(engine, customer) == GONE
    for each in services:
        await each.close()
