"""Coupons over REST, as tills and staff ask for them."""

import httpx

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
