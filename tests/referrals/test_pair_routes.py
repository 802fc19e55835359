"""Offers and pairs over REST: kept by staff, open or not for a customer, and a life that both and staff can look at."""

import datetime as dt
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.referrals.answers import REFUSALS
from services.referrals.app import create_app
from services.referrals.commands import HearMerge, HearTier
from services.referrals.jobs import jobs
from services.referrals.pairs.schemas import OFFER
from services.referrals.service import ReferralsService
from services.referrals.settings import ReferralsSettings
from shared.database import create_engine
from tests.referrals.asking import pairs, rows
from tests.referrals.conftest import CONTACTS, NOW, Book, accept, invite, offer, purchase

DRAFT = {"offer_id": "winter", **OFFER}
DAY = dt.timedelta(days=1)
INVITATION = {"offer_id": "winter", "customer_id": "anna"}


def keyed(name: str) -> dict[str, str]:
    return {"Idempotency-Key": name}


async def begun(client: httpx.AsyncClient, name: str = "k-1", **more: Any) -> dict[str, Any]:
    answer = await client.post("/v1/pairs", json=INVITATION | more, headers=keyed(name))
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_an_offer_is_kept_changed_and_taken_back(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    created = await client.post("/v1/offers", json=DRAFT)
    assert (created.status_code, created.json()["pairs_left"]) == (201, 500)
    assert (await client.post("/v1/offers", json=DRAFT)).status_code == 200
    assert (await client.post("/v1/offers", json=DRAFT | {"days": 3})).json()["code"] == "offer-exists"
    assert (await client.put("/v1/offers/winter", json=OFFER | {"days": 3})).status_code == 201
    assert (await client.put("/v1/offers/summer", json=OFFER)).json()["code"] == "offer-unknown"
    faulty = await client.put("/v1/offers/winter", json=OFFER | {"default_language": "fr"})
    assert (faulty.status_code, faulty.json()["errors"][0]["pointer"]) == (422, "/default_language")
    for status in (201, 200):
        assert (await client.post("/v1/offers/winter/retire", json={"reason": "enough"})).status_code == status
    shown = (await client.get("/v1/offers/winter")).json()
    assert (shown["days"], shown["retired_at"] is None) == (3, False)
    assert (await client.get("/v1/offers")).json()["data"] == []
    assert len((await client.get("/v1/offers?retired=true")).json()["data"]) == 1
    deeds = await rows(engine, "SELECT action, subject, reason FROM audit ORDER BY id")
    assert [(each["action"], each["subject"], each["reason"]) for each in deeds] == [
        ("offer.create", "winter", None),
        ("offer.change", "winter", None),
        ("offer.retire", "winter", "enough"),
    ]


async def test_an_offer_says_for_a_customer_whether_it_is_open_and_why_not(
    client: httpx.AsyncClient, book: Book
) -> None:
    later, earlier = (NOW + 9_000 * DAY).isoformat(), (NOW - 9 * DAY).isoformat()
    early: dict[str, Any] = {"valid_from": later, "early_access": {"tiers": ["gold"], "valid_from": earlier}}
    await book(offer("a-few", budget=5), offer("gold", **early), offer("over", valid_until=earlier))
    await book(HearTier("anna", "gold"), HearMerge("old anna", "anna"), invite(of="a-few", at=0), accept(at=0))
    anna = (await client.get("/v1/offers", params={"customer_id": "old anna"})).json()["data"]
    assert [(each["offer_id"], each["customer"]["open"]) for each in anna] == [("a-few", False), ("gold", True)]
    assert anna[0]["customer"] | {"obstacles": []} == {
        "open": False,
        "obstacles": [],
        "pairs": 1,
        "pairs_left": 0,
        "valid_from": None,
    }
    assert [each["code"] for each in anna[0]["customer"]["obstacles"]] == ["offer-limit-reached"]
    stranger = (await client.get("/v1/offers", params={"customer_id": "nobody"})).json()["data"]
    (obstacle,) = stranger[1]["customer"]["obstacles"]
    assert (obstacle["code"], obstacle["early_tiers"]) == ("offer-not-yet", ["gold"])
    assert stranger[0]["customer"]["open"]


async def test_the_life_of_a_pair_is_seen_by_both_and_by_staff(client: httpx.AsyncClient, book: Book) -> None:
    await client.post("/v1/offers", json=DRAFT)
    pair = await begun(client)
    assert (pair["status"], pair["friend_id"], pair["minimum"]) == ("invited", None, "20.00")
    assert pair["link"] == f"https://shop.example/?pair={pair['code']}"
    sent = f"/v1/invitations/{pair['code'].lower().replace('-', ' ')}"
    assert (await client.get(sent)).json()["pair_id"] == pair["pair_id"]
    accepted = await client.post(f"{sent}/accept", json={"friend_id": "ben"})
    assert (accepted.status_code, accepted.json()["status"]) == (201, "accepted")
    assert (await client.post(f"/v1/pairs/{pair['pair_id']}/accept", json={"friend_id": "ben"})).status_code == 200
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    hours = (soon - NOW) / dt.timedelta(hours=1)
    bought = [purchase(f"R-{name}", customer=name, at=hours) for name in ("anna", "ben")]
    await book(*(each._replace(origin=each.origin._replace(received_at=soon)) for each in bought), now=soon)
    for params in ({"customer_id": "anna"}, {"customer_id": "ben"}, {"offer_id": "winter", "status": "completed"}, {}):
        (seen,) = (await client.get("/v1/pairs", params=params)).json()["data"]
        assert (seen["status"], seen["minimum"], seen["benefit"]) == ("completed", "20.00", OFFER["benefit"])
        assert seen["friend_purchase"] == {"shop_id": "shop", "invoice_number": "R-ben"}
    assert (await client.get("/v1/pairs", params={"status": "invited"})).json()["data"] == []
    assert (await client.get("/v1/pairs", params={"customer_id": "cleo"})).json()["data"] == []


async def test_an_invitation_repeated_under_its_key_is_the_same_one(client: httpx.AsyncClient) -> None:
    await client.post("/v1/offers", json=DRAFT)
    assert await begun(client) == await begun(client)
    assert (await begun(client, "k-2"))["pair_id"] != (await begun(client))["pair_id"]
    third = await client.post("/v1/pairs", json=INVITATION, headers=keyed("k-3"))
    assert (third.status_code, third.json()["code"], third.json()["pairs"]) == (409, "offer-limit-reached", 2)
    assert (await client.post("/v1/pairs", json=INVITATION)).status_code == 422


async def test_a_pair_is_cancelled_and_listed_by_pages(client: httpx.AsyncClient) -> None:
    await client.post("/v1/offers", json=DRAFT)
    one, two = await begun(client, "k-1", friend_id="ben"), await begun(client, "k-2")
    for status in (201, 200):
        answer = await client.post(f"/v1/pairs/{one['pair_id']}/cancel", json={"reason": "a mistake"})
        assert (answer.status_code, answer.json()["reason"]) == (status, "a mistake")
    first = (await client.get("/v1/pairs?limit=1")).json()
    assert [each["pair_id"] for each in first["data"]] == [two["pair_id"]]
    second = (await client.get("/v1/pairs", params={"limit": 1, "cursor": first["next_cursor"]})).json()
    assert ([each["pair_id"] for each in second["data"]], second["next_cursor"]) == ([one["pair_id"]], None)


async def test_a_link_is_shown_as_a_picture(client: httpx.AsyncClient) -> None:
    await client.post("/v1/offers", json=DRAFT)
    pair = await begun(client)
    picture = await client.get(f"/v1/pairs/{pair['pair_id']}/qr.svg")
    assert picture.headers["content-type"] == "image/svg+xml"
    assert pair["code"] in picture.text


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/offers/none", "offer-unknown"),
        ("/v1/pairs/none", "pair-unknown"),
        ("/v1/pairs/none/qr.svg", "pair-unknown"),
    ],
)
async def test_what_is_not_there_is_said(client: httpx.AsyncClient, path: str, code: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, code)


async def test_a_code_that_nobody_was_sent_is_said(client: httpx.AsyncClient) -> None:
    for code in ("7K2M-9QFS", "no code"):
        answer = await client.post(f"/v1/invitations/{code}/accept", json={"friend_id": "ben"})
        assert (answer.status_code, answer.json()["code"]) == (404, "code-unknown")


async def test_every_refusal_is_documented(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).text
    of_pairs = [code for code in REFUSALS if code.startswith(("offer", "pair", "friend", "budget", "limit"))]
    assert [code for code in of_pairs if f"`{code}`" not in document] == []


async def test_every_example_is_accepted(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    offers = schemas["OfferDraft"]["examples"]
    invitations = schemas["Invitation"]["examples"]
    assert [(await client.post("/v1/offers", json=each)).status_code for each in offers] == [201]
    answers = [await client.post("/v1/pairs", json=each, headers=keyed("k")) for each in invitations]
    assert [each.status_code for each in answers] == [201]
    assert answers[0].json().keys() <= schemas["PairView"]["properties"].keys()
    url = f"/v1/pairs/{answers[0].json()['pair_id']}"
    assert (await client.post(f"{url}/accept", json=schemas["Acceptance"]["examples"][0])).status_code == 201
    assert (await client.post(f"{url}/cancel", json=schemas["Reason"]["examples"][0])).status_code == 201
    changed = await client.put("/v1/offers/winter-for-two", json=schemas["OfferChange"]["examples"][0])
    assert changed.status_code == 201


async def test_the_job_ends_what_is_over_and_counts_what_waits(
    referrals_url: str, book: Book, engine: AsyncEngine
) -> None:
    await book(offer(per_customer=None), *(invite(f"p-{n}", f"c-{n}") for n in range(5)), accept("p-0"), accept("p-1"))
    after = NOW + 28 * DAY
    service = ReferralsService(create_engine(referrals_url, name="jobs"), clock=lambda: after, contacts=CONTACTS)
    settle = next(each for each in jobs(service, service.engine) if each.name == "settle")
    assert await settle.work(lambda _done, _of: None) == 0
    service.clock = lambda: after + 3 * DAY
    async with engine.connect() as connection:
        assert await settle.waiting(connection) == 5
    assert await settle.work(lambda _done, _of: None) == 5
    assert set((await pairs(engine)).values()) == {"expired"}
    assert await rows(engine, "SELECT reserved FROM offer") == [{"reserved": 0}]
    await service.close()


async def test_a_key_without_the_scope_is_refused(referrals: ReferralsService) -> None:
    app = create_app(referrals, ReferralsSettings(host="0.0.0.0"))  # noqa: S104 - nothing listens
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as stranger:
        for path in ("/v1/offers", "/v1/pairs"):
            assert (await stranger.get(path)).status_code == 401
