"""Codes, customers and the programme over REST, on the real database."""

import asyncio
import datetime as dt
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.referrals import decisions
from services.referrals.answers import REFUSALS
from services.referrals.commands import HearMerge, MakeCode
from services.referrals.service import ReferralsService
from shared.api_keys import ALL
from shared.database import create_engine
from tests.asking import refusal_codes
from tests.referrals.asking import asking, asking_with_key, days, pointers, refusal, rows
from tests.referrals.conftest import CODE, CONTACTS, NOW, Book, claim, code, purchase


@pytest.fixture(autouse=True)
def _clock(referrals: ReferralsService) -> None:
    referrals.clock = lambda: NOW


async def make(client: httpx.AsyncClient, customer: str = "anna", **more: Any) -> httpx.Response:
    return await client.post("/v1/codes", json={"customer_id": customer, **more})


# Codes


async def test_a_customer_has_one_code(client: httpx.AsyncClient) -> None:
    first, again = await make(client), await make(client)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    code = first.json()["code"]
    assert first.json() == {
        "code": code,
        "kind": "generated",
        "customer_id": "anna",
        "partner_id": None,
        "created_at": "2026-11-23T12:00:00Z",
        "retired_at": None,
        "link": f"https://shop.example/?code={code}",
    }


@pytest.mark.parametrize("spelled", ["7K2M-9QFS", "7k2m9qfs", "7K2M 9QFS", " 7k-2m-9q-fs"])
async def test_a_code_is_found_however_it_is_spelled(client: httpx.AsyncClient, book: Book, spelled: str) -> None:
    await book(code())
    answer = await client.get(f"/v1/codes/{spelled}")
    assert (answer.json()["code"], answer.json()["customer_id"]) == (CODE, "anna")


@pytest.mark.parametrize("spelled", ["4T3H-B7KM", "7K2M-9QFT", "no code at all", "ANNA"])
async def test_a_code_that_nobody_has_is_unknown(client: httpx.AsyncClient, book: Book, spelled: str) -> None:
    await book(code())
    refusal(await client.get(f"/v1/codes/{spelled}"), 404, "code-unknown")


async def test_a_drawn_code_that_is_somebody_elses_is_drawn_again(book: Book, engine: AsyncEngine) -> None:
    await book(code())
    (outcome,) = await book(MakeCode("carl", CODE, ("4T3H-B7KM",)))
    assert outcome.named is not None
    assert outcome.named.code == "4T3H-B7KM"
    (none_left,) = await book(MakeCode("dora", CODE, ("4T3H-B7KM",)))
    assert none_left.code == "code-taken"
    assert await rows(engine, f"SELECT customer_id FROM code WHERE code = '{CODE}'") == [{"customer_id": "anna"}]


async def test_a_customer_may_choose_a_code_beside_it_and_another_one_later(client: httpx.AsyncClient) -> None:
    drawn = (await make(client)).json()["code"]
    chosen = await make(client, vanity="anna loves wine")
    assert (chosen.status_code, chosen.json()["code"], chosen.json()["kind"]) == (201, "ANNALOVESWINE", "vanity")
    assert (await make(client, vanity="Anna-Loves-Wine")).status_code == 200
    await make(client, vanity="ANNAS CELLAR")
    listed = (await client.get("/v1/codes", params={"customer_id": "anna"})).json()["data"]
    assert {each["code"]: each["retired_at"] is None for each in listed} == {
        drawn: True,
        "ANNALOVESWINE": False,
        "ANNASCELLAR": True,
    }


async def test_a_chosen_code_is_one_customers(client: httpx.AsyncClient) -> None:
    await make(client, vanity="WINE")
    problem = refusal(await make(client, "ben", vanity="w1ne"), 409, "code-taken")
    assert pointers(problem) == {"/vanity"}


@pytest.mark.parametrize("vanity", ["", "abc", "a" * 21, "8letters", "ä-code", "no_such"])
async def test_what_can_be_no_code_is_refused(client: httpx.AsyncClient, vanity: str) -> None:
    assert pointers(refusal(await make(client, vanity=vanity), 422, "vanity-invalid")) == {"/vanity"}


async def test_a_retired_code_claims_nothing_and_its_customer_gets_another(client: httpx.AsyncClient) -> None:
    old = (await make(client)).json()["code"]
    path = f"/v1/codes/{old}/retire"
    answers = [await client.post(path, json={"reason": "leaked"}) for _ in range(2)]
    assert [each.status_code for each in answers] == [201, 200]
    assert answers[0].json()["retired_at"] == "2026-11-23T12:00:00Z"
    refusal(await client.get(f"/v1/codes/{old}/qr.svg"), 409, "code-retired")
    refusal(await client.get(f"/v1/codes/{old}/texts"), 409, "code-retired")
    refusal(await client.post(f"/v1/codes/{old}/shares", json={"channel": "mail"}), 409, "code-retired")
    claimed = (await client.post("/v1/claims", json={"code": old, "customer_id": "ben"})).json()
    assert (claimed["status"], claimed["reason"]) == ("rejected", "code-retired")
    new = await make(client)
    assert new.status_code == 201
    assert new.json()["code"] != old
    assert (await client.get(f"/v1/codes/{old}")).json()["retired_at"] is not None


async def test_codes_are_listed_page_by_page(client: httpx.AsyncClient) -> None:
    for name in ("WINE", "BEER", "CIDER"):
        await make(client, vanity=name)
    found: list[str] = []
    cursor: str | None = None
    while cursor is not None or not found:
        params = {"customer_id": "anna", "limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/v1/codes", params=params)).json()
        found += [each["code"] for each in page["data"]]
        cursor = page["next_cursor"]
    assert found == ["BEER", "CIDER", "WINE"]
    refusal(await client.get("/v1/codes", params={"customer_id": "anna", "cursor": "x"}), 422, "cursor-invalid")


async def test_the_link_is_a_picture(client: httpx.AsyncClient, book: Book) -> None:
    await book(code())
    answer = await client.get(f"/v1/codes/{CODE}/qr.svg")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.text.startswith("<?xml")
    assert CODE in answer.text


@pytest.mark.parametrize(
    ("params", "header", "language", "begins"),
    [
        ({}, "", "en", "Hello,"),
        ({}, "de-AT,en;q=0.5", "de", "Hallo,"),
        ({"language": "en"}, "de", "en", "Hello,"),
        ({"language": "fr"}, "de", "en", "Hello,"),
        ({"channel": "chat"}, "de", "de", "Ich kaufe hier gern ein."),
    ],
)
async def test_texts_are_in_the_language_of_the_reader(
    client: httpx.AsyncClient, book: Book, params: dict[str, str], header: str, language: str, begins: str
) -> None:
    await book(code())
    headers = {"Accept-Language": header}
    answer = await client.get(f"/v1/codes/{CODE.lower()}/texts", params=params, headers=headers)
    text = answer.json()
    assert (text["language"], answer.headers["content-language"]) == (language, language)
    assert text["text"].startswith(begins)
    assert text["link"] == f"https://shop.example/?code={CODE}"
    assert text["link"] in text["text"]
    assert (text["subject"] is None) is (text["channel"] == "chat")


async def test_shares_are_counted_by_channel_and_under_a_key_once(
    client: httpx.AsyncClient, book: Book, engine: AsyncEngine
) -> None:
    await book(code())
    for channel, key in (("mail", "1"), ("mail", "1"), ("mail", "2"), ("chat", "3")):
        path, headers = f"/v1/codes/{CODE}/shares", {"Idempotency-Key": key}
        answer = await client.post(path, json={"channel": channel}, headers=headers)
        assert answer.status_code == 201
    counted = await rows(engine, 'SELECT channel, shares, "on" FROM share ORDER BY channel')
    today = dt.date(2026, 11, 23)
    assert counted == [
        {"channel": "chat", "shares": 1, "on": today},
        {"channel": "mail", "shares": 2, "on": today},
    ]


async def test_who_guesses_codes_is_told_nothing_for_a_while(client: httpx.AsyncClient, book: Book) -> None:
    await book(code())
    for place in range(30):
        wrong = f"GUESS{chr(65 + place % 26)}{'AB'[place // 26]}"
        refusal(await client.get(f"/v1/codes/{wrong}"), 404, "code-unknown")
    answer = await client.get(f"/v1/codes/{CODE}")
    refusal(answer, 429, "guesses-too-many")
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    refusal(await client.post("/v1/claims", json={"code": CODE, "customer_id": "ben"}), 429, "guesses-too-many")


async def test_a_slip_of_the_pen_is_no_guess(client: httpx.AsyncClient, book: Book) -> None:
    await book(code())
    for _ in range(40):
        refusal(await client.get("/v1/codes/7K2M-9QFT"), 404, "code-unknown")
    assert (await client.get(f"/v1/codes/{CODE}")).status_code == 200


async def test_whoever_asks_at_once_gets_one_code(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(make(client) for _ in range(20)))
    assert sorted(each.status_code for each in answers) == [200] * 19 + [201]
    assert len({each.json()["code"] for each in answers}) == 1


async def test_of_two_processes_in_which_a_code_is_chosen_at_once_one_gives_it(
    client: httpx.AsyncClient, referrals_url: str
) -> None:
    other = ReferralsService(create_engine(referrals_url, name="other", pool_size=5), contacts=CONTACTS)
    async with asking(other) as elsewhere:
        for name in ("WINE", "BEER", "CIDER"):
            answers = await asyncio.gather(make(client, "anna", vanity=name), make(elsewhere, "ben", vanity=name))
            assert sorted(each.status_code for each in answers) == [201, 409]
    await other.close()


# Customers


async def test_a_customer_sees_what_their_recommendations_came_to(client: httpx.AsyncClient, book: Book) -> None:
    await book(code("zoe", "4T3H-B7KM"), code(), claim("anna", "4T3H-B7KM", at=-9))
    await book(claim("ben"), claim("carl"), purchase("R-1", customer="ben"), claim("ben", name="twice", at=-1))
    found = (await client.get("/v1/customers/anna")).json()
    assert [each["code"] for each in found["codes"]] == [CODE]
    assert (found["referred_by"]["referrer_id"], found["referred_by"]["status"]) == ("zoe", "claimed")
    assert found["referrals"] == {"review": 0, "claimed": 1, "qualified": 1, "rewarded": 0, "rejected": 0}
    assert (found["given"], found["waiting"]) == ({"rewards": 0, "points": 0}, {"rewards": 1, "points": 500})
    (reward,) = found["rewards"]
    assert reward["reward"] == {"kind": "points", "points": 500}
    assert (reward["status"], reward["due_at"]) == ("held", "2026-12-07T11:00:00Z")
    ben = (await client.get("/v1/customers/ben")).json()
    assert (ben["given"], ben["referred_by"]["status"]) == ({"rewards": 1, "points": 200}, "qualified")


async def test_a_customer_who_was_merged_is_seen_as_the_one_they_are(client: httpx.AsyncClient, book: Book) -> None:
    await book(code(), claim("ben"))
    await book(HearMerge("anna", "anne"))
    found = (await client.get("/v1/customers/anna")).json()
    assert (found["customer_id"], found["referrals"]["claimed"]) == ("anne", 1)
    assert found == (await client.get("/v1/customers/anne")).json()
    assert (await client.get(f"/v1/codes/{CODE}")).json()["customer_id"] == "anne"
    (claimed,) = (await client.get("/v1/claims", params={"referrer_id": "anne"})).json()["data"]
    assert claimed["friend_id"] == "ben"


async def test_a_customer_of_whom_nothing_was_heard_is_unknown(client: httpx.AsyncClient) -> None:
    refusal(await client.get("/v1/customers/nobody"), 404, "customer-unknown")


# The programme


async def test_a_programme_is_published_once(client: httpx.AsyncClient) -> None:
    draft = {"programme": {"minimum": "30.00", "referrer": None}}
    first, again = [await client.put("/v1/programme", json=draft) for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 200)
    assert (await client.get("/v1/programme")).json() == first.json() == again.json()
    listed = (await client.get("/v1/programme/versions")).json()["data"]
    assert [each["version"] for each in listed] == [2, 1]
    assert (await client.get("/v1/programme/versions/2")).json()["programme"]["minimum"] == "30.00"
    refusal(await client.get("/v1/programme/versions/3"), 404, "version-unknown")


async def test_versions_and_drafts_are_compared(client: httpx.AsyncClient) -> None:
    await client.put("/v1/programme", json={"programme": {"minimum": "30.00"}})
    difference = {"pointer": "/minimum", "before": "20.00", "after": "30.00"}
    between = await client.get("/v1/programme/diff", params={"before": 1, "after": 2})
    assert between.json() == {"data": [difference]}
    draft = await client.post("/v1/programme/diff", json={"programme": {"minimum": "40.00"}})
    assert draft.json() == {"data": [difference | {"before": "30.00", "after": "40.00"}]}


@pytest.mark.parametrize(
    ("programme", "code", "where"),
    [
        ({"link": "https://shop.example/"}, "programme-faulty", "/programme/link"),
        ({"default_language": "fr"}, "programme-faulty", "/programme/default_language"),
        ({"minimum": 20}, "request-invalid", "/programme/minimum"),
        ({"friends": None}, "request-invalid", "/programme/friends"),
    ],
)
async def test_a_programme_that_is_wrong_is_refused_with_the_field(
    client: httpx.AsyncClient, programme: dict[str, Any], code: str, where: str
) -> None:
    answer = await client.put("/v1/programme", json={"programme": programme})
    assert pointers(refusal(answer, 422, code)) == {where}


async def test_no_programme_changes_the_past(client: httpx.AsyncClient) -> None:
    draft = {"programme": {"referrer": None}, "valid_from": (NOW - days(1)).isoformat()}
    refusal(await client.put("/v1/programme", json=draft), 422, "valid-from-past")


# Who asks


async def test_every_post_takes_a_key(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    posts = {path: each["post"] for path, each in document["paths"].items() if "post" in each}
    for path, operation in posts.items():
        if path != "/v1/programme/diff":
            assert "Idempotency-Key" in {each["name"] for each in operation["parameters"]}, path


def test_every_refusal_has_its_status() -> None:
    codes = refusal_codes(decisions)
    assert len(codes) > 5
    assert codes <= REFUSALS.keys()


async def test_a_key_does_what_its_scopes_say_and_its_deeds_are_written_down(
    referrals: ReferralsService, engine: AsyncEngine
) -> None:
    async with asking_with_key(referrals, "shop", "referrals:read", "referrals:write") as shop:
        name = (await make(shop)).json()["code"]
        claimed = (await shop.post("/v1/claims", json={"code": name, "customer_id": "ben"})).json()["referral_id"]
        problem = refusal(await shop.post(f"/v1/claims/{claimed}/accept"), 403, "scope-missing")
        assert problem["scope"] == "referrals:review"
        refusal(await shop.put("/v1/programme", json={"programme": {}}), 403, "scope-missing")
    async with asking_with_key(referrals, "kim", ALL) as staff:
        await staff.post(f"/v1/claims/{claimed}/reject", json={"reason": "a family of five"})
        await staff.post(f"/v1/codes/{name}/retire", json={"reason": "leaked"})
        await staff.put("/v1/programme", json={"programme": {"minimum": "5.00"}})
    deeds = await rows(
        engine, "SELECT actor, action, subject, reason FROM audit WHERE action NOT LIKE 'key%' ORDER BY id"
    )
    assert [tuple(each.values()) for each in deeds] == [
        ("shop", "code.make", "anna", None),
        ("shop", "code.claim", f"{name} for ben", None),
        ("kim", "claim.reject", claimed, "a family of five"),
        ("kim", "code.retire", name, "leaked"),
        ("kim", "programme.publish", "version 2", None),
    ]
