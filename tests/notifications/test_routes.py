"""Coupons over REST, as tills and staff ask for them."""

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.asking import rows
from tests.notifications.conftest import Book, purchase

TERMS = {"value": {"kind": "money_voucher", "amount": "5.00", "currency": "EUR", "minimum": "20.00"}, "valid_days": 30}


def goods(amount: str, *more: dict[str, str], **basket: str) -> dict[str, object]:
    """A basket of wine, and what else lies in it."""
    return {"currency": "EUR", "lines": [{"category": "wine", "amount": amount}, *more], **basket}


async def issued(client: httpx.AsyncClient, key: str = "k-1") -> str:
    body = {"customer_id": "anna", "terms": TERMS | {"code_prefix": "XMAS"}}
    answer = await client.post("/v1/coupons", json=body, headers={"Idempotency-Key": key})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["code"])


async def test_check_reserve_redeem_release(client: httpx.AsyncClient) -> None:
    code = await issued(client)
    path = f"/v1/coupons/{code.lower().replace('-', ' ')}"
    checked = (await client.post(f"{path}/check", json={"basket": goods("19.99")})).json()
    assert (checked["usable"], checked["reason"]) == (False, "minimum-missed")
    basket = {"reservation": "basket-1", "seconds": 60}
    assert [(await client.post(f"{path}/reserve", json=basket)).status_code for _ in range(2)] == [201, 200]
    checked = (await client.post(f"{path}/check", json={"basket": goods("20.00")})).json()
    assert (checked["usable"], checked["reason"]) == (False, "coupon-reserved")
    assert (await client.post(f"{path}/release", json={"reservation": "basket-1"})).status_code == 201
    purchase = {"shop_id": "shop", "invoice_number": "R-1"}
    assert [(await client.post(f"{path}/redeem", json=purchase)).status_code for _ in range(2)] == [201, 200]
    other = await client.post(f"{path}/redeem", json=purchase | {"invoice_number": "R-2"})
    assert (other.status_code, other.json()["code"]) == (409, "coupon-redeemed")
    shown = (await client.get(path)).json()
    assert (shown["status"], shown["invoice_number"]) == ("redeemed", "R-1")


async def test_the_same_key_issues_one_coupon(client: httpx.AsyncClient) -> None:
    assert await issued(client) == await issued(client)
    assert len((await client.get("/v1/coupons?customer_id=anna")).json()["data"]) == 1


async def test_what_nobody_knows_is_said(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/coupons/XMAS-7K2M-9QF4-T3HJ")
    assert (answer.status_code, answer.json()["code"]) == (404, "code-unknown")
    checked = (await client.post("/v1/coupons/XMAS/check", json={})).json()
    assert checked == {"usable": False, "reason": "code-unknown", "worth": None, "coupon": None}


async def test_what_staff_take_back_is_void(client: httpx.AsyncClient) -> None:
    code = await issued(client)
    assert (await client.post(f"/v1/coupons/{code}/void", json={"reason": "by mistake"})).status_code == 201
    refused = await client.post(f"/v1/coupons/{code}/reserve", json={"reservation": "b"})
    assert (refused.status_code, refused.json()["code"]) == (409, "coupon-voided")


async def test_coupons_are_listed_page_by_page(client: httpx.AsyncClient) -> None:
    codes = {await issued(client, f"k-{number}") for number in range(5)}
    seen: set[str] = set()
    cursor: str | None = ""
    while cursor is not None:
        page = (await client.get(f"/v1/coupons?customer_id=anna&limit=2{cursor}")).json()
        seen |= {each["code"] for each in page["data"]}
        cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else None
    assert seen == codes


# Codes for everybody


async def made(client: httpx.AsyncClient, code: str | None = "Summer-26", **terms: object) -> str:
    draft = {"value": {"kind": "percentage_voucher", "percent": "10"}, **terms} | ({"code": code} if code else {})
    answer = await client.post(
        "/v1/coupons/shared", json=draft, headers={"Idempotency-Key": f"shared {code}".replace(" ", "-")}
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["code"])


async def test_a_code_for_everybody_from_its_making_to_its_end(client: httpx.AsyncClient) -> None:
    budget = {"uses": 3, "money": {"amount": "20.00", "currency": "EUR"}, "per_customer": 1}
    assert await made(client, categories=["wine"], budget=budget) == "SUMMER26"
    path, basket = "/v1/coupons/summer 26", goods("50.00", {"category": "books", "amount": "30.00"}, customer_id="anna")
    checked = (await client.post(f"{path}/check", json={"basket": basket})).json()
    assert (checked["usable"], checked["worth"], checked["coupon"]["origin"]) == (True, "5.00", "shared")
    keep = {"reservation": "b-1", "basket": basket}
    assert [(await client.post(f"{path}/reserve", json=keep)).status_code for _ in range(2)] == [201, 200]
    assert (await client.post(f"{path}/check", json={"basket": basket})).json()["reason"] == "customer-had-it"
    for asked in ({"basket": basket, "reservation": "b-1"}, {"reservation": "b-1"}):
        assert (await client.post(f"{path}/check", json=asked)).json()["usable"]
    purchase = {"shop_id": "shop", "invoice_number": "R-1", "reservation": "b-1"}
    taken = [await client.post(f"{path}/redeem", json=purchase) for _ in range(2)]
    assert [each.status_code for each in taken] == [201, 200]
    assert taken[0].json() == taken[1].json() | {"reserved_until": None}
    assert [taken[0].json()[name] for name in ("status", "worth", "customer_id")] == ["redeemed", "5.00", "anna"]
    refused = await client.post(f"{path}/redeem", json={"shop_id": "shop", "invoice_number": "R-2", "basket": basket})
    assert (refused.status_code, refused.json()["code"]) == (409, "customer-had-it")
    ends = [await client.post("/v1/coupons/shared/SUMMER26/end", json={"reason": "sold out"}) for _ in range(2)]
    assert [each.status_code for each in ends] == [201, 200]
    shown = (await client.get("/v1/coupons/shared/SUMMER26")).json()
    assert (shown["status"], shown["used"], shown["reason"]) == ("ended", {"uses": 1, "amount": "5.00"}, "sold out")
    assert (await client.post(f"{path}/check", json={})).json()["reason"] == "coupon-voided"
    assert [each["code"] for each in (await client.get("/v1/coupons/shared")).json()["data"]] == ["SUMMER26"]


async def test_what_staff_and_tills_did_stands_in_the_audit_trail(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    code = await made(client)
    for _ in range(2):
        await client.post(f"/v1/coupons/{code}/reserve", json={"reservation": "b-1"})
        await client.post(f"/v1/coupons/shared/{code}/end", json={"reason": "sold out"})
    found = await rows(engine, "SELECT action, subject, reason FROM audit ORDER BY id")
    assert [tuple(each.values()) for each in found] == [
        ("shared-code.create", "SUMMER26", None),
        ("coupon.reserve", "SUMMER26 for b-1", None),
        ("shared-code.end", "SUMMER26", "sold out"),
    ]


async def test_several_codes_for_one_basket_are_priced_together(client: httpx.AsyncClient) -> None:
    money = {"kind": "money_voucher", "amount": "5.00", "currency": "EUR"}
    five = await made(client, "FIVE", value=money, stacks=True)
    half = await made(client, "HALF", value={"kind": "percentage_voucher", "percent": "50"}, stacks=True)
    wine = await made(client, "WINE", stacks=True, categories=["wine"])
    personal = await issued(client)
    basket = goods("40.00", {"category": "books", "amount": "60.00"})
    asked = {"codes": [five, half, wine, "NOWHERE"], "basket": basket}
    answer = (await client.post("/v1/coupons/check", json=asked)).json()
    assert [(each["code"], each["worth"], each["reason"]) for each in answer["data"]] == [
        ("FIVE", "5.00", None),
        ("HALF", "50.00", None),
        ("WINE", "2.00", None),
        ("NOWHERE", None, "code-unknown"),
    ]
    assert answer["worth"] == "57.00"
    mixed = (await client.post("/v1/coupons/check", json={"codes": [five, personal]})).json()["data"]
    assert [each["reason"] for each in mixed] == [None, "coupon-not-combinable"]


async def test_what_a_check_says_of_several_codes_is_what_each_is_redeemed_for(client: httpx.AsyncClient) -> None:
    for code in ("ONE", "TWO"):
        await made(client, code, stacks=True)
    basket = goods("100.00")
    said = (await client.post("/v1/coupons/check", json={"codes": ["ONE", "TWO"], "basket": basket})).json()
    purchase = {"shop_id": "shop", "invoice_number": "R-1", "basket": basket}
    found = [
        (await client.post(f"/v1/coupons/{code}/redeem", json=purchase)).json()["worth"] for code in ("ONE", "TWO")
    ]
    assert found == [each["worth"] for each in said["data"]] == ["10.00", "9.00"]


async def test_a_personal_coupon_keeps_its_categories_and_stacks(client: httpx.AsyncClient) -> None:
    terms = TERMS | {"categories": ["wine"], "stacks": True}
    body = {"customer_id": "anna", "terms": terms}
    code = (await client.post("/v1/coupons", json=body, headers={"Idempotency-Key": "k"})).json()["code"]
    await made(client, "WINE", stacks=True, categories=["wine"])
    books = {"currency": "EUR", "lines": [{"category": "books", "amount": "30.00"}]}
    assert (await client.post(f"/v1/coupons/{code}/check", json={"basket": books})).json()[
        "reason"
    ] == "nothing-eligible"
    both = {"codes": [code, "WINE"], "basket": goods("50.00", customer_id="anna")}
    assert (await client.post("/v1/coupons/check", json=both)).json()["worth"] == "10.00"
    other = {"basket": goods("50.00", customer_id="ben")}
    assert (await client.post(f"/v1/coupons/{code}/check", json=other)).json()["reason"] == "coupon-of-another"


async def test_who_guesses_codes_is_told_nothing_for_a_while(client: httpx.AsyncClient) -> None:
    await made(client)
    for number in range(30):
        kind = ("check", "redeem", "reserve")[number % 3]
        body = {"shop_id": "shop", "invoice_number": "R-1", "reservation": "b-1"}
        await client.post(f"/v1/coupons/WORD{number}/{kind}", json=body)
    for answer in (
        await client.get("/v1/coupons/SUMMER26"),
        await client.post("/v1/coupons/SUMMER26/check", json={}),
        await client.post("/v1/coupons/check", json={"codes": ["SUMMER26"]}),
        await client.post("/v1/coupons/SUMMER26/redeem", json={"shop_id": "shop", "invoice_number": "R-1"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (429, "guesses-too-many")
        assert 1 <= int(answer.headers["Retry-After"]) <= 60


async def test_what_was_over_the_budget_stands_among_the_uses(client: httpx.AsyncClient, book: Book) -> None:
    code = await made(client, budget={"uses": 1})
    await book(purchase("R-1", code), purchase("R-2", code), purchase("R-3", code))
    seen: list[tuple[str, str, str | None]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await client.get(f"/v1/coupons/{code}/uses?limit=2{cursor}")).json()
        seen += [(each["invoice_number"], each["status"], each["reason"]) for each in page["data"]]
        cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else None
    assert seen == [
        ("R-1", "redeemed", None),
        ("R-2", "conflict", "budget-exhausted"),
        ("R-3", "conflict", "budget-exhausted"),
    ]
    conflicts = (await client.get(f"/v1/coupons/{code}/uses?status=conflict")).json()["data"]
    assert [each["invoice_number"] for each in conflicts] == ["R-2", "R-3"]


async def test_a_code_for_everybody_is_not_taken_back_from_one(client: httpx.AsyncClient) -> None:
    code = await made(client, None, code_prefix="XMAS")
    assert code.startswith("XMAS-")
    refused = await client.post(f"/v1/coupons/{code}/void", json={"reason": "by mistake"})
    assert (refused.status_code, refused.json()["code"]) == (409, "code-shared")


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"valid_from": "2026-06-01T00:00:00Z", "valid_until": "2026-06-01T00:00:00Z"}, "validity-empty"),
        ({"budget": {"money": {"amount": "50", "currency": "USD"}}}, "currency-differs"),
    ],
)
async def test_terms_that_do_not_fit_together_are_refused(
    client: httpx.AsyncClient, terms: dict[str, object], code: str
) -> None:
    value = {"kind": "money_voucher", "amount": "5.00", "currency": "EUR"}
    answer = await client.post("/v1/coupons/shared", json={"value": value, **terms}, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["code"]) == (422, code)
