"""Account care as staff ask for it: block, close, reopen, another card, two accounts that are one customer, a tier by hand."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.points.app import create_app
from services.points.programme import Programme
from services.points.service import PointsService
from services.points.settings import PointsSettings
from services.points.verification import verify
from shared.api_keys import ALL
from shared.audit import deeds
from shared.database import create_engine
from tests.points.asking import asking_with_key, pointers, refusal, rows
from tests.points.conftest import NOW, publish

EARLY = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
CARE = ("block", "close", "reopen", "card", "merge", "tier")


class Clock:
    """The time as the services of a test see it."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> dt.datetime:
        return self.now

    def pass_days(self, days: int) -> None:
        self.now += dt.timedelta(days=days)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def points(database_url: str, clock: Clock) -> AsyncIterator[PointsService]:
    service = PointsService(create_engine(database_url, name="api", pool_size=5), clock=clock)
    yield service
    await service.close()


@pytest.fixture
async def second(database_url: str, clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    """Another process of the same service."""
    service = PointsService(create_engine(database_url, name="second process", pool_size=5), clock=clock)
    transport = httpx.ASGITransport(create_app(service, PointsSettings()))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as asking:
        yield asking
    await service.close()


@pytest.fixture(autouse=True)
async def _books_are_right(engine: AsyncEngine) -> AsyncIterator[None]:
    """Whatever was done, the books must be provable afterwards."""
    yield
    async with engine.connect() as connection:
        assert await verify(connection) == []


async def buy(
    client: httpx.AsyncClient, invoice: str = "R-1", total: str = "100.00", customer: str | None = "A", **more: Any
) -> dict[str, Any]:
    said = {"shop_id": "shop", "invoice_number": invoice, "customer_id": customer, "currency": "EUR", "total": total}
    answer = await client.post("/v1/purchases", json=said | {"occurred_at": NOW.isoformat()} | more)
    assert answer.status_code in {200, 201}, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def take_back(client: httpx.AsyncClient, invoice: str, amount: str, name: str = "1") -> dict[str, Any]:
    said = {"refund_id": name, "currency": "EUR", "amount": amount}
    answer = await client.post(f"/v1/purchases/shop/{invoice}/refunds", json=said)
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def care(
    client: httpx.AsyncClient, customer: str, deed: str, *, key: str | None = None, **said: Any
) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    body = {"reason": "asked at the desk"} | said
    return await client.post(f"/v1/accounts/{customer}/{deed}", json=body, headers=headers)


async def merge(client: httpx.AsyncClient, customer: str, into: str, **more: Any) -> httpx.Response:
    answer = await care(client, customer, "merge", into=into, **more)
    assert answer.status_code in {200, 201}, answer.text
    return answer


async def adjust(client: httpx.AsyncClient, customer: str, points: int, *, allow_debt: bool = False) -> httpx.Response:
    said = {"customer_id": customer, "points": points, "reason": "goodwill", "allow_debt": allow_debt}
    return await client.post("/v1/adjustments", json=said, headers={"Idempotency-Key": f"{customer}{points}"})


async def account(client: httpx.AsyncClient, customer: str = "A") -> dict[str, Any]:
    document: dict[str, Any] = (await client.get(f"/v1/accounts/{customer}")).json()
    return document


async def balance(client: httpx.AsyncClient, customer: str = "A") -> tuple[int, int]:
    both = (await account(client, customer))["balance"]
    return both["available"], both["pending"]


async def lots(client: httpx.AsyncClient, customer: str) -> list[tuple[Any, ...]]:
    listed = (await client.get(f"/v1/accounts/{customer}/lots")).json()["data"]
    return [(lot["remaining"], lot["pending"], lot["available_at"], lot["expires_on"]) for lot in listed]


def programme(**said: Any) -> Programme:
    return Programme.model_validate(said)


# Block, close and reopen


@pytest.mark.parametrize(("deed", "status"), [("block", "blocked"), ("close", "closed")])
async def test_a_purchase_of_a_blocked_or_closed_account_earns_nothing_and_says_so(
    client: httpx.AsyncClient, deed: str, status: str
) -> None:
    await buy(client)
    answer = await care(client, "A", deed)
    assert (answer.status_code, answer.json()["status"]) == (201, status)
    bought = await buy(client, "R-2")
    assert (bought["points"], bought["breakdown"]) == (0, [{"rule": f"account {status}", "points": 0}])
    assert await balance(client) == (100, 0)
    assert (await client.get("/v1/purchases/shop/R-2")).json()["breakdown"] == bought["breakdown"]


async def test_what_was_reopened_earns_again_but_not_for_what_it_missed(client: httpx.AsyncClient) -> None:
    await buy(client)
    await care(client, "A", "close")
    await buy(client, "R-2")
    assert (await care(client, "A", "reopen")).json()["status"] == "active"
    assert (await buy(client, "R-2"))["points"] == 0
    assert (await buy(client, "R-3"))["points"] == 100
    assert await balance(client) == (200, 0)


async def test_a_refund_reaches_a_blocked_account(client: httpx.AsyncClient) -> None:
    await buy(client)
    await care(client, "A", "block")
    await buy(client, "R-2")
    assert (await take_back(client, "R-1", "40.00"))["points"] == 40
    assert (await take_back(client, "R-2", "40.00"))["points"] == 0
    assert await balance(client) == (60, 0)


async def test_staff_may_correct_a_blocked_account_but_not_a_closed_one(client: httpx.AsyncClient) -> None:
    await buy(client)
    await care(client, "A", "block")
    assert (await adjust(client, "A", -30)).status_code == 201
    await care(client, "A", "close")
    refusal(await adjust(client, "A", 30), 409, "account-closed")


async def test_a_preview_says_why_a_blocked_account_gets_nothing(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await publish(
        engine, programme(rules=[{"name": "wine", "categories": ["wine"], "multiplier": "2"}]), valid_from=EARLY
    )
    await buy(client)
    await care(client, "A", "block")
    said = {"shop_id": "shop", "invoice_number": "R-2", "customer_id": "A", "currency": "EUR", "total": "5.00"}
    previewed = (await client.post("/v1/purchases/preview", json=said)).json()
    assert [(each["rule"], each["code"]) for each in previewed["passed_over"]] == [("wine", "account-blocked")]


async def test_a_claim_for_a_closed_account_earns_nothing(client: httpx.AsyncClient) -> None:
    await buy(client)
    await care(client, "A", "close")
    await buy(client, "R-2", customer=None)
    answer = await client.post("/v1/purchases/shop/R-2/claim", json={"customer_id": "A"})
    assert answer.json()["breakdown"] == [{"rule": "account closed", "points": 0}]


@pytest.mark.parametrize("deed", ["block", "close", "reopen"])
async def test_what_is_so_already_is_answered_without_a_word_to_the_world(
    client: httpx.AsyncClient, engine: AsyncEngine, deed: str
) -> None:
    await buy(client)
    await care(client, "A", "block" if deed == "reopen" else "reopen")
    await care(client, "A", deed)
    before = await rows(engine, "SELECT count(*) FROM outbox")
    assert (await care(client, "A", deed)).status_code == 200
    assert await rows(engine, "SELECT count(*) FROM outbox") == before


@pytest.mark.parametrize("deed", CARE)
async def test_nobody_can_be_cared_for_without_an_account(client: httpx.AsyncClient, deed: str) -> None:
    said = {"merge": {"into": "B"}}.get(deed, {})
    refusal(await care(client, "nobody", deed, **said), 404, "account-unknown")


@pytest.mark.parametrize("deed", CARE)
async def test_care_needs_a_reason(client: httpx.AsyncClient, deed: str) -> None:
    said = {"into": "B"} if deed == "merge" else {}
    answer = await client.post(f"/v1/accounts/A/{deed}", json=said)
    assert pointers(refusal(answer, 422, "request-invalid")) == {"/reason"}


# Cards


async def test_a_replaced_card_still_finds_its_customer(client: httpx.AsyncClient) -> None:
    old = (await client.post("/v1/accounts", json={"customer_id": "A"})).json()["card_number"]
    new = (await care(client, "A", "card")).json()["card_number"]
    assert new != old
    for number in (old, new):
        found = (await client.get(f"/v1/cards/{number}")).json()
        assert (found["customer_id"], found["card_number"]) == ("A", new)
        assert (await buy(client, f"R-{number}", customer=None, card_number=number))["customer_id"] == "A"


async def test_a_card_of_the_shops_own_is_taken_and_the_old_one_can_come_back(client: httpx.AsyncClient) -> None:
    old = (await client.post("/v1/accounts", json={"customer_id": "A"})).json()["card_number"]
    answer = await care(client, "A", "card", card_number="SHOP-1")
    assert (answer.status_code, answer.json()["card_number"]) == (201, "SHOP-1")
    assert (await care(client, "A", "card", card_number="SHOP-1")).status_code == 200
    assert (await care(client, "A", "card", card_number=old)).json()["card_number"] == old


async def test_a_card_of_somebody_else_or_mistyped_is_refused(client: httpx.AsyncClient) -> None:
    await client.post("/v1/accounts", json={"customer_id": "A"})
    other = (await client.post("/v1/accounts", json={"customer_id": "B"})).json()["card_number"]
    refusal(await care(client, "A", "card", card_number=other), 409, "card-taken")
    wrong = other[:-1] + str((int(other[-1]) + 1) % 10)
    refusal(await care(client, "A", "card", card_number=wrong), 422, "card-mistyped")


async def test_purchases_that_waited_for_the_new_card_are_awarded(client: httpx.AsyncClient) -> None:
    await buy(client)
    event = {"specversion": "1.0", "id": "e", "source": "/s", "type": "loyalty.purchase.completed.v1"}
    data = {"shop_id": "shop", "invoice_number": "R-2", "currency": "EUR", "total": "50.00", "card_number": "SHOP-1"}
    taken = await client.post("/v1/events", json=event | {"data": data})
    assert taken.json()["results"][0]["status"] == "waiting"
    await take_back(client, "R-2", "20.00")
    assert (await care(client, "A", "card", card_number="SHOP-1")).status_code == 201
    assert await balance(client) == (130, 0)
    assert (await client.get("/v1/purchases/shop/R-2")).json()["customer_id"] == "A"


async def test_a_replaced_card_is_told_to_the_world(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    old = (await client.post("/v1/accounts", json={"customer_id": "A"})).json()["card_number"]
    await care(client, "A", "card", card_number="SHOP-1")
    (event,) = await said(engine, "loyalty.card.replaced.v1")
    assert event["data"] == {"customer_id": "A", "card_number": "SHOP-1", "replaced": old}


async def said(engine: AsyncEngine, kind: str) -> list[dict[str, Any]]:
    payloads = await rows(engine, "SELECT payload FROM outbox WHERE topic = 'loyalty.points' ORDER BY id")
    events = [orjson.loads(row["payload"]) for row in payloads]
    return [event for event in events if event["type"] == kind]


# Two accounts that are one customer


async def test_merged_points_keep_their_dates(client: httpx.AsyncClient, engine: AsyncEngine, clock: Clock) -> None:
    rules = programme(pending_days=14, expiry={"model": "after_earning", "months": 12})
    await publish(engine, rules, valid_from=EARLY)
    for invoice, day in (("R-1", "2026-03-31"), ("R-2", "2026-11-20"), ("R-3", "2026-11-21")):
        await buy(client, invoice, occurred_at=f"{day}T10:00:00Z")
    await buy(client, "R-4", customer="B", occurred_at="2026-06-30T10:00:00Z")
    before = await lots(client, "A") + await lots(client, "B")
    merged = (await merge(client, "A", "B")).json()
    assert (merged["customer_id"], merged["balance"]) == ("B", {"available": 200, "pending": 200, "held": 0})
    assert sorted(await lots(client, "B"), key=str) == sorted(before, key=str)
    assert (await account(client, "B"))["expiring_next"] == {"points": 100, "on": "2027-03-31"}
    clock.pass_days(12)
    assert await balance(client, "B") == (300, 100)
    clock.now = dt.datetime(2027, 4, 1, tzinfo=dt.UTC)
    assert await balance(client, "A") == (300, 0)


async def test_points_that_end_with_inactivity_end_in_the_merged_account_too(
    client: httpx.AsyncClient, engine: AsyncEngine, clock: Clock
) -> None:
    await publish(engine, programme(expiry={"model": "inactivity", "months": 6}), valid_from=EARLY)
    await buy(client)
    await client.post("/v1/accounts", json={"customer_id": "B"})
    await merge(client, "A", "B")
    assert (await account(client, "B"))["expiring_next"] == {"points": 100, "on": "2027-05-23"}
    clock.now = dt.datetime(2027, 5, 24, tzinfo=dt.UTC)
    await care(client, "B", "block")
    assert await balance(client, "B") == (0, 0)


@pytest.mark.parametrize(("owing", "paying"), [("A", "B"), ("B", "A")])
async def test_a_debt_is_met_by_what_the_other_has(client: httpx.AsyncClient, owing: str, paying: str) -> None:
    for customer in (owing, paying):
        await client.post("/v1/accounts", json={"customer_id": customer})
    await adjust(client, owing, -130, allow_debt=True)
    await buy(client, customer=paying)
    await merge(client, "A", "B")
    assert await balance(client, "B") == (-30, 0)
    await buy(client, "R-2", customer="A")
    assert await balance(client, "B") == (70, 0)


async def test_two_debts_add_up(client: httpx.AsyncClient) -> None:
    for customer in ("A", "B"):
        await client.post("/v1/accounts", json={"customer_id": customer})
        await adjust(client, customer, -30, allow_debt=True)
    await merge(client, "A", "B")
    assert await balance(client, "B") == (-60, 0)


async def test_a_refund_of_a_purchase_from_before_takes_from_the_lot_that_moved(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await publish(engine, programme(expiry={"model": "after_earning", "months": 12}), valid_from=EARLY)
    await buy(client, "R-1", occurred_at="2026-11-01T00:00:00Z")
    await buy(client, "R-2", customer="B", occurred_at="2026-06-01T00:00:00Z")
    await merge(client, "A", "B")
    taken = await take_back(client, "R-1", "60.00")
    assert (taken["points"], taken["balance"]["available"]) == (60, 140)
    assert [lot[0] for lot in await lots(client, "B")] == [100, 40]


async def test_a_refund_of_a_purchase_whose_points_still_wait_takes_from_the_waiting_lot(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await publish(engine, programme(pending_days=14), valid_from=EARLY)
    await buy(client)
    await buy(client, "R-2", customer="B", occurred_at="2026-01-01T00:00:00Z")
    await merge(client, "A", "B")
    await take_back(client, "R-1", "60.00")
    assert await balance(client, "B") == (100, 40)


@pytest.mark.parametrize("expires_in", ["A", "B", "C"])
async def test_rule_14_what_had_expired_before_or_between_merges_is_not_taken_twice(
    client: httpx.AsyncClient, engine: AsyncEngine, clock: Clock, expires_in: str
) -> None:
    await publish(engine, programme(expiry={"model": "after_earning", "months": 1}), valid_from=EARLY)
    await buy(client)
    for customer in ("B", "C"):
        await client.post("/v1/accounts", json={"customer_id": customer})
    for place, into in (("A", None), ("B", "B"), ("C", "C")):
        if into is not None:
            await merge(client, "A" if into == "B" else "B", into)
        if place == expires_in:
            clock.pass_days(60)
            await care(client, place, "block")
            await care(client, place, "reopen")
    assert await balance(client, "C") == (0, 0)
    await buy(client, "R-2", customer="C", occurred_at=clock.now.isoformat())
    assert (await take_back(client, "R-1", "70.00"))["points"] == 70
    assert await balance(client, "C") == (100, 0)


async def test_a_refund_that_partly_expired_on_the_way_takes_only_the_rest(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await publish(engine, programme(expiry={"model": "after_earning", "months": 12}), valid_from=EARLY)
    await buy(client)
    await adjust(client, "A", -70)
    await client.post("/v1/accounts", json={"customer_id": "B"})
    await merge(client, "A", "B")
    await buy(client, "R-2", "50.00", customer="B")
    await take_back(client, "R-1", "100.00")
    assert await balance(client, "B") == (-20, 0)


async def test_the_old_id_goes_on_naming_the_customer(client: httpx.AsyncClient) -> None:
    await buy(client)
    await buy(client, "R-2", customer="B")
    await buy(client, "R-3", customer=None)
    await merge(client, "A", "B")
    assert (await buy(client))["balance"]["available"] == 200  # a repeat, under the old id and the new one
    assert (await buy(client, customer="B"))["points"] == 100
    assert (await buy(client, "R-4"))["customer_id"] == "B"
    claimed = await client.post("/v1/purchases/shop/R-3/claim", json={"customer_id": "A"})
    assert claimed.json()["customer_id"] == "B"
    assert (await take_back(client, "R-1", "10.00"))["balance"]["available"] == 390
    answer = await client.post(
        "/v1/purchases/shop/R-2/refunds",
        json={"refund_id": "1", "currency": "EUR", "amount": "5.00", "customer_id": "A"},
    )
    assert answer.status_code == 201
    assert (await account(client, "A"))["customer_id"] == "B"
    assert (await client.post("/v1/accounts", json={"customer_id": "A"})).status_code == 200
    assert (await adjust(client, "A", 15)).json()["customer_id"] == "B"


async def test_the_statement_of_the_old_id_ends_with_the_transfer_and_its_lots_are_where_they_went(
    client: httpx.AsyncClient,
) -> None:
    await buy(client)
    await client.post("/v1/accounts", json={"customer_id": "B"})
    await merge(client, "A", "B")
    kinds = [
        [entry["kind"] for entry in (await client.get(f"/v1/accounts/{each}/entries")).json()["data"]] for each in "AB"
    ]
    assert kinds == [["transfer_out", "award"], ["transfer_in"]]
    assert await lots(client, "A") == await lots(client, "B") == [(100, False, None, None)]


async def test_a_purchase_that_came_before_its_refund_and_the_merge_between_them(client: httpx.AsyncClient) -> None:
    await client.post("/v1/accounts", json={"customer_id": "A"})
    await client.post("/v1/accounts", json={"customer_id": "B"})
    await take_back(client, "R-1", "30.00")
    await merge(client, "A", "B")
    assert (await buy(client))["balance"]["available"] == 70


async def test_the_cards_of_both_find_the_one_account(client: httpx.AsyncClient) -> None:
    cards = [
        (await client.post("/v1/accounts", json={"customer_id": each})).json()["card_number"] for each in ("A", "B")
    ]
    await merge(client, "A", "B")
    for number in cards:
        found = (await client.get(f"/v1/cards/{number}")).json()
        assert (found["customer_id"], found["card_number"]) == ("B", cards[1])
        assert (await buy(client, number, customer=None, card_number=number))["customer_id"] == "B"
    await buy(client, "R-1", customer="A", card_number=cards[1])
    refusal(await care(client, "B", "card", card_number="no such number"), 422, "request-invalid")
    assert (await care(client, "B", "card", card_number=cards[0])).json()["card_number"] == cards[0]


async def test_a_chain_of_merges_ends_in_its_last_account(client: httpx.AsyncClient) -> None:
    for place, customer in enumerate("ABC"):
        await buy(client, f"R-{place}", customer=customer)
    await merge(client, "A", "B")
    await merge(client, "B", "C")
    for customer in "ABC":
        assert (await account(client, customer))["customer_id"] == "C"
        assert await balance(client, customer) == (300, 0)
    for place in range(3):
        await take_back(client, f"R-{place}", "10.00")
    assert await balance(client, "C") == (270, 0)
    assert (await merge(client, "A", "C")).status_code == 200
    assert (await merge(client, "C", "A")).status_code == 200


async def test_merging_with_itself_into_a_closed_account_or_again_elsewhere_is_refused(
    client: httpx.AsyncClient,
) -> None:
    for customer in "ABC":
        await client.post("/v1/accounts", json={"customer_id": customer})
    refusal(await care(client, "A", "merge", into="A"), 422, "merge-with-itself")
    refusal(await care(client, "A", "merge", into="nobody"), 404, "account-unknown")
    await care(client, "C", "close")
    refusal(await care(client, "A", "merge", into="C"), 409, "account-closed")
    await care(client, "C", "reopen")
    await merge(client, "A", "B")
    assert "B" in refusal(await care(client, "A", "merge", into="C"), 409, "account-merged")["detail"]


async def test_a_merge_is_told_to_both_with_what_they_have_after_it(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await buy(client)
    await buy(client, "R-2", customer="B")
    await merge(client, "A", "B")
    events = await said(engine, "loyalty.account.merged.v1")
    assert [(each["subject"], each["data"]["balance"]["available"]) for each in events] == [("A", 0), ("B", 200)]
    assert {(each["data"]["customer_id"], each["data"]["into"]) for each in events} == {("A", "B")}


async def test_a_merge_under_a_key_happens_once(client: httpx.AsyncClient) -> None:
    await buy(client)
    await client.post("/v1/accounts", json={"customer_id": "B"})
    first, again = [await merge(client, "A", "B", key="m") for _ in range(2)]
    assert (first.status_code, first.content) == (again.status_code, again.content)
    refusal(await care(client, "A", "merge", key="m", into="C"), 409, "idempotency-key-reused")
    first, again = [await care(client, "B", "card", key="c") for _ in range(2)]
    assert first.json()["card_number"] == again.json()["card_number"]


async def test_merges_in_opposite_directions_at_once_leave_one_account(
    client: httpx.AsyncClient, second: httpx.AsyncClient
) -> None:
    for place in range(10):
        pair = (f"A{place}", f"B{place}")
        await asyncio.gather(*(buy(client, f"R-{each}", customer=each) for each in pair))
        answers = await asyncio.gather(
            care(client, pair[0], "merge", into=pair[1]), care(second, pair[1], "merge", into=pair[0])
        )
        assert sorted(each.status_code for each in answers) == [200, 201]
        assert answers[0].json()["customer_id"] == answers[1].json()["customer_id"]
        assert await balance(client, pair[0]) == await balance(second, pair[1]) == (200, 0)


async def test_a_circle_of_merges_at_once_leaves_one_account(
    client: httpx.AsyncClient, second: httpx.AsyncClient
) -> None:
    for each in "ABC":
        await buy(client, f"R-{each}", customer=each)
    await asyncio.gather(
        care(client, "A", "merge", into="B"),
        care(second, "B", "merge", into="C"),
        care(client, "C", "merge", into="A"),
    )
    survivors = {(await account(client, each))["customer_id"] for each in "ABC"}
    assert len(survivors) <= 2
    total = sum([(await balance(client, each))[0] for each in survivors])
    assert total == 300


async def test_tills_go_on_while_their_customer_is_merged(client: httpx.AsyncClient, second: httpx.AsyncClient) -> None:
    for each in "AB":
        await client.post("/v1/accounts", json={"customer_id": each})
    tills = [buy((client, second)[place % 2], f"R-{place}", "10.00", "AB"[place % 2]) for place in range(40)]
    refunds = [take_back((second, client)[place % 2], f"R-{place}", "4.00") for place in range(40)]
    await asyncio.gather(*tills[:20], merge(client, "A", "B"), *tills[20:], *refunds)
    assert await balance(client, "A") == await balance(client, "B") == (240, 0)


async def test_a_purchase_named_twice_in_one_batch_with_its_refund_is_one(client: httpx.AsyncClient) -> None:
    await client.post("/v1/accounts", json={"customer_id": "A"})
    named = {"shop_id": "shop", "invoice_number": "R-1", "currency": "EUR", "total": "100.00", "customer_id": "A"}
    other = {**named, "customer_id": "B"}
    nobody = {**named, "customer_id": None}
    refunded = {"shop_id": "shop", "invoice_number": "R-1", "refund_id": "1", "currency": "EUR", "amount": "40.00"}
    kinds = {"completed": (named, other, nobody), "refunded": (refunded,)}
    events = [
        {
            "specversion": "1.0",
            "id": f"{kind}{place}",
            "source": "/s",
            "type": f"loyalty.purchase.{kind}.v1",
            "data": data,
        }
        for kind, documents in kinds.items()
        for place, data in enumerate(documents)
    ]
    headers = {"Content-Type": "application/cloudevents-batch+json"}
    taken = await client.post("/v1/events", content=orjson.dumps(events), headers=headers)
    statuses = [each["status"] for each in taken.json()["results"]]
    assert statuses == ["accepted", "rejected", "duplicate", "accepted"]
    assert await balance(client) == (60, 0)


TIERS = {
    "levels": [
        {"name": "Basic", "threshold": 0},
        {"name": "Silver", "threshold": 150},
        {"name": "Gold", "threshold": 400, "multiplier": "2"},
    ]
}


async def test_progress_adds_up_in_a_merge_and_the_better_tier_stays(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await publish(engine, programme(tiers=TIERS), valid_from=EARLY)
    await buy(client)
    await buy(client, "R-2", "80.00", customer="B")
    merged = (await merge(client, "A", "B")).json()
    assert (merged["tier"]["name"], merged["tier"]["missing"]) == ("Silver", 220)
    await buy(client, "R-3", "500.00", customer="C")
    await merge(client, "C", "B")
    assert (await account(client, "B"))["tier"]["name"] == "Gold"
    assert (await buy(client, "R-4", customer="A"))["points"] == 200


async def test_what_a_campaign_gave_to_either_counts_after_a_merge(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    campaign = {"name": "welcome", "points": 10, "per_customer": {"points": 25}}
    await publish(engine, programme(campaigns=[campaign]), valid_from=EARLY)
    await buy(client)
    await buy(client, "R-2", customer="B")
    await merge(client, "A", "B")
    bought = await buy(client, "R-3", customer="A")
    assert bought["breakdown"][1] == {"rule": "welcome", "points": 5, "capped_from": 10}


# A tier by hand


async def test_a_tier_by_hand_counts_until_the_end_of_its_day(
    client: httpx.AsyncClient, engine: AsyncEngine, clock: Clock
) -> None:
    await publish(engine, programme(tiers=TIERS, time_zone="Europe/Berlin"), valid_from=EARLY)
    await client.post("/v1/accounts", json={"customer_id": "A"})
    given = await care(client, "A", "tier", tier="Gold", until="2026-12-31")
    assert (given.status_code, given.json()["tier"]["name"]) == (201, "Gold")
    assert (await care(client, "A", "tier", tier="Gold", until="2026-12-31")).status_code == 200
    clock.now = dt.datetime(2026, 12, 31, 22, 59, tzinfo=dt.UTC)
    assert (await buy(client, occurred_at=clock.now.isoformat()))["points"] == 200
    clock.now = dt.datetime(2026, 12, 31, 23, 0, tzinfo=dt.UTC)
    assert (await account(client))["tier"]["name"] == "Silver"
    assert (await buy(client, "R-2", occurred_at=clock.now.isoformat()))["points"] == 100


@pytest.mark.parametrize("downgrade", ["none", "one_level", "to_earned"])
async def test_a_tier_by_hand_ends_whatever_the_policy_says_of_earned_ones(
    client: httpx.AsyncClient, engine: AsyncEngine, clock: Clock, downgrade: str
) -> None:
    await publish(engine, programme(tiers=TIERS | {"downgrade": downgrade}), valid_from=EARLY)
    await client.post("/v1/accounts", json={"customer_id": "A"})
    await care(client, "A", "tier", tier="Gold", until="2026-11-24")
    clock.pass_days(2)
    assert (await account(client))["tier"]["name"] == "Basic"


async def test_a_tier_by_hand_is_taken_back_and_what_was_earned_stays(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await publish(engine, programme(tiers=TIERS), valid_from=EARLY)
    await buy(client, total="200.00")
    await care(client, "A", "tier", tier="Gold")
    assert (await care(client, "A", "tier", tier=None)).json()["tier"]["name"] == "Silver"
    await take_back(client, "R-1", "200.00")
    assert (await care(client, "A", "tier", tier=None)).status_code == 200
    assert (await account(client))["tier"]["name"] == "Silver"  # until its review (rule 22)


async def test_a_tier_that_is_not_there_or_over_is_refused(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await client.post("/v1/accounts", json={"customer_id": "A"})
    assert pointers(refusal(await care(client, "A", "tier", tier="Gold"), 422, "tier-unknown")) == {"/tier"}
    await publish(engine, programme(tiers=TIERS), valid_from=EARLY)
    refusal(await care(client, "A", "tier", tier="Platinum"), 422, "tier-unknown")
    answer = await care(client, "A", "tier", tier="Gold", until="2026-11-22")
    assert pointers(refusal(answer, 422, "tier-over")) == {"/until"}
    answer = await care(client, "A", "tier", tier="Gold", until="9999-12-31")
    assert pointers(refusal(answer, 422, "request-invalid")) == {"/until"}


async def test_a_floor_goes_on_in_the_merged_account(
    client: httpx.AsyncClient, engine: AsyncEngine, clock: Clock
) -> None:
    await publish(engine, programme(tiers=TIERS), valid_from=EARLY)
    await client.post("/v1/accounts", json={"customer_id": "A"})
    await client.post("/v1/accounts", json={"customer_id": "B"})
    await care(client, "A", "tier", tier="Gold", until="2026-11-24")
    assert (await merge(client, "A", "B")).json()["tier"]["name"] == "Gold"
    clock.pass_days(2)
    assert (await account(client, "B"))["tier"]["name"] == "Basic"


# Who did it


async def test_all_care_stands_in_the_audit_trail_with_actor_and_reason(
    points: PointsService, engine: AsyncEngine
) -> None:
    await publish(engine, programme(tiers=TIERS), valid_from=EARLY)
    async with asking_with_key(points, "kim", ALL) as kim:
        for customer in "AB":
            await kim.post("/v1/accounts", json={"customer_id": customer})
        for deed, more in (
            ("block", {}),
            ("block", {}),  # changes nothing
            ("close", {}),
            ("reopen", {}),
            ("card", {}),
            ("tier", {"tier": "Gold"}),
            ("tier", {"tier": None}),
            ("tier", {"tier": "Platinum"}),  # refused
            ("merge", {"into": "B"}),
        ):
            await care(kim, "A", deed, reason=f"for {deed}", **more)
    async with engine.connect() as connection:
        done = [each for each in reversed(await deeds(connection, actor="kim")) if each["reason"]]
    assert [(each["action"], each["subject"], each["reason"]) for each in done] == [
        ("account.block", "A", "for block"),
        ("account.close", "A", "for close"),
        ("account.reopen", "A", "for reopen"),
        ("card.replace", "A", "for card"),
        ("tier.give Gold", "A", "for tier"),
        ("tier.take-back", "A", "for tier"),
        ("account.merge", "A into B", "for merge"),
    ]
    assert all(each["request_id"] for each in done)
