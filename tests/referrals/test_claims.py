"""Claims over REST, on the real database: what a friend is told, what staff decide, and what is kept of contact data."""

import asyncio
import hashlib
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.referrals.commands import HearCard
from services.referrals.rules.codes import generate
from services.referrals.service import ReferralsService
from shared.database import create_engine
from tests.referrals.asking import asking, days, refusal, rows, told
from tests.referrals.conftest import CODE, CONTACTS, NOW, Book, claim, code, publish, purchase, refund


@pytest.fixture(autouse=True)
async def _anna(referrals: ReferralsService, book: Book) -> None:
    referrals.clock = lambda: NOW
    await book(code())


async def ask(client: httpx.AsyncClient, friend: str = "ben", spelled: str = CODE, **more: Any) -> httpx.Response:
    headers = {"Idempotency-Key": more.pop("key")} if "key" in more else {}
    return await client.post("/v1/claims", json={"code": spelled, "customer_id": friend, **more}, headers=headers)


# What a friend is told


async def test_a_claim_is_accepted_and_answered_with_what_has_become_of_it(client: httpx.AsyncClient) -> None:
    first = await ask(client, spelled="7k2m 9qfs")
    assert first.status_code == 201
    assert first.json() | {"referral_id": ""} == {
        "referral_id": "",
        "code": CODE,
        "friend_id": "ben",
        "referrer_id": "anna",
        "partner_id": None,
        "status": "claimed",
        "reason": None,
        "detail": None,
        "source": "rest",
        "programme_version": 1,
        "claimed_at": "2026-11-23T12:00:00Z",
        "received_at": "2026-11-23T12:00:00Z",
        "review_until": None,
        "decided_by": None,
        "qualifies_until": "2027-02-21T12:00:00Z",
        "qualified_at": None,
        "hold_until": None,
        "round": 0,
    }
    again = await ask(client)
    assert (again.status_code, again.json()) == (200, first.json())


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"spelled": "4T3H-B7KM"}, "code-unknown"),
        ({"spelled": "7K2M-9QFT"}, "code-unknown"),
        ({"friend": "anna"}, "own-code"),
        ({"friend": "ben", "email": "ANNA+shop@googlemail.com"}, "same-email"),
        ({"friend": "ben", "phone": "030 / 901820"}, "same-phone"),
        ({"friend": "ben", "card_number": "4711"}, "same-card"),
        ({"friend": "carl"}, "bought-before"),
    ],
)
async def test_a_refused_claim_is_an_answer_that_says_why(
    client: httpx.AsyncClient, book: Book, said: dict[str, str], reason: str
) -> None:
    await book(HearCard("4711", "anna"), purchase("R-0", customer="carl"))
    await ask(client, "anna", "ANNA", email="anna@gmail.com", phone="+49 30 901820")
    answer = await ask(client, **said)
    assert answer.status_code == 201
    assert (answer.json()["status"], answer.json()["reason"]) == ("rejected", reason)
    assert answer.json()["detail"] not in {None, reason}


async def test_a_friend_who_was_refused_may_claim_again_and_is_referred_once(
    client: httpx.AsyncClient, book: Book
) -> None:
    await book(code("carl", "4T3H-B7KM"))
    assert (await ask(client, spelled="2222-2222")).json()["reason"] == "code-unknown"
    assert (await ask(client)).json()["status"] == "claimed"
    assert (await ask(client, spelled="4T3H-B7KM")).json()["reason"] == "referred-already"
    referrers = [each["code"] for each in (await client.get("/v1/claims", params={"friend_id": "ben"})).json()["data"]]
    assert sorted(referrers) == ["2222-2222", "4T3H-B7KM", CODE]


async def test_a_claim_may_have_happened_earlier_but_not_tomorrow(client: httpx.AsyncClient, book: Book) -> None:
    await book(purchase("R-1", at=-1))
    earlier = await ask(client, claimed_at=(NOW - days(1)).isoformat())
    assert (earlier.json()["status"], earlier.json()["round"]) == ("qualified", 1)
    refusal(await ask(client, "carl", claimed_at=(NOW + days(2)).isoformat()), 422, "claimed-in-future")


async def test_under_a_key_a_claim_is_answered_as_the_first_time(client: httpx.AsyncClient) -> None:
    said = {"email": "ben@shop.example", "key": "k"}
    first = await ask(client, spelled="4T3H-B7KM", **said)
    again = await ask(client, spelled="4T3H-B7KM", **said)
    assert (again.status_code, again.json()) == (201, first.json())
    refusal(await ask(client, spelled=CODE, **said), 409, "idempotency-key-reused")


async def test_of_a_hundred_claims_at_once_one_counts(
    client: httpx.AsyncClient, book: Book, referrals_url: str, engine: AsyncEngine
) -> None:
    names = [spelled for spelled in (generate() for _ in range(10)) if spelled != CODE]
    await book(*(code(f"referrer-{place}", spelled) for place, spelled in enumerate(names)))
    other = ReferralsService(create_engine(referrals_url, name="other", pool_size=5), contacts=CONTACTS)
    async with asking(other) as elsewhere:
        both = [client, elsewhere]
        answers = await asyncio.gather(*(ask(both[n % 2], spelled=names[n % len(names)]) for n in range(100)))
    await other.close()
    live = await rows(engine, "SELECT referral_id FROM referral WHERE status <> 'rejected'")
    assert {each.json()["referral_id"] for each in answers if each.json()["status"] == "claimed"} == {
        each["referral_id"] for each in live
    }
    assert {each.json()["reason"] for each in answers} == {None, "referred-already"}
    assert len(live) == 1


# What is kept

BEN = {"email": "ben.secret@shop.example", "phone": "+4930123456", "address": "203.0.113.77"}


async def test_contact_data_stands_nowhere(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    answer = await ask(client, card_number="4711", key="k", **BEN)
    shown = await client.get(f"/v1/claims/{answer.json()['referral_id']}")
    tables = await rows(engine, "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'")
    kept = [str(row) for each in tables for row in await rows(engine, f'SELECT * FROM "{each["name"]}"')]
    everything = " ".join([answer.text, shown.text, *kept])
    assert [said for said in ("ben.secret", "30123456", "203.0.113") if said in everything] == []


async def test_a_stored_request_can_not_be_tried_against_a_list_of_addresses(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    body = {"code": CODE, "customer_id": "ben", "email": BEN["email"]}
    await ask(client, email=BEN["email"], key="k")
    plain = b"\n".join((b"POST", b"/v1/claims", orjson.dumps(body, option=orjson.OPT_SORT_KEYS)))
    (stored,) = await rows(engine, "SELECT fingerprint FROM stored_answer")
    assert stored["fingerprint"] != hashlib.sha256(plain).digest()


# Staff


async def held(client: httpx.AsyncClient, engine: AsyncEngine, *friends: str) -> dict[str, str]:
    """Claims that are held for review, since none from an address is accepted at once after the first."""
    await publish(engine, claims_per_address=1, review_days=3)
    await ask(client, "first", address="1.2.3.4")
    answers = {friend: (await ask(client, friend, address="1.2.3.4")).json() for friend in friends}
    assert {each["reason"] for each in answers.values()} == {"many-from-address"}
    return {friend: each["referral_id"] for friend, each in answers.items()}


async def test_staff_see_what_waits_for_them_by_its_deadline(
    client: httpx.AsyncClient, engine: AsyncEngine, referrals: ReferralsService
) -> None:
    await held(client, engine, "ben")
    referrals.clock = lambda: NOW - days(1)
    await ask(client, "carl", address="1.2.3.4")
    found: list[tuple[str, str]] = []
    cursor: str | None = None
    while cursor is not None or not found:
        params = {"status": "review", "limit": "1"} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/v1/claims", params=params)).json()
        found += [(each["friend_id"], each["review_until"][:10]) for each in page["data"]]
        cursor = page["next_cursor"]
    assert found == [("carl", "2026-11-25"), ("ben", "2026-11-26")]


async def test_staff_accept_and_the_purchase_counts(client: httpx.AsyncClient, engine: AsyncEngine, book: Book) -> None:
    claims = await held(client, engine, "ben")
    await book(purchase("R-1", at=1))
    path = f"/v1/claims/{claims['ben']}"
    assert (await client.get(path)).json()["status"] == "review"
    answers = [await client.post(f"{path}/accept") for _ in range(2)]
    assert [each.status_code for each in answers] == [201, 200]
    found = (await client.get(path)).json()
    assert (found["status"], found["decided_by"]) == ("qualified", "open API")
    assert found["purchase"] == {
        "shop_id": "shop",
        "invoice_number": "R-1",
        "occurred_at": "2026-11-23T13:00:00Z",
        "currency": "EUR",
        "amount": "100.0000",
        "taken_back": "0.0000",
    }
    assert [(each["side"], each["status"], each["due_at"]) for each in found["rewards"]] == [
        ("friend", "given", None),
        ("referrer", "held", "2026-12-07T13:00:00Z"),
    ]


async def test_staff_reject_with_a_reason_whatever_became_of_it(client: httpx.AsyncClient, book: Book) -> None:
    await book(claim(), purchase())
    path = "/v1/claims/ben claims 7K2M-9QFS"
    answers = [await client.post(f"{path}/reject", json={"reason": "a family of five"}) for _ in range(2)]
    assert [each.status_code for each in answers] == [201, 200]
    found = (await client.get(path)).json()
    assert (found["status"], found["reason"], found["detail"]) == ("rejected", "a family of five", "a family of five")
    assert [each["status"] for each in found["rewards"]] == ["reversed", "cancelled"]
    refusal(await client.post(f"{path}/accept"), 409, "claim-rejected")
    refusal(await client.post(f"{path}/reject"), 422, "request-invalid")


async def test_after_the_deadline_it_is_too_late_to_accept(
    client: httpx.AsyncClient, engine: AsyncEngine, referrals: ReferralsService
) -> None:
    claims = await held(client, engine, "ben")
    referrals.clock = lambda: NOW + days(3)
    refusal(await client.post(f"/v1/claims/{claims['ben']}/accept"), 409, "claim-rejected")
    assert (await client.get(f"/v1/claims/{claims['ben']}")).json()["reason"] == "review-over"
    assert ("ben", "referral.rejected") in await told(engine)


async def test_a_claim_that_was_taken_back_shows_no_purchase(client: httpx.AsyncClient, book: Book) -> None:
    await book(claim(), purchase(), refund())
    found = (await client.get("/v1/claims/ben claims 7K2M-9QFS")).json()
    assert (found["status"], found["purchase"], found["round"]) == ("claimed", None, 1)


@pytest.mark.parametrize("deed", ["", "/accept", "/reject"])
async def test_a_claim_that_is_none_is_unknown(client: httpx.AsyncClient, deed: str) -> None:
    method, body = ("POST", {"reason": "r"}) if deed else ("GET", None)
    refusal(await client.request(method, f"/v1/claims/none{deed}", json=body), 404, "claim-unknown")


# Lists


async def test_claims_are_listed_by_what_they_are_about(client: httpx.AsyncClient, book: Book) -> None:
    await book(code("carl", "4T3H-B7KM"), claim(), claim("dora", "4T3H-B7KM"), claim("dora", CODE, name="late"))

    async def listed(**params: str) -> set[tuple[str, str]]:
        found = (await client.get("/v1/claims", params=params)).json()["data"]
        return {(each["friend_id"], each["status"]) for each in found}

    assert await listed() == {("ben", "claimed"), ("dora", "claimed"), ("dora", "rejected")}
    assert await listed(referrer_id="anna") == {("ben", "claimed"), ("dora", "rejected")}
    assert await listed(status="rejected") == {("dora", "rejected")}
    assert await listed(status="claimed", friend_id="dora", referrer_id="carl") == {("dora", "claimed")}
    assert await listed(friend_id="nobody") == set()
    refusal(await client.get("/v1/claims", params={"status": "lost"}), 422, "request-invalid")
