"""The REST API as tills, shops and hostile clients use it, on the real database."""

import asyncio
import csv
import datetime as dt
import io
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import orjson
import pytest
import segno
from sqlalchemy.ext.asyncio import AsyncEngine

from services.points import decisions
from services.points.answers import REFUSALS
from services.points.app import create_app
from services.points.handlers import EVENTS
from services.points.service import PointsService
from services.points.settings import PointsSettings
from services.points.verification import verify
from shared.api_keys import ALL
from shared.audit import deeds
from shared.database import create_engine, fetch
from shared.messaging.decoding import decode
from shared.messaging.events import Received
from tests.asking import refusal_codes
from tests.points.asking import asking_with_key, pointers, refusal, rows

PURCHASE = {
    "shop_id": "webshop-de",
    "invoice_number": "R-2026-000123",
    "customer_id": "c-42",
    "occurred_at": "2026-11-23T10:15:00+01:00",
    "channel": "web",
    "currency": "EUR",
    "total": "119.00",
    "tax": "19.00",
    "shipping": "4.90",
    "gift_cards": "0.00",
    "points_paid": "0.00",
    "discount": "10.00",
    "lines": [{"sku": "A-1", "category": "wine", "quantity": 2, "amount": "114.10"}],
    "coupon_codes": ["XMAS-7K2M-9QF4-T3HB"],
    "referral_code": None,
    "companion_id": None,
    "redemption_ids": [],
    "promoted": False,
}
REFUND = {"refund_id": "1", "currency": "EUR", "amount": "33.33"}
THIS_PURCHASE = "/v1/purchases/webshop-de/R-2026-000123"
JSON = {"Content-Type": "application/json"}
NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
async def _books_are_right(engine: AsyncEngine) -> AsyncIterator[None]:
    """Whatever was asked, the books must be provable afterwards."""
    yield
    async with engine.connect() as connection:
        assert await verify(connection) == []


async def buy(client: httpx.AsyncClient, total: str = "100.00", invoice: str = "R-1", **more: Any) -> httpx.Response:
    said = {"shop_id": "shop", "invoice_number": invoice, "customer_id": "c-1", "currency": "EUR", "total": total}
    return await client.post("/v1/purchases", json=said | more)


async def adjust(client: httpx.AsyncClient, points: Any, key: str, **more: Any) -> httpx.Response:
    said = {"customer_id": "c-1", "points": points, "reason": "goodwill"} | more
    return await client.post("/v1/adjustments", json=said, headers={"Idempotency-Key": key})


# Purchases


async def test_a_purchase_is_answered_for_the_receipt(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/purchases", json=PURCHASE)
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "shop_id": "webshop-de",
        "invoice_number": "R-2026-000123",
        "customer_id": "c-42",
        "points": 114,
        "status": "available",
        "breakdown": [{"rule": "base", "points": 114}],
        "balance": {"available": 114, "pending": 0, "held": 0},
        "tier": None,
        "redeemed": 0,
        "unpaid": 0,
    }


async def test_a_repeat_in_another_spelling_is_answered_with_the_first_points_and_todays_balance(
    client: httpx.AsyncClient,
) -> None:
    await client.post("/v1/purchases", json=PURCHASE)
    await adjust(client, 50, "k", customer_id="c-42")
    other = {**PURCHASE, "total": "119", "shipping": "4.9000", "occurred_at": "2026-11-23T09:15:00Z", "channel": "app"}
    del other["gift_cards"]
    answer = await client.post("/v1/purchases", json=other)
    assert answer.status_code == 200
    assert (answer.json()["points"], answer.json()["balance"]["available"]) == (114, 164)


@pytest.mark.parametrize(
    ("other", "pointer"),
    [
        ({"customer_id": "c-43"}, "/customer_id"),
        ({"currency": "CHF"}, "/currency"),
        ({"total": "119.01"}, "/total"),
        ({"shipping": "0"}, "/shipping"),
        ({"gift_cards": "1"}, "/gift_cards"),
        ({"points_paid": "1"}, "/points_paid"),
    ],
)
async def test_a_contradiction_is_refused_and_the_first_stands(
    client: httpx.AsyncClient, other: dict[str, str], pointer: str
) -> None:
    await client.post("/v1/purchases", json=PURCHASE)
    answer = await client.post("/v1/purchases", json={**PURCHASE, **other})
    assert pointers(refusal(answer, 409, "purchase-conflict")) == {pointer}
    assert (await client.get(THIS_PURCHASE)).json()["total"] == "119.00"


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"total": 119.0}, "/total"),
        ({"total": "-1"}, "/total"),
        ({"total": "1.00001"}, "/total"),
        ({"total": "1e2"}, "/total"),
        ({"total": "NaN"}, "/total"),
        ({"total": "9" * 15}, "/total"),
        ({"total": "\u0661"}, "/total"),
        ({"currency": "eur"}, "/currency"),
        ({"shop_id": ""}, "/shop_id"),
        ({"shop_id": None}, "/shop_id"),
        ({"invoice_number": "R\x001"}, "/invoice_number"),
        ({"invoice_number": "R\x1f1"}, "/invoice_number"),
        ({"invoice_number": "x" * 129}, "/invoice_number"),
        ({"customer_id": "kim@example.com"}, "/customer_id"),
        ({"card_number": "12 34"}, "/card_number"),
        ({"occurred_at": "2026-11-23T10:15:00"}, "/occurred_at"),
        ({"occurred_at": 1_700_000_000}, "/occurred_at"),
        ({"occurred_at": "2026-02-30T10:15:00Z"}, "/occurred_at"),
        ({"lines": [{"sku": "A-1", "amount": "1"}, {"sku": "A-2", "amount": 1}]}, "/lines/1/amount"),
        ({"lines": [{"sku": "A-1", "amount": "1"}] * 2001}, "/lines"),
        ({"coupon_codes": "XMAS"}, "/coupon_codes"),
        ({"promoted": "true"}, "/promoted"),
        ({"lines": [{"sku": "A-1", "amount": "1", "quantity": True}]}, "/lines/0/quantity"),
    ],
)
async def test_a_wrong_field_is_named(client: httpx.AsyncClient, wrong: dict[str, Any], pointer: str) -> None:
    answer = await client.post("/v1/purchases", json={**PURCHASE, **wrong})
    assert pointers(refusal(answer, 422, "request-invalid")) == {pointer}


@pytest.mark.parametrize("missing", ["shop_id", "invoice_number", "currency", "total"])
async def test_a_missing_field_is_named(client: httpx.AsyncClient, missing: str) -> None:
    said = {name: value for name, value in PURCHASE.items() if name != missing}
    assert pointers(refusal(await client.post("/v1/purchases", json=said), 422, "request-invalid")) == {f"/{missing}"}


@pytest.mark.parametrize(
    ("other", "status", "code", "pointer"),
    [
        ({"card_number": "SHOP-1", "customer_id": None}, 404, "card-unknown", "/card_number"),
        ({"currency": "SEK"}, 422, "currency-unsupported", "/currency"),
        ({"occurred_at": "2199-12-31T00:00:00Z"}, 422, "occurred-in-future", "/occurred_at"),
        ({"total": "9" * 14}, 422, "points-too-many", "/total"),
    ],
)
async def test_a_refusal_by_the_rules_leaves_nothing(
    client: httpx.AsyncClient, engine: AsyncEngine, other: dict[str, Any], status: int, code: str, pointer: str
) -> None:
    answer = await client.post("/v1/purchases", json={**PURCHASE, **other})
    assert pointers(refusal(answer, status, code)) == {pointer}
    assert (
        await rows(engine, "SELECT 1 FROM purchase UNION ALL SELECT 1 FROM account UNION ALL SELECT 1 FROM outbox")
        == []
    )


async def test_a_purchase_by_card_is_its_owners(client: httpx.AsyncClient) -> None:
    card = (await client.post("/v1/accounts", json={"customer_id": "c-1"})).json()["card_number"]
    answer = await buy(client, customer_id=None, card_number=card)
    assert answer.json()["customer_id"] == "c-1"
    answer = await buy(client, invoice="R-2", customer_id="c-2", card_number=card)
    assert pointers(refusal(answer, 409, "card-of-another-customer")) == {"/card_number"}


@pytest.mark.parametrize("name", ["日本-7", "Ω/ß %2F", "'; DROP TABLE entry; --", "👍🏽", "{}", "null", " "])
async def test_names_of_any_script_are_kept_to_the_letter(client: httpx.AsyncClient, name: str) -> None:
    answer = await buy(client, invoice=name, customer_id=name, shop_id=name)
    assert answer.status_code == 201
    assert (answer.json()["invoice_number"], answer.json()["customer_id"]) == (name, name)
    segment = "".join(f"%{byte:02X}" for byte in name.encode())
    assert (await client.get(f"/v1/purchases/{segment}/{segment}")).json()["customer_id"] == name
    assert (await client.get(f"/v1/accounts/{segment}")).json()["balance"]["available"] == 100


# A till's purchase leaves as the event that it would have come as


async def emitted(engine: AsyncEngine) -> list[Received]:
    payloads = await rows(engine, "SELECT payload FROM outbox WHERE topic = 'loyalty.purchases' ORDER BY id")
    read = [decode(EVENTS, row["payload"], now=NOW) for row in payloads]
    assert all(isinstance(each, Received) for each in read), read
    return [each for each in read if isinstance(each, Received)]


async def test_a_purchase_and_its_refund_leave_as_events(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await client.post("/v1/purchases", json=PURCHASE, headers={"traceparent": trace})
    await client.post(f"{THIS_PURCHASE}/refunds", json=REFUND, headers={"traceparent": "rubbish"})
    bought, refunded = [each.event for each in await emitted(engine)]
    assert (bought.subject, bought.traceparent, str(bought.data.total)) == ("c-42", trace, "119.00")
    assert (refunded.data.invoice_number, refunded.data.refund_id) == ("R-2026-000123", "1")
    assert refunded.traceparent is None


async def test_names_of_the_greatest_length_leave_as_events_too(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    shop, invoice, refund_id = "s" * 128, "ä" * 128, "r" * 128
    await buy(client, invoice=invoice, shop_id=shop, customer_id=None)
    answer = await client.post(
        f"/v1/purchases/{shop}/{'%C3%A4' * 128}/refunds", json={**REFUND, "refund_id": refund_id}
    )
    assert answer.status_code == 201
    bought, refunded = [each.event for each in await emitted(engine)]
    assert bought.data.invoice_number == refunded.data.invoice_number == invoice


async def test_purchases_whose_names_join_alike_are_two_events(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await buy(client, shop_id="a/b", invoice="c")
    await buy(client, shop_id="a", invoice="b/c")
    await buy(client, shop_id="a%2Fb", invoice="c")
    assert len({each.event.id for each in await emitted(engine)}) == 3


# Preview


async def test_a_preview_says_what_a_purchase_would_earn_and_changes_nothing(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await buy(client, "30.00", "R-0")
    tables = ("account", "card", "purchase", "refund", "entry", "lot", "event", "outbox", "stored_answer")
    counts = "SELECT " + ", ".join(f"(SELECT count(*) FROM {table}) AS {table}" for table in tables)
    before = await rows(engine, counts)
    said = {"shop_id": "shop", "invoice_number": "R-1", "customer_id": "c-1", "currency": "EUR", "total": "100.00"}
    for _ in range(2):
        answer = await client.post("/v1/purchases/preview", json=said)
        assert answer.status_code == 200
        assert (answer.json()["points"], answer.json()["balance"]["available"]) == (100, 130)
        assert answer.json()["spendable_points"] == 30
    assert await rows(engine, counts) == before
    assert (await buy(client)).json()["points"] == 100


async def test_a_preview_of_someone_new_enrols_nobody(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/purchases/preview", json=PURCHASE)
    assert (answer.json()["points"], answer.json()["spendable_points"]) == (114, 0)
    refusal(await client.get("/v1/accounts/c-42"), 404, "account-unknown")


async def test_a_preview_is_refused_as_the_purchase_would_be(client: httpx.AsyncClient) -> None:
    await client.post("/v1/purchases", json=PURCHASE)
    answer = await client.post("/v1/purchases/preview", json={**PURCHASE, "total": "1.00"})
    refusal(answer, 409, "purchase-conflict")
    assert (await client.post("/v1/purchases/preview", json=PURCHASE)).json()["points"] == 114


async def test_previews_do_not_hold_up_the_till(client: httpx.AsyncClient) -> None:
    said = {"shop_id": "shop", "currency": "EUR", "total": "1.00"}
    previews = [
        client.post("/v1/purchases/preview", json={**said, "invoice_number": f"P-{i}", "customer_id": f"n-{i}"})
        for i in range(40)
    ]
    purchases = [buy(client, "1.00", f"R-{i}", customer_id=f"m-{i}") for i in range(40)]
    answers = await asyncio.gather(*previews, *purchases)
    assert {answer.status_code for answer in answers} == {200, 201}


# A repeat that knows more than the purchase did


async def attached(client: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get("/v1/purchases/shop/R-1")).json()
    return found


async def test_a_repeat_with_the_customer_attaches_a_purchase_of_nobody(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await buy(client, customer_id=None)
    await client.post("/v1/purchases/shop/R-1/refunds", json=REFUND)
    answer = await buy(client)
    assert (answer.status_code, answer.json()["customer_id"], answer.json()["points"]) == (201, "c-1", 100)
    assert answer.json()["balance"]["available"] == 66
    assert (await buy(client)).status_code == 200
    assert (await buy(client, customer_id=None)).json()["customer_id"] == "c-1"
    refusal(await buy(client, customer_id="c-2"), 409, "purchase-conflict")
    assert [each["action"] for each in await rows(engine, "SELECT action FROM audit ORDER BY id")][
        -1
    ] == "purchase.claim"


async def test_a_repeat_with_a_card_attaches_it_to_the_cards_owner(client: httpx.AsyncClient) -> None:
    await buy(client, customer_id=None)
    refusal(await buy(client, customer_id=None, card_number="SHOP-1"), 404, "card-unknown")
    await client.post("/v1/accounts", json={"customer_id": "c-1", "card_number": "SHOP-1"})
    assert (await buy(client, customer_id=None, card_number="SHOP-1")).json()["customer_id"] == "c-1"


async def test_a_repeat_is_a_contradiction_before_it_is_a_claim(client: httpx.AsyncClient) -> None:
    await buy(client, customer_id=None)
    refusal(await buy(client, "99.00"), 409, "purchase-conflict")
    assert (await attached(client))["status"] == "unclaimed"


async def test_a_repeat_after_the_claim_window_is_refused(client: httpx.AsyncClient) -> None:
    when = (dt.datetime.now(dt.UTC) - dt.timedelta(days=31)).isoformat()
    await buy(client, customer_id=None, occurred_at=when)
    refusal(await buy(client, occurred_at=when), 409, "claim-window-over")
    assert (await buy(client, customer_id=None, occurred_at=when)).status_code == 200


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0), (0, 2, 1), (2, 0, 1)])
@pytest.mark.parametrize("at_once", [True, False])
async def test_who_bought_is_known_whichever_of_its_events_comes_first(
    client: httpx.AsyncClient, order: tuple[int, ...], *, at_once: bool
) -> None:
    buyers: tuple[dict[str, str], ...] = ({}, {"card_number": "SHOP-1"}, {"customer_id": "c-1"})
    bought = {"shop_id": "shop", "invoice_number": "R-1", "currency": "EUR", "total": "100.00"}
    events = [
        {"specversion": "1.0", "id": f"{place}", "source": "/s", "type": "loyalty.purchase.completed.v1"}
        | {"data": bought | buyers[place]}
        for place in order
    ]
    headers = {"Content-Type": "application/cloudevents-batch+json"}
    for batch in [events] if at_once else [[event] for event in events]:
        await client.post("/v1/events", content=orjson.dumps(batch), headers=headers)
    assert (await attached(client))["customer_id"] == "c-1"
    await client.post("/v1/accounts", json={"customer_id": "c-2", "card_number": "SHOP-1"})
    assert (await attached(client))["customer_id"] == "c-1"


async def test_a_purchase_whose_repeat_names_a_card_waits_for_its_owner(client: httpx.AsyncClient) -> None:
    await buy(client, customer_id=None)
    event = {"specversion": "1.0", "id": "e", "source": "/s", "type": "loyalty.purchase.completed.v1"}
    data = {"shop_id": "shop", "invoice_number": "R-1", "currency": "EUR", "total": "100.00", "card_number": "SHOP-1"}
    taken = (await client.post("/v1/events", json=event | {"data": data})).json()
    assert taken["results"][0]["status"] == "waiting"
    answer = await client.post("/v1/accounts", json={"customer_id": "c-1", "card_number": "SHOP-1"})
    assert answer.json()["balance"]["available"] == 100


async def test_nobody_enrols_in_the_future(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    now = dt.datetime.now(dt.UTC)
    said = {"customer_id": "c-1", "enrolled_at": (now + dt.timedelta(hours=25)).isoformat()}
    answer = await client.post("/v1/accounts", json=said)
    assert pointers(refusal(answer, 422, "enrolled-in-future")) == {"/enrolled_at"}
    assert await rows(engine, "SELECT 1 FROM account") == []
    said["enrolled_at"] = (now + dt.timedelta(hours=23)).isoformat()
    assert (await client.post("/v1/accounts", json=said)).status_code == 201


async def test_a_refund_refused_late_leaves_as_an_event_of_its_own(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    shop, invoice, name = "a/b", "c" * 128, "d" * 120
    path = f"/v1/purchases/a%2Fb/{invoice}/refunds"
    said = {"refund_id": name, "currency": "EUR", "amount": "500.00"}
    assert (await client.post(path, json=said)).json()["status"] == "waiting"
    await buy(client, shop_id=shop, invoice=invoice)
    (letter,) = await rows(engine, "SELECT value FROM dead_letter")
    event = decode(EVENTS, letter["value"], now=dt.datetime.now(dt.UTC))
    assert isinstance(event, Received)
    heard = await rows(engine, "SELECT id FROM event")
    assert event.event.id not in {each["id"] for each in heard}
    assert len(event.event.id) <= 255


# Looking up


async def test_a_purchase_is_found_with_its_refunds(client: httpx.AsyncClient) -> None:
    await client.post("/v1/purchases", json=PURCHASE)
    await client.post(f"{THIS_PURCHASE}/refunds", json={**REFUND, "occurred_at": "2026-11-24T00:00:00Z"})
    found = (await client.get(THIS_PURCHASE)).json()
    assert (found["points"], found["clawed_back"], found["refunded"]) == (114, 34, "33.33")
    assert found["balance"] == {"available": 80, "pending": 0, "held": 0}
    (refund,) = found["refunds"]
    assert (refund["refund_id"], refund["status"], refund["points"], refund["amount"]) == ("1", "booked", 34, "33.33")


async def test_an_invoice_number_may_have_a_slash(client: httpx.AsyncClient) -> None:
    await buy(client, invoice="2026/11/23 %1", shop_id="a/b")
    answer = await client.get("/v1/purchases/a%2Fb/2026%2F11%2F23%20%251")
    assert answer.json()["invoice_number"] == "2026/11/23 %1"
    answer = await client.post("/v1/purchases/a%2Fb/2026%2F11%2F23%20%251/refunds", json=REFUND)
    assert answer.json()["points"] == 34


async def test_what_is_not_there_is_not_found(client: httpx.AsyncClient) -> None:
    refusal(await client.get("/v1/purchases/shop/nothing"), 404, "purchase-unknown")
    refusal(await client.get("/v1/accounts/nobody"), 404, "account-unknown")
    refusal(await client.get("/v1/accounts/nobody/entries"), 404, "account-unknown")
    refusal(await client.get("/v1/accounts/nobody/lots"), 404, "account-unknown")
    refusal(await client.get("/v1/cards/0"), 404, "card-unknown")
    refusal(await client.get("/v1/cards/0/qr.svg"), 404, "card-unknown")


# Refunds


async def test_rule_13_refunds_of_a_third_take_34_33_and_33_at_the_till(client: httpx.AsyncClient) -> None:
    await buy(client)
    taken = []
    for refund_id, amount in (("1", "33.33"), ("2", "33.33"), ("3", "33.34")):
        said = {"refund_id": refund_id, "currency": "EUR", "amount": amount}
        answer = await client.post("/v1/purchases/shop/R-1/refunds", json=said)
        assert answer.status_code == 201
        taken.append(answer.json()["points"])
    assert taken == [34, 33, 33]
    assert (await client.get("/v1/accounts/c-1")).json()["balance"]["available"] == 0


async def test_rule_15_a_refund_before_its_purchase_waits_for_it(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/purchases/shop/R-1/refunds", json=REFUND)
    assert answer.status_code == 201
    assert answer.json() == {
        "shop_id": "shop",
        "invoice_number": "R-1",
        "refund_id": "1",
        "customer_id": None,
        "status": "waiting",
        "points": 0,
        "balance": None,
    }
    assert (await client.get("/v1/purchases/shop/R-1")).json()["status"] == "awaited"
    assert (await client.post("/v1/purchases/shop/R-1/refunds", json=REFUND)).status_code == 200
    assert (await buy(client)).json()["balance"]["available"] == 66


async def test_rule_15_a_refund_of_more_than_was_paid_is_refused_whole(client: httpx.AsyncClient) -> None:
    await buy(client)
    await client.post("/v1/purchases/shop/R-1/refunds", json=REFUND)
    answer = await client.post("/v1/purchases/shop/R-1/refunds", json={**REFUND, "refund_id": "2", "amount": "66.68"})
    assert pointers(refusal(answer, 409, "refund-exceeds-purchase")) == {"/amount"}
    assert (await client.get("/v1/purchases/shop/R-1")).json()["clawed_back"] == 34


@pytest.mark.parametrize(
    ("other", "status", "code", "pointer"),
    [
        ({"amount": "33.34"}, 409, "refund-conflict", "/refund_id"),
        ({"refund_id": "2", "customer_id": "c-2"}, 409, "refund-customer", "/customer_id"),
        ({"refund_id": "2", "currency": "CHF"}, 422, "refund-currency", "/currency"),
        ({"refund_id": "2", "shipping": "33.34"}, 422, "refund-parts-exceed-amount", "/amount"),
        ({"refund_id": "2", "occurred_at": "2199-12-31T00:00:00Z"}, 422, "occurred-in-future", "/occurred_at"),
        ({"refund_id": ""}, 422, "request-invalid", "/refund_id"),
        ({"amount": 33.33}, 422, "request-invalid", "/amount"),
        ({"kind": "gold"}, 422, "request-invalid", "/kind"),
    ],
)
async def test_a_refund_that_does_not_fit_is_refused(
    client: httpx.AsyncClient, other: dict[str, Any], status: int, code: str, pointer: str
) -> None:
    await buy(client)
    await client.post("/v1/purchases/shop/R-1/refunds", json=REFUND)
    answer = await client.post("/v1/purchases/shop/R-1/refunds", json={**REFUND, **other})
    assert pointers(refusal(answer, status, code)) == {pointer}


async def test_a_refund_that_waited_and_was_too_much_says_so_ever_after(client: httpx.AsyncClient) -> None:
    too_much = {**REFUND, "amount": "100.01"}
    await client.post("/v1/purchases/shop/R-1/refunds", json=too_much)
    await buy(client)
    answer = await client.post("/v1/purchases/shop/R-1/refunds", json=too_much)
    refusal(answer, 409, "refund-exceeds-purchase")
    (refund,) = (await client.get("/v1/purchases/shop/R-1")).json()["refunds"]
    assert (refund["status"], refund["refused_code"]) == ("refused", "refund-exceeds-purchase")


async def test_rule_17_what_counts_for_the_tier_follows_the_refund(client: httpx.AsyncClient) -> None:
    await buy(client)
    assert (await adjust(client, 500, "goodwill")).status_code == 201
    await client.post("/v1/purchases/shop/R-1/refunds", json=REFUND)
    assert (await client.get("/v1/accounts/c-1")).json()["lifetime_points"] == 66


async def test_rule_18_a_debt_is_repaid_before_the_next_points_can_be_spent(client: httpx.AsyncClient) -> None:
    await buy(client)
    await adjust(client, -150, "k", allow_debt=True)
    assert (await buy(client, "80.00", "R-2")).json()["balance"]["available"] == 30
    (lot,) = (await client.get("/v1/accounts/c-1/lots")).json()["data"]
    assert (lot["points"], lot["remaining"]) == (80, 30)
    refusal(await adjust(client, -31, "too-much"), 409, "insufficient-points")


# Purchases of nobody


async def test_a_purchase_of_nobody_is_kept_and_claimed(client: httpx.AsyncClient) -> None:
    answer = await buy(client, customer_id=None)
    assert (answer.status_code, answer.json()["status"], answer.json()["points"]) == (201, "unclaimed", 0)
    listed = (await client.get("/v1/purchases", params={"status": "unclaimed"})).json()
    assert [each["invoice_number"] for each in listed["data"]] == ["R-1"]
    await client.post("/v1/accounts", json={"customer_id": "c-1"})
    claimed = await client.post("/v1/purchases/shop/R-1/claim", json={"customer_id": "c-1"})
    assert (claimed.status_code, claimed.json()["points"], claimed.json()["status"]) == (201, 100, "available")
    again = await client.post("/v1/purchases/shop/R-1/claim", json={"customer_id": "c-1"})
    assert (again.status_code, again.json()) == (200, claimed.json())


async def test_rule_5_a_purchase_enrols_and_an_earlier_one_can_be_claimed(client: httpx.AsyncClient) -> None:
    await buy(client, customer_id=None)
    await buy(client, invoice="R-2")
    assert (await client.get("/v1/accounts/c-1")).status_code == 200
    answer = await client.post("/v1/purchases/shop/R-1/claim", json={"customer_id": "c-1"})
    assert answer.json()["balance"]["available"] == 200


async def test_a_claim_without_ground_is_refused(client: httpx.AsyncClient) -> None:
    claim = "/v1/purchases/shop/R-1/claim"
    refusal(await client.post(claim, json={"customer_id": "c-1"}), 404, "purchase-unknown")
    await buy(client, customer_id=None)
    answer = await client.post(claim, json={"customer_id": "c-1"})
    assert pointers(refusal(answer, 404, "account-unknown")) == {"/customer_id"}
    for customer in ("c-1", "c-2"):
        await client.post("/v1/accounts", json={"customer_id": customer})
    await client.post(claim, json={"customer_id": "c-1"})
    refusal(await client.post(claim, json={"customer_id": "c-2"}), 409, "purchase-claimed")
    refusal(await client.post(claim, json={"customer_id": "kim@example.com"}), 422, "request-invalid")


async def test_an_old_purchase_can_not_be_claimed(client: httpx.AsyncClient) -> None:
    await buy(client, customer_id=None, occurred_at="2020-01-01T00:00:00Z")
    await client.post("/v1/accounts", json={"customer_id": "c-1"})
    answer = await client.post("/v1/purchases/shop/R-1/claim", json={"customer_id": "c-1"})
    refusal(answer, 409, "claim-window-over")


async def test_a_parked_purchase_says_that_it_waits_for_its_card(client: httpx.AsyncClient) -> None:
    data = {"shop_id": "shop", "invoice_number": "R-1", "currency": "EUR", "total": "1.00", "card_number": "SHOP-1"}
    event = {"specversion": "1.0", "id": "e", "source": "/s", "type": "loyalty.purchase.completed.v1", "data": data}
    await client.post("/v1/events", json=event)
    assert (await client.post("/v1/purchases", json=data)).json()["status"] == "parked"
    refusal(await client.post("/v1/purchases/shop/R-1/claim", json={"customer_id": "c-1"}), 409, "purchase-has-card")


# Accounts and cards


async def test_an_account_is_opened_once(client: httpx.AsyncClient) -> None:
    said = {"customer_id": "c-42", "card_number": "SHOP-42", "enrolled_at": "2025-02-03T10:00:00+01:00"}
    answer = await client.post("/v1/accounts", json=said)
    assert answer.status_code == 201
    assert answer.json() == {
        "customer_id": "c-42",
        "card_number": "SHOP-42",
        "status": "active",
        "balance": {"available": 0, "pending": 0, "held": 0},
        "pool_id": None,
        "lifetime_points": 0,
        "tier": None,
        "expiring_next": None,
        "enrolled_at": "2025-02-03T09:00:00Z",
    }
    again = await client.post("/v1/accounts", json=said)
    assert (again.status_code, again.json()) == (200, answer.json())
    assert (await client.get("/v1/accounts/c-42")).json() == answer.json()
    assert (await client.get("/v1/cards/SHOP-42")).json() == answer.json()


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        ({"customer_id": "c-42", "card_number": "SHOP-43"}, 409, "account-conflict"),
        ({"customer_id": "c-43", "card_number": "SHOP-42"}, 409, "card-taken"),
        ({"customer_id": "c-43", "card_number": "2990000000011"}, 422, "card-mistyped"),
    ],
)
async def test_an_enrolment_that_does_not_fit_is_refused(
    client: httpx.AsyncClient, said: dict[str, str], status: int, code: str
) -> None:
    await client.post("/v1/accounts", json={"customer_id": "c-42", "card_number": "SHOP-42"})
    assert pointers(refusal(await client.post("/v1/accounts", json=said), status, code)) == {"/card_number"}


async def test_the_statement_is_paged_to_its_end_while_new_entries_arrive(client: httpx.AsyncClient) -> None:
    await client.post("/v1/accounts", json={"customer_id": "c-1"})
    for number in range(1, 26):
        await adjust(client, number, f"k{number}")
    seen: list[int] = []
    cursor = None
    while True:
        page = (
            await client.get("/v1/accounts/c-1/entries", params={"limit": 4} | ({"cursor": cursor} if cursor else {}))
        ).json()
        seen += [entry["sequence"] for entry in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        await adjust(client, 1000, f"new{len(seen)}")
    assert seen == list(range(25, 0, -1))


async def test_an_entry_is_a_line_of_the_contract(client: httpx.AsyncClient) -> None:
    await buy(client, occurred_at="2026-11-23T10:15:00+01:00")
    (entry,) = (await client.get("/v1/accounts/c-1/entries")).json()["data"]
    assert entry.pop("recorded_at").endswith("Z")
    assert entry == {
        "sequence": 1,
        "kind": "award",
        "points": 100,
        "available_after": 100,
        "pending_after": 0,
        "held_after": 0,
        "reference": "shop/R-1",
        "occurred_at": "2026-11-23T09:15:00Z",
    }


async def test_lists_end_in_a_page_that_is_exactly_full(client: httpx.AsyncClient) -> None:
    await buy(client, invoice="R-1")
    await buy(client, invoice="R-2")
    for path in ("/v1/accounts/c-1/entries", "/v1/accounts/c-1/lots"):
        page = (await client.get(path, params={"limit": 2})).json()
        assert (len(page["data"]), page["next_cursor"]) == (2, None)


async def test_lots_are_paged_in_the_order_in_which_they_are_spent(client: httpx.AsyncClient) -> None:
    for number in range(1, 6):
        await buy(client, f"{number}0.00", f"R-{number}")
    await adjust(client, -15, "spent")
    first = (await client.get("/v1/accounts/c-1/lots", params={"limit": 2})).json()
    second = (await client.get("/v1/accounts/c-1/lots", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [(lot["points"], lot["remaining"]) for lot in first["data"] + second["data"]] == [
        (20, 15),
        (30, 30),
        (40, 40),
        (50, 50),
    ]
    assert second["next_cursor"] is None


async def test_waiting_purchases_are_paged(client: httpx.AsyncClient) -> None:
    for number in range(5):
        await buy(client, invoice=f"R-{number}", customer_id=None)
    seen, cursor = [], ""
    while cursor is not None:
        page = (await client.get("/v1/purchases", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [each["invoice_number"] for each in page["data"]]
        cursor = page["next_cursor"]
    assert seen == [f"R-{number}" for number in range(5)]


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("/v1/accounts/c-1/entries", "cursor=WyJjIl0", "cursor-invalid"),
        ("/v1/accounts/c-1/lots", "cursor=x", "cursor-invalid"),
        ("/v1/purchases", "cursor=WzFd", "cursor-invalid"),
        ("/v1/accounts/c-1/entries", "limit=0", "request-invalid"),
        ("/v1/accounts/c-1/entries", "limit=501", "request-invalid"),
        ("/v1/accounts/c-1/lots", "limit=many", "request-invalid"),
        ("/v1/purchases", "status=booked", "request-invalid"),
    ],
)
async def test_a_list_asked_for_wrongly_is_refused(client: httpx.AsyncClient, path: str, query: str, code: str) -> None:
    refusal(await client.get(f"{path}?{query}"), 422, code)


async def test_the_statement_is_a_table_for_spreadsheets(client: httpx.AsyncClient) -> None:
    await client.post("/v1/accounts", json={"customer_id": "c-1"})
    for number, reason in enumerate(["=1+1", "+49", "-1", "@x", "\uff1d1", 'plain, with "quotes"', "ä=1"]):
        await adjust(client, 1, f"k{number}", reason=reason)
    answer = await client.get("/v1/accounts/c-1/entries", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    table = list(csv.DictReader(io.StringIO(answer.text)))
    references = [row["reference"] for row in reversed(table)]
    assert references == ["'=1+1", "'+49", "'-1", "'@x", "'\uff1d1", 'plain, with "quotes"', "ä=1"]
    assert table[0]["sequence"] == "7"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", table[0]["recorded_at"])


async def test_the_table_holds_the_whole_statement(client: httpx.AsyncClient, points: PointsService) -> None:
    await client.post("/v1/accounts", json={"customer_id": "c-1"})
    async with points.engine.begin() as connection:
        await fetch(connection, "UPDATE account SET available = 2501, sequence = 2501 WHERE customer_id = 'c-1'")
        await fetch(
            connection,
            "INSERT INTO entry SELECT 'c-1', n, 'adjustment', 1, n, 'many', now(), now() FROM generate_series(1, 2501) n",
        )
        await fetch(connection, "INSERT INTO lot SELECT 'c-1', n, 1, 1 FROM generate_series(1, 2501) n")
        await fetch(
            connection,
            "INSERT INTO adjustment SELECT n::text, 'c-1', n, 1, 'many', NULL, 'test' FROM generate_series(1, 2501) n",
        )
    text = (await client.get("/v1/accounts/c-1/entries", headers={"Accept": "text/csv"})).text
    assert [int(row["sequence"]) for row in csv.DictReader(io.StringIO(text))] == list(range(2501, 0, -1))


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/csv", "text/csv"),
        ("Text/CSV;q=0.9, */*", "text/csv"),
        ("application/json, text/csv;q=0.5", "application/json"),
        ("*/*", "application/json"),
        ("text/csvx", "application/json"),
    ],
)
async def test_csv_is_for_those_who_ask_for_it(client: httpx.AsyncClient, accept: str, kind: str) -> None:
    await client.post("/v1/accounts", json={"customer_id": "c-1"})
    answer = await client.get("/v1/accounts/c-1/entries", headers={"Accept": accept})
    assert answer.headers["content-type"].split(";")[0] == kind


def modules_of(svg: str) -> list[list[bool]]:
    """Read the dark modules of a QR code back from its picture: strokes one module high."""
    size = int(re.search(r'width="(\d+)"', svg)[1]) // 8 - 8  # type: ignore[index]
    dark = [[False] * size for _ in range(size)]
    x = y = 0.0
    path = re.search(r' d="([^"]+)"', svg)[1]  # type: ignore[index]
    for step, numbers in re.findall(r"([Mmh])([-\d. ]+)", path):
        amounts = [float(number) for number in re.findall(r"-?[\d.]+", numbers)]
        if step == "h":
            for column in range(int(x), int(x + amounts[0])):
                dark[int(y) - 4][column - 4] = True
            x += amounts[0]
        else:
            x, y = amounts if step == "M" else (x + amounts[0], y + amounts[1])
    return dark


async def test_the_qr_code_holds_the_card_number(client: httpx.AsyncClient) -> None:
    card = (await client.post("/v1/accounts", json={"customer_id": "c-1"})).json()["card_number"]
    answer = await client.get(f"/v1/cards/{card}/qr.svg")
    assert answer.headers["content-type"] == "image/svg+xml"
    expected = segno.make(card, error="m", micro=False).matrix
    assert modules_of(answer.text) == [[bool(module) for module in line] for line in expected]


# Adjustments


async def test_points_by_hand_are_booked(client: httpx.AsyncClient) -> None:
    await client.post("/v1/accounts", json={"customer_id": "c-1"})
    answer = await adjust(client, 50, "k", note="parcel arrived late")
    assert answer.status_code == 201
    assert answer.json().pop("adjustment_id")
    assert answer.json()["entry_sequence"] == 1
    assert answer.json()["balance"] == {"available": 50, "pending": 0, "held": 0}


async def test_points_by_hand_need_a_key(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/adjustments", json={"customer_id": "c-1", "points": 1, "reason": "goodwill"})
    (error,) = refusal(answer, 422, "request-invalid")["errors"]
    assert (error["parameter"], error["code"]) == ("Idempotency-Key", "missing")


async def test_more_than_is_available_says_what_is(client: httpx.AsyncClient) -> None:
    await buy(client)
    problem = refusal(await adjust(client, -101, "k"), 409, "insufficient-points")
    assert (problem["available"], problem["held"], pointers(problem)) == (100, 0, {"/points"})
    corrected = await adjust(client, -101, "k2", allow_debt=True)
    assert corrected.json()["balance"]["available"] == -1


@pytest.mark.parametrize(
    ("other", "code", "pointer"),
    [
        ({"points": 0}, "points-zero", "/points"),
        ({"points": 1.5}, "request-invalid", "/points"),
        ({"points": "1"}, "request-invalid", "/points"),
        ({"points": True}, "request-invalid", "/points"),
        ({"points": 1_000_000_001}, "request-invalid", "/points"),
        ({"points": 1e300}, "request-invalid", "/points"),
        ({"reason": "a\nb"}, "request-invalid", "/reason"),
        ({"reason": ""}, "request-invalid", "/reason"),
        ({"note": "\x00"}, "request-invalid", "/note"),
        ({"customer_id": None}, "request-invalid", "/customer_id"),
    ],
)
async def test_points_by_hand_that_are_wrong_are_refused(
    client: httpx.AsyncClient, other: dict[str, Any], code: str, pointer: str
) -> None:
    said = {"points": 1} | other
    assert pointers(refusal(await adjust(client, said.pop("points"), "k", **said), 422, code)) == {pointer}


async def test_points_by_hand_are_for_customers(client: httpx.AsyncClient) -> None:
    assert pointers(refusal(await adjust(client, 1, "k"), 404, "account-unknown")) == {"/customer_id"}


# The programme


async def test_a_programme_is_published_once(client: httpx.AsyncClient) -> None:
    programme = {"rates": {"EUR": "2", "CHF": "0.9"}, "minimum": "5.00"}
    first = await client.put("/v1/programme", json={"programme": programme})
    assert (first.status_code, first.json()["version"]) == (201, 2)
    again = await client.put("/v1/programme", json={"programme": programme})
    assert (again.status_code, again.json()) == (200, first.json())
    assert (await client.get("/v1/programme")).json() == first.json()
    assert (await buy(client, "10.00")).json()["points"] == 20


async def test_a_programme_that_waits_for_its_day_can_be_brought_forward(client: httpx.AsyncClient) -> None:
    soon = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)).isoformat()
    draft = {"programme": {"rates": {"EUR": "3"}}}
    waiting = await client.put("/v1/programme", json=draft | {"valid_from": soon})
    again = await client.put("/v1/programme", json=draft | {"valid_from": soon})
    assert (waiting.status_code, again.status_code) == (201, 200)
    now = await client.put("/v1/programme", json=draft)
    assert (now.status_code, now.json()["version"]) == (201, 3)
    assert (await buy(client, "10.00")).json()["points"] == 30


async def test_rule_6_a_programme_holds_from_its_day(client: httpx.AsyncClient) -> None:
    soon = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)).isoformat()
    later = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=2)).isoformat()
    await client.put("/v1/programme", json={"programme": {"rates": {"EUR": "3"}}, "valid_from": soon})
    assert (await client.get("/v1/programme")).json()["version"] == 1
    assert (await buy(client, "10.00", "R-1")).json()["points"] == 10
    assert (await buy(client, "10.00", "R-2", occurred_at=later)).json()["points"] == 30


@pytest.mark.parametrize(
    ("draft", "pointer"),
    [
        ({"programme": {"rates": {}}}, "/programme/rates"),
        ({"programme": {"rates": {"EUR": "0"}}}, "/programme/rates/EUR"),
        ({"programme": {"rates": {"EUR": 1}}}, "/programme/rates/EUR"),
        ({"programme": {"minimum": "-1"}}, "/programme/minimum"),
        ({"programme": {"claim_days": -1}}, "/programme/claim_days"),
        ({"programme": {"unmet_clawback": "forgive"}}, "/programme/unmet_clawback"),
        ({"programme": {"earn_base": {"tips": True}}}, "/programme/earn_base/tips"),
        ({"programme": {"multiplier": 2}}, "/programme/multiplier"),
        ({}, "/programme"),
        ({"programme": {}, "from": "now"}, "/from"),
        ({"programme": {}, "valid_from": "tomorrow"}, "/valid_from"),
    ],
)
async def test_a_programme_that_is_wrong_is_refused_with_the_field(
    client: httpx.AsyncClient, draft: dict[str, Any], pointer: str
) -> None:
    assert pointers(refusal(await client.put("/v1/programme", json=draft), 422, "request-invalid")) == {pointer}


async def test_no_programme_changes_the_past(client: httpx.AsyncClient) -> None:
    draft = {"programme": {"rates": {"EUR": "3"}}, "valid_from": "2020-01-01T00:00:00Z"}
    assert pointers(refusal(await client.put("/v1/programme", json=draft), 422, "valid-from-past")) == {"/valid_from"}


# Repeats under a key


async def test_rule_20_the_same_key_and_body_are_answered_as_the_first_time(client: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "till-1:2026-11-23:17"}
    first = await client.post("/v1/purchases", json=PURCHASE, headers=key)
    await adjust(client, 50, "k", customer_id="c-42")
    spelled = json.dumps(dict(reversed(PURCHASE.items())), indent=2)
    again = await client.post("/v1/purchases", content=spelled, headers={**key, **JSON})
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["content-type"] == first.headers["content-type"]


async def test_rule_20_a_repeat_is_recognised_before_the_balance_is_judged(client: httpx.AsyncClient) -> None:
    await buy(client)
    first = await adjust(client, -100, "emptied")
    again = await adjust(client, -100, "emptied")
    assert (again.status_code, again.content) == (201, first.content)
    refusal(await adjust(client, -100, "another"), 409, "insufficient-points")


async def test_rule_20_a_refusal_by_the_rules_is_stored_and_replayed(client: httpx.AsyncClient) -> None:
    await client.post("/v1/accounts", json={"customer_id": "c-1"})
    first = await adjust(client, -100, "k")
    await buy(client)
    again = await adjust(client, -100, "k")
    refusal(again, 409, "insufficient-points")
    assert again.content == first.content


async def test_rule_20_the_same_key_with_another_body_or_path_is_refused(client: httpx.AsyncClient) -> None:
    await client.post("/v1/accounts", json={"customer_id": "c-1"})
    await adjust(client, 50, "k")
    refusal(await adjust(client, 51, "k"), 409, "idempotency-key-reused")
    refusal(await adjust(client, 50, "k", note="again"), 409, "idempotency-key-reused")
    answer = await client.post("/v1/accounts", json={"customer_id": "c-9"}, headers={"Idempotency-Key": "k"})
    refusal(answer, 409, "idempotency-key-reused")
    refusal(await client.get("/v1/accounts/c-9"), 404, "account-unknown")


async def test_rule_20_two_at_once_under_one_key_are_one(client: httpx.AsyncClient, database_url: str) -> None:
    await client.post("/v1/accounts", json={"customer_id": "c-1"})
    other = PointsService(create_engine(database_url, name="second process", pool_size=5))
    transport = httpx.ASGITransport(create_app(other, PointsSettings()))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as second:
        answers = await asyncio.gather(*(adjust(each, 7, "k") for each in (client, second) * 20))
    await other.close()
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert (await client.get("/v1/accounts/c-1")).json()["balance"]["available"] == 7


async def test_rule_20_a_technical_failure_is_not_stored(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await client.post("/v1/accounts", json={"customer_id": "c-1"})
    async with engine.begin() as connection:
        await fetch(
            connection,
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END $$",
        )
        await fetch(
            connection, "CREATE TRIGGER full_disk BEFORE INSERT ON lot FOR EACH STATEMENT EXECUTE FUNCTION full_disk()"
        )
    answer = await adjust(client, 50, "k")
    refusal(answer, 503, "database-away")
    assert int(answer.headers["retry-after"]) > 0
    async with engine.begin() as connection:
        await fetch(connection, "DROP TRIGGER full_disk ON lot")
    assert (await adjust(client, 50, "k")).status_code == 201


async def test_a_lock_that_is_held_too_long_is_no_fault_of_the_request(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        await fetch(
            connection,
            "CREATE FUNCTION stuck() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'lock' USING ERRCODE = 'lock_not_available'; END $$",
        )
        await fetch(
            connection, "CREATE TRIGGER stuck BEFORE INSERT ON entry FOR EACH STATEMENT EXECUTE FUNCTION stuck()"
        )
    refusal(await buy(client), 503, "database-away")
    async with engine.begin() as connection:
        await fetch(connection, "DROP TRIGGER stuck ON entry")
    assert (await buy(client)).status_code == 201


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "ä"])
async def test_a_key_that_is_none_is_refused(client: httpx.AsyncClient, key: str) -> None:
    answer = await client.post("/v1/purchases", json=PURCHASE, headers=[(b"Idempotency-Key", key.encode())])
    (error,) = refusal(answer, 422, "request-invalid")["errors"]
    assert error["parameter"] == "Idempotency-Key"


ASK_ONLY = {"/v1/purchases/preview", "/v1/programme/preview", "/v1/programme/diff"}
"""What is posted because it is long, and changes nothing."""


async def test_every_post_takes_a_key(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    for path, operations in document["paths"].items():
        if "post" in operations and path not in ASK_ONLY:
            assert "Idempotency-Key" in {each["name"] for each in operations["post"]["parameters"]}, path


# Bad input


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 422, "request-invalid"),
        (b"{", 422, "json-malformed"),
        (b"\xff\xfe", 422, "json-malformed"),
        (b'{"shop_id": "\xe4"}', 422, "json-malformed"),
        (b"[" * 100_000, 422, "json-malformed"),
        (b'{"x":' * 100_000, 422, "json-malformed"),
        (b'{"total": ' + b"9" * 5_000 + b"}", 422, "json-malformed"),
        (b"NaN", 422, "request-invalid"),
        (b"null", 422, "request-invalid"),
        (b'"text"', 422, "request-invalid"),
        (b'[{"shop_id": "s"}]', 422, "request-invalid"),
        (b'{"total": NaN}', 422, "request-invalid"),
        (b'{"total": 1e999}', 422, "request-invalid"),
        (b'{"shop_id": "\\ud800", "\\udfff": 1}', 422, "request-invalid"),
        (b'{"shop_id": "\\u0000"}', 422, "request-invalid"),
        (b"x" * (1 << 20) + b"x", 413, "request-too-large"),
        (b"x" * (10 << 20), 413, "request-too-large"),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, bytes) else None,
)
@pytest.mark.parametrize(
    "path", ["/v1/purchases", "/v1/purchases/preview", "/v1/purchases/s/i/refunds", "/v1/accounts"]
)
@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "k"}])
async def test_no_body_is_an_error_of_ours(
    client: httpx.AsyncClient, path: str, key: dict[str, str], body: bytes, status: int, code: str
) -> None:
    problem = refusal(await client.post(path, content=body, headers={**JSON, **key}), status, code)
    if status == 422:
        assert all("pointer" in error for error in problem["errors"])


async def test_what_is_nested_deep_in_a_field_nobody_reads_is_ignored(client: httpx.AsyncClient) -> None:
    body = orjson.dumps(PURCHASE)[:-1] + b', "extra": ' + b"[" * 500 + b"]" * 500 + b"}"
    for _ in range(2):
        answer = await client.post("/v1/purchases", content=body, headers={**JSON, "Idempotency-Key": "k"})
        assert answer.status_code == 201


async def test_of_a_field_said_twice_the_last_counts(client: httpx.AsyncClient) -> None:
    body = orjson.dumps(PURCHASE)[:-1] + b', "total": "5.00", "shipping": "0"}'
    answer = await client.post("/v1/purchases", content=body, headers=JSON)
    assert answer.json()["points"] == 5


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "multipart/form-data; boundary=x", None])
async def test_a_body_of_another_kind_is_refused(client: httpx.AsyncClient, media_type: str | None) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    answer = await client.post("/v1/purchases", content=orjson.dumps(PURCHASE), headers=headers)
    refusal(answer, 415, "media-type-unsupported")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1", 404, "path-unknown"),
        ("GET", "/v1/purchase", 404, "path-unknown"),
        ("GET", "/v1/purchases/shop", 404, "path-unknown"),
        ("GET", "/v1/purchases//R-1", 404, "path-unknown"),
        ("GET", "/v1/accounts/%2e%2e", 404, "account-unknown"),
        ("DELETE", "/v1/purchases", 405, "method-not-allowed"),
        ("PATCH", "/v1/programme", 405, "method-not-allowed"),
        ("TRACE", "/v1/accounts", 405, "method-not-allowed"),
        ("GET", "/v1/accounts/%00", 422, "path-invalid"),
        ("GET", "/v1/accounts/%ff", 422, "path-invalid"),
        ("GET", "/v1/accounts/%ed%a0%80", 422, "path-invalid"),
        ("GET", "/v1/accounts/a%0Ab", 422, "request-invalid"),
        ("GET", "/v1/accounts/" + "x" * 129, 422, "request-invalid"),
    ],
)
async def test_a_path_that_is_none_is_refused(
    client: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    refusal(await client.request(method, path), status, code)


NEVER_ANSWERED = {"grant-conflict"}
"""What only other services say is refused as a dead letter."""


async def test_every_refusal_has_its_status_and_stands_in_the_document(client: httpx.AsyncClient) -> None:
    codes = refusal_codes(decisions) - NEVER_ANSWERED
    assert len(codes) > 15
    assert codes <= REFUSALS.keys()
    document = (await client.get("/openapi.json")).text
    assert [code for code in sorted(codes) if f'"{code}"' not in document] == []


# Who did it


@pytest.fixture
async def till(points: PointsService) -> AsyncIterator[httpx.AsyncClient]:
    async with asking_with_key(points, "till-1", "purchases:write", "purchases:read", "events:write") as asking:
        yield asking


@pytest.fixture
async def staff(points: PointsService) -> AsyncIterator[httpx.AsyncClient]:
    async with asking_with_key(points, "kim", ALL) as asking:
        yield asking


async def test_a_purchase_says_who_booked_it(till: httpx.AsyncClient) -> None:
    await buy(till)
    event = {"specversion": "1.0", "id": "e", "source": "/s", "type": "loyalty.purchase.completed.v1"}
    data = {"shop_id": "shop", "invoice_number": "R-2", "currency": "EUR", "total": "1.00"}
    await till.post("/v1/events", json=event | {"data": data})
    for invoice in ("R-1", "R-2"):
        assert (await till.get(f"/v1/purchases/shop/{invoice}")).json()["recorded_by"] == "till-1"


async def test_what_people_do_stands_in_the_audit_trail(staff: httpx.AsyncClient, engine: AsyncEngine) -> None:
    named = {"X-Request-ID": "desk-7"}
    await staff.post("/v1/accounts", json={"customer_id": "c-1"}, headers=named)
    await staff.post("/v1/accounts", json={"customer_id": "c-1"})
    await adjust(staff, 5, "k")
    await adjust(staff, -50, "refused")
    await buy(staff, customer_id=None)
    await staff.post("/v1/purchases/shop/R-1/claim", json={"customer_id": "c-1"})
    await staff.post("/v1/purchases/shop/R-1/refunds", json=REFUND)
    await staff.put("/v1/programme", json={"programme": {"rates": {"EUR": "2"}}})
    async with engine.connect() as connection:
        done = await deeds(connection, actor="kim")
    assert [(each["action"], each["subject"]) for each in reversed(done)] == [
        ("account.enrol", "c-1"),
        ("points.adjust", "c-1"),
        ("purchase.claim", "shop/R-1"),
        ("purchase.refund", "shop/R-1/1"),
        ("programme.publish", "version 2"),
    ]
    assert done[-1]["request_id"] == "desk-7"
    assert all(each["request_id"] for each in done)


async def test_an_adjustment_and_a_programme_name_their_author(staff: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await staff.post("/v1/accounts", json={"customer_id": "c-1"})
    await adjust(staff, 5, "k")
    await staff.put("/v1/programme", json={"programme": {"rates": {"EUR": "2"}}})
    assert await rows(engine, "SELECT actor FROM adjustment") == [{"actor": "kim"}]
    assert await rows(engine, "SELECT published_by AS by FROM programme WHERE version = 2") == [{"by": "kim"}]


async def test_the_audit_trail_can_not_be_changed(staff: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await staff.post("/v1/accounts", json={"customer_id": "c-1"})
    with pytest.raises(asyncpg.RestrictViolationError):
        async with engine.begin() as connection:
            await fetch(connection, "UPDATE audit SET actor = 'somebody else'")


async def test_an_idempotency_key_belongs_to_its_caller(staff: httpx.AsyncClient, till: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "1"}
    first = await till.post("/v1/purchases", json=PURCHASE, headers=key)
    other = await staff.post("/v1/purchases", json={**PURCHASE, "invoice_number": "R-2"}, headers=key)
    assert (first.status_code, other.status_code) == (201, 201)
    assert other.json()["invoice_number"] == "R-2"


async def test_a_till_does_what_its_key_is_for(till: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    assert (await buy(till)).status_code == 201
    assert refusal(await adjust(till, 5, "k"), 403, "scope-missing")["scope"] == "adjustments:write"
    assert refusal(await till.get("/v1/accounts/c-1"), 403, "scope-missing")["scope"] == "accounts:read"
    refusal(await till.put("/v1/programme", json={}), 403, "scope-missing")
    refusal(await buy(client), 401, "api-key-missing")
    assert (await client.get("/health/ready")).status_code == 200
