"""Rewards are claimed by whoever may have them, as often as there are any, and taken back once or fulfilled once."""

import asyncio
import csv
import datetime as dt
import io
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.points.app import create_app
from services.points.catalogue import Reward
from services.points.commands import (
    CancelClaim,
    ChangeStatus,
    ClaimReward,
    Command,
    EndCoupon,
    FulfilClaim,
    GiveTier,
    KeepReward,
    MergeAccounts,
    Outcome,
    RetireReward,
    ReverseRedemption,
)
from services.points.handlers import EVENTS, subscription
from services.points.ledger import Ledger
from services.points.programme import Programme
from services.points.service import PointsService
from services.points.settings import PointsSettings
from services.points.verification import verify
from shared import codes
from shared.contracts import points as said
from shared.database import create_engine, fetch
from shared.messaging.local import LocalCarrier, Neighbour
from shared.requests import Origin
from tests.points.asking import asking_with_key, pointers, refusal, rows
from tests.points.conftest import NOW, Book, enrolment, publish, purchase

DAYS = dt.timedelta(days=1)
EARLY = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
TIERED = Programme.model_validate(
    {"tiers": {"levels": [{"name": "Basic", "threshold": 0}, {"name": "Gold", "threshold": 100_000}]}}
)
TEXTS = {"de": {"title": "Gutschein"}, "en": {"title": "Voucher", "terms": "Once."}}
VALUES: dict[str, dict[str, str]] = {
    "free_article": {"sku": "A-1"},
    "percentage_voucher": {"percent": "10"},
    "money_voucher": {"amount": "5.00", "currency": "EUR"},
    "shipping": {},
    "donation": {"organisation": "Sea Rescue", "amount": "5.00", "currency": "EUR"},
    "partner_transfer": {"partner": "Blue Air", "unit": "miles", "rate": "1.5"},
    "experience": {},
}


@pytest.fixture(autouse=True)
async def _books_are_right(engine: AsyncEngine) -> AsyncIterator[None]:
    """Whatever was done, the books must be provable afterwards, and what was said be what the contract says."""
    yield
    async with engine.connect() as connection:
        assert await verify(connection) == []
    for row in await rows(engine, "SELECT payload FROM outbox WHERE topic = 'loyalty.points'"):
        said.EVENTS.validate_json(row["payload"])


def document(kind: str = "money_voucher", **more: Any) -> dict[str, Any]:
    value = {"kind": kind, **VALUES[kind]}
    return {"texts": TEXTS, "default_language": "de", "value": value, "points": 100} | more


def reward(name: str = "five", kind: str = "money_voucher", **more: Any) -> KeepReward:
    return KeepReward(name, Reward.model_validate(document(kind, **more)), is_new=True)


def claim(name: str = "k", of: str = "five", customer: str = "c-1", **more: Any) -> ClaimReward:
    symbols = "".join(random.Random(name).choices(codes.ALPHABET, k=codes.DRAWN))
    return ClaimReward(name, f"r-{name}", customer, of, symbols, NOW, **more)


def cancel(name: str = "k") -> CancelClaim:
    return CancelClaim(name, "by mistake")


def ended(code: str | None, became: Any = "voided", event: str = "n-1") -> EndCoupon:
    return EndCoupon(code or "", became, Origin("/notifications", event, NOW))


def code_of(outcome: Outcome) -> str:
    assert outcome.claim is not None, outcome
    assert outcome.claim.code is not None
    return outcome.claim.code


def state(outcome: Outcome) -> str | None:
    return outcome.claim.status if outcome.claim else outcome.code


def available(outcome: Outcome) -> int:
    assert outcome.balance is not None, outcome
    return outcome.balance.available


async def said_types(engine: AsyncEngine) -> list[str]:
    payloads = await rows(engine, "SELECT payload FROM outbox WHERE topic = 'loyalty.points' ORDER BY id")
    kinds = [orjson.loads(row["payload"])["type"].split(".", 1)[1].removesuffix(".v1") for row in payloads]
    return [kind for kind in kinds if kind.startswith(("reward", "points.re"))]


async def claimed_of(engine: AsyncEngine, name: str = "five") -> int:
    (row,) = await rows(engine, f"SELECT claimed FROM reward WHERE reward_id = '{name}'")
    return int(row["claimed"])


# Claiming


async def test_a_claim_spends_its_points_and_is_said_with_its_code(book: Book, engine: AsyncEngine) -> None:
    _, _, outcome = await book(purchase(total="300.00"), reward(stock=1, coupon_days=30, code_prefix="XMAS"), claim())
    code = code_of(outcome)
    assert code == codes.spelled(code)
    assert code.startswith("XMAS-")
    assert (state(outcome), available(outcome)) == ("claimed", 200)
    (row,) = await rows(engine, "SELECT payload FROM outbox WHERE topic = 'loyalty.points' ORDER BY id DESC LIMIT 1")
    data = orjson.loads(row["payload"])["data"]
    assert (data["code"], data["reward_id"], data["points"]) == (code, "five", 100)
    assert (data["redemption_id"], data["balance"]["available"]) == ("r-k", 200)
    assert (data["valid_until"], data["titles"]) == ("2026-12-24T00:00:00+00:00", {"de": "Gutschein", "en": "Voucher"})
    assert data["value"] == {"kind": "money_voucher", "amount": "5.00", "currency": "EUR", "minimum": "0"}
    assert await said_types(engine) == ["points.redeemed", "reward.claimed"]


@pytest.mark.parametrize("kind", VALUES)
async def test_every_kind_can_be_claimed_and_coupons_have_a_code(book: Book, kind: str) -> None:
    number = {"member_number": "BA-1"} if kind == "partner_transfer" else {}
    *_, outcome = await book(purchase(), reward(kind=kind), claim(**number))
    assert outcome.claim is not None
    has_code = kind in {"free_article", "percentage_voucher", "money_voucher", "shipping"}
    assert (outcome.claim.code is not None) is has_code
    assert outcome.claim.units == (150 if number else None)


async def test_a_reward_costs_what_the_customers_tier_pays(book: Book, engine: AsyncEngine) -> None:
    await publish(engine, TIERED, valid_from=EARLY)
    await book(purchase(), reward(tier_points={"Gold": 60}), GiveTier("c-1", "Gold", None, "invited"))
    (outcome,) = await book(claim())
    assert available(outcome) == 40


@pytest.mark.parametrize(
    ("kept", "before", "code"),
    [
        (reward("other"), (), "reward-unknown"),
        (reward(stock=0), (), "reward-sold-out"),
        (reward(points=101), (), "insufficient-points"),
        (reward(valid_until="2026-11-23T12:00:00Z"), (), "reward-over"),
        (reward(valid_from="2026-11-23T12:00:01Z"), (), "reward-not-yet"),
        (reward(), (RetireReward("five", "gone"),), "reward-retired"),
        (reward(), (ChangeStatus("c-1", "blocked", "fraud"),), "account-blocked"),
        (reward(points=10, per_customer=1), (claim("first"),), "reward-limit-reached"),
        (reward(kind="partner_transfer"), (), "member-number-missing"),
    ],
)
async def test_what_stands_in_the_way_is_said_and_nothing_is_spent(
    book: Book, kept: KeepReward, before: tuple[Command, ...], code: str
) -> None:
    *_, outcome = await book(purchase(), kept, *before, claim())
    assert (outcome.status, outcome.code) == ("refused", code)
    assert outcome.detail


async def test_a_number_for_no_partner_and_an_unknown_customer_are_refused(book: Book) -> None:
    *_, unexpected, unknown = await book(purchase(), reward(), claim(member_number="1"), claim(customer="c-9"))
    assert (unexpected.code, unknown.code) == ("member-number-unexpected", "account-unknown")


async def test_regular_customers_are_let_in_before_others(book: Book, engine: AsyncEngine) -> None:
    await publish(engine, TIERED, valid_from=EARLY)
    early = {"tiers": ["Gold"], "valid_from": "2026-11-20T00:00:00Z"}
    await book(
        reward(valid_from="2026-11-25T00:00:00Z", early_access=early), purchase(), purchase("R-2", customer="c-2")
    )
    await book(GiveTier("c-2", "Gold", None, "invited"))
    plain, gold = await book(claim(), claim("gold", customer="c-2"))
    assert (plain.code, state(gold)) == ("reward-not-yet", "claimed")
    assert plain.more["early_tiers"] == ["Gold"]
    (later,) = await book(claim("later"), now=NOW + 2 * DAYS)
    assert state(later) == "claimed"


async def test_the_limit_goes_on_with_an_account_that_is_merged(book: Book) -> None:
    await book(purchase(), purchase("R-2", customer="c-2"), reward(per_customer=1), claim(customer="c-2"))
    _, outcome = await book(MergeAccounts("c-2", "c-1", "one person"), claim("again"))
    assert outcome.code == "reward-limit-reached"
    (outcome,) = await book(claim("once-more", customer="c-2"))
    assert outcome.code == "reward-limit-reached"


async def test_what_paid_for_a_reward_is_not_reversed_and_pays_for_nothing_else(book: Book) -> None:
    await book(purchase(), reward(), claim())
    (outcome,) = await book(ReverseRedemption("r-k", None, "returned"))
    assert (outcome.code, "claim k" in (outcome.detail or "")) == ("redemption-for-reward", True)
    (bought,) = await book(purchase("P-1", "10.00", points_paid="1.00", redemption_ids=["r-k"]))
    assert bought.purchase is not None
    assert (bought.purchase.redeemed, bought.purchase.unpaid) == (0, 100)


# The ends of a claim


async def test_points_come_back_only_when_the_coupon_is_known_to_be_void(book: Book, engine: AsyncEngine) -> None:
    *_, claimed = await book(purchase(), reward(stock=1, per_customer=1), claim())
    cancelling, again, refused = await book(cancel(), cancel(), claim("second"))
    assert [state(each) for each in (cancelling, again, refused)] == ["cancelling", "cancelling", "reward-sold-out"]
    assert (again.status, available(cancelling), await claimed_of(engine)) == ("repeated", 0, 1)
    (cancelled,) = await book(ended(code_of(claimed)))
    assert (state(cancelled), available(cancelled), await claimed_of(engine)) == ("cancelled", 100, 0)
    assert (await said_types(engine))[2:] == ["reward.cancelling", "points.restored", "reward.cancelled"]
    assert state((await book(claim("second")))[0]) == "claimed"


async def test_a_void_coupon_gives_back_once_however_often_it_is_said(book: Book, engine: AsyncEngine) -> None:
    *_, claimed = await book(purchase(), reward(), claim())
    code = code_of(claimed)
    outcomes = await book(cancel(), ended(code), ended(code), ended(code, event="n-2"))
    assert [each.status for each in outcomes] == ["booked", "booked", "repeated", "repeated"]
    assert [each.status for each in await book(ended(code), ended(code, event="n-3"))] == ["repeated", "repeated"]
    (account,) = await rows(engine, "SELECT available FROM account")
    assert (account["available"], await claimed_of(engine)) == (100, 0)


@pytest.mark.parametrize("cancels", [False, True])
async def test_a_redeemed_coupon_fulfils_its_claim_also_while_it_is_cancelled(
    book: Book, engine: AsyncEngine, *, cancels: bool
) -> None:
    *_, claimed = await book(purchase(), reward(), claim())
    await book(*([cancel()] if cancels else []))
    (fulfilled,) = await book(ended(code_of(claimed), "redeemed"))
    assert (state(fulfilled), available(fulfilled), await claimed_of(engine)) == ("fulfilled", 0, 1)
    assert (await said_types(engine))[-1] == "reward.fulfilled"
    (late,) = await book(cancel())
    assert late.code == "claim-fulfilled"


@pytest.mark.parametrize(
    ("first", "second", "status", "points"),
    [("voided", "redeemed", "cancelled", 100), ("redeemed", "voided", "fulfilled", 0)],
)
async def test_a_coupon_that_is_said_to_end_both_ways_ends_the_first(
    book: Book, engine: AsyncEngine, first: str, second: str, status: str, points: int
) -> None:
    *_, claimed = await book(purchase(), reward(), claim())
    await book(cancel(), ended(code_of(claimed), first))
    (outcome,) = await book(ended(code_of(claimed), second, "n-2"))
    assert (outcome.status, outcome.code) == ("refused", f"claim-{status}")
    assert await rows(engine, "SELECT c.status, available FROM reward_claim c JOIN account USING (customer_id)") == [
        {"status": status, "available": points}
    ]


async def test_a_claim_without_a_coupon_is_cancelled_at_once_or_fulfilled_by_staff(book: Book) -> None:
    await book(purchase(), reward("gift", "donation"), claim(of="gift"))
    cancelled, late = await book(cancel(), FulfilClaim("k", "paid out"))
    assert (state(cancelled), available(cancelled), late.code) == ("cancelled", 100, "claim-cancelled")
    _, fulfilled, again, refused = await book(
        claim("j", of="gift"), FulfilClaim("j", "paid out"), FulfilClaim("j", "paid out"), cancel("j")
    )
    assert (state(fulfilled), again.status, refused.code) == ("fulfilled", "repeated", "claim-fulfilled")


async def test_what_tills_take_a_code_for_is_not_fulfilled_by_hand(book: Book) -> None:
    *_, outcome = await book(purchase(), reward(), claim())
    by_hand, unknown, nothing = await book(FulfilClaim("k", "given"), FulfilClaim("none", "given"), cancel("none"))
    assert (by_hand.code, unknown.code, nothing.code) == ("claim-has-coupon", "claim-unknown", "claim-unknown")
    assert state(outcome) == "claimed"


async def test_a_claim_of_an_account_that_was_merged_gives_back_to_the_one_that_goes_on(book: Book) -> None:
    *_, claimed = await book(purchase(), enrolment("c-2"), reward(per_customer=1), claim())
    await book(MergeAccounts("c-1", "c-2", "one person"), cancel())
    (outcome,) = await book(ended(code_of(claimed)))
    assert outcome.account is not None
    assert (outcome.account.customer_id, available(outcome)) == ("c-2", 100)
    assert state((await book(claim("again", customer="c-2")))[0]) == "claimed"


async def test_the_coupons_of_others_are_passed_over(book: Book, engine: AsyncEngine) -> None:
    (outcome,) = await book(ended("BIRTHDAY-2345-6789-ABCD"))
    assert outcome.status == "ignored"
    assert await rows(engine, "SELECT * FROM event") == []


# Staff


async def test_a_reward_is_put_in_changed_and_taken_out(client: httpx.AsyncClient) -> None:
    asked = document(stock=5) | {"reward_id": "five"}
    created, same = [await client.post("/v1/rewards", json=asked) for _ in range(2)]
    assert (created.status_code, same.status_code, created.json()) == (201, 200, same.json())
    assert created.json()["stock_left"] == 5
    refusal(await client.post("/v1/rewards", json=asked | {"points": 7}), 409, "reward-exists")
    changed = await client.put("/v1/rewards/five", json=document(stock=9, points=7))
    assert (changed.status_code, changed.json()["points"], changed.json()["stock_left"]) == (201, 7, 9)
    assert (await client.put("/v1/rewards/five", json=document(stock=9, points=7))).status_code == 200
    refusal(await client.put("/v1/rewards/five", json=document("shipping")), 409, "reward-kind-fixed")
    refusal(await client.put("/v1/rewards/none", json=document()), 404, "reward-unknown")
    retired, again = [await client.post("/v1/rewards/five/retire", json={"reason": "over"}) for _ in range(2)]
    assert (retired.status_code, again.status_code) == (201, 200)
    refusal(await client.put("/v1/rewards/five", json=document()), 409, "reward-retired")
    assert (await client.get("/v1/rewards/five")).json() == retired.json()
    assert (await client.get("/v1/rewards")).json()["data"] == []
    assert len((await client.get("/v1/rewards", params={"retired": True})).json()["data"]) == 1
    refusal(await client.get("/v1/rewards/none"), 404, "reward-unknown")


async def test_the_catalogue_is_read_page_by_page(client: httpx.AsyncClient, book: Book) -> None:
    await book(*(reward(f"r-{number}") for number in range(5)))
    seen, cursor = [], None
    while True:
        answer = (await client.get("/v1/rewards", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [each["reward_id"] for each in answer["data"]]
        cursor = answer["next_cursor"]
        if cursor is None:
            break
    assert seen == [f"r-{number}" for number in range(5)]


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"default_language": "fr"}, "/default_language"),
        ({"valid_from": "2026-12-01T00:00:00Z", "valid_until": "2026-12-01T00:00:00Z"}, "/valid_until"),
        ({"early_access": {"tiers": ["Gold"], "valid_from": "2026-12-01T00:00:00Z"}}, "/early_access/valid_from"),
        ({"tier_points": {"Platinum": 3}}, "/tier_points/Platinum"),
        ({"value": {"kind": "experience"}, "coupon_days": 3}, "/coupon_days"),
        ({"value": {"kind": "partner_transfer", **VALUES["partner_transfer"]}, "points": 3}, "/points"),
        ({"reward_id": "claims"}, "/reward_id"),
    ],
)
async def test_a_reward_whose_parts_do_not_fit_is_refused(
    client: httpx.AsyncClient, more: dict[str, Any], pointer: str
) -> None:
    asked = {"reward_id": "five"} | document() | more
    problem = refusal(await client.post("/v1/rewards", json=asked), 422, "reward-faulty")
    assert pointers(problem) == {pointer}


async def test_stock_is_never_set_below_what_was_claimed(book: Book, client: httpx.AsyncClient) -> None:
    await book(purchase(), reward(points=10, stock=5), claim("a"), claim("b"))
    problem = refusal(await client.put("/v1/rewards/five", json=document(stock=1)), 409, "stock-below-claims")
    assert problem["claimed"] == 2
    kept = await client.put("/v1/rewards/five", json=document(stock=2))
    assert kept.json()["stock_left"] == 0


async def test_scopes_part_those_who_keep_the_catalogue_from_those_who_claim(points: PointsService, book: Book) -> None:
    await book(purchase(), reward())
    asked = {"customer_id": "c-1"}
    key = {"Idempotency-Key": "k"}
    async with asking_with_key(points, "till", "redemptions:write") as till:
        refusal(await till.post("/v1/rewards/five/retire", json={"reason": "x"}), 403, "scope-missing")
        assert (await till.post("/v1/rewards/five/claims", json=asked, headers=key)).status_code == 201
    async with asking_with_key(points, "staff", "rewards:write", "rewards:read") as staff:
        refusal(await staff.post("/v1/rewards/five/claims", json=asked, headers=key), 403, "scope-missing")
        assert (await staff.post("/v1/rewards/five/retire", json={"reason": "x"})).status_code == 201
    deeds = await rows(
        points.engine, "SELECT actor, action, reason FROM audit WHERE actor IN ('till', 'staff') ORDER BY id"
    )
    assert [(each["actor"], each["action"]) for each in deeds] == [("till", "reward.claim"), ("staff", "reward.retire")]


# Over REST


async def ask_for(client: httpx.AsyncClient, key: str, of: str = "five", **more: Any) -> httpx.Response:
    asked = {"customer_id": "c-1"} | more
    return await client.post(f"/v1/rewards/{of}/claims", json=asked, headers={"Idempotency-Key": key})


async def test_the_replay_of_a_claim_gives_the_same_code(book: Book, client: httpx.AsyncClient) -> None:
    await book(purchase(), reward(stock=1))
    first, *others = await asyncio.gather(*(ask_for(client, "k") for _ in range(5)))
    assert first.status_code == 201
    assert {each.content for each in others} == {first.content}
    assert codes.spelled(first.json()["code"].lower().replace("-", " ")) == first.json()["code"]
    refusal(await ask_for(client, "k-2"), 409, "reward-sold-out")


async def test_a_claim_says_what_is_missing(book: Book, client: httpx.AsyncClient) -> None:
    await book(purchase("R-1", "30.00"), reward())
    problem = refusal(await ask_for(client, "k"), 409, "insufficient-points")
    assert (problem["available"], problem["points"], problem["missing_points"]) == (30, 100, 70)
    answer = await client.post("/v1/rewards/five/claims", json={"customer_id": "c-1"})
    assert answer.status_code == 422


async def test_claims_are_listed_by_customer_and_by_reward(book: Book, client: httpx.AsyncClient) -> None:
    await book(purchase(), purchase("R-2", customer="c-2"), reward(points=10), claim("a"), claim("b", customer="c-2"))
    await book(claim("c"), enrolment("c-3"))
    for path, params, expected in (
        ("/v1/rewards/claims", {"customer_id": "c-1"}, ["c", "a"]),
        ("/v1/rewards/five/claims", {}, ["c", "b", "a"]),
        ("/v1/rewards/claims", {"customer_id": "c-3"}, []),
    ):
        answer = (await client.get(path, params=params)).json()
        assert [each["claim_id"] for each in answer["data"]] == expected
    first = (await client.get("/v1/rewards/five/claims", params={"limit": 2})).json()
    rest = (await client.get("/v1/rewards/five/claims", params={"cursor": first["next_cursor"]})).json()
    assert [each["claim_id"] for each in rest["data"]] == ["a"]
    assert (await client.get("/v1/rewards/claims/a")).json()["balance"]["available"] == 80
    refusal(await client.get("/v1/rewards/claims/none"), 404, "claim-unknown")
    refusal(await client.get("/v1/rewards/none/claims"), 404, "reward-unknown")
    assert (await client.get("/v1/redemptions/r-a")).json()["claim_id"] == "a"


async def test_a_customer_sees_what_they_can_get_and_why_not(book: Book, client: httpx.AsyncClient) -> None:
    await book(purchase(), reward("a", points=60, per_customer=1, stock=3), reward("b", points=150, stock=0))
    await book(reward("c", valid_until="2026-11-23T00:00:00Z"), reward("d"), RetireReward("d", "x"), claim(of="a"))
    answer = (await client.get("/v1/accounts/c-1/rewards")).json()
    first, second = answer["data"]
    assert (first["reward_id"], first["stock_left"], first["claims"], first["claims_left"]) == ("a", 2, 1, 0)
    assert (first["claimable"], first["missing_points"]) == (False, 20)
    assert [each["code"] for each in first["obstacles"]] == ["reward-limit-reached", "insufficient-points"]
    assert [each["code"] for each in second["obstacles"]] == ["reward-sold-out", "insufficient-points"]
    assert second["obstacles"][1]["missing_points"] == 110
    refusal(await client.get("/v1/accounts/none/rewards"), 404, "account-unknown")


@pytest.mark.parametrize(
    ("params", "header", "language"),
    [
        ({}, "", "de"),
        ({}, "fr, en-GB;q=0.8, de;q=0.5", "en"),
        ({"language": "de-AT"}, "en", "de"),
        ({"language": "fr"}, "en", "en"),
        ({}, "en;q=0, *;q=x, ;;", "de"),
    ],
)
async def test_texts_come_in_the_language_that_is_asked_for(
    book: Book, client: httpx.AsyncClient, params: dict[str, str], header: str, language: str
) -> None:
    await book(purchase(), reward())
    answer = await client.get("/v1/accounts/c-1/rewards", params=params, headers={"Accept-Language": header})
    (offer,) = answer.json()["data"]
    assert (offer["language"], offer["title"]) == (language, TEXTS[language]["title"])
    assert offer["claimable"] is True


# Partners


async def test_a_partner_gets_a_list_of_what_to_give(book: Book, client: httpx.AsyncClient) -> None:
    numbers = {
        name: {"of": "miles", "member_number": number} for name, number in (("a", "BA-1"), ("b", "=2+3"), ("c", "X"))
    }
    await book(purchase(total="1000.00"), reward("miles", "partner_transfer"), reward())
    await book(*(claim(name, **more) for name, more in numbers.items()), cancel("c"), FulfilClaim("b", "settled"))
    span = {"from": "2026-11-23T12:00:00Z", "until": "2026-11-24T00:00:00Z"}
    answer = (await client.get("/v1/rewards/miles/settlement", params=span | {"limit": 1})).json()
    assert (answer["claims"], answer["units"], answer["partner"]) == (2, 300, "Blue Air")
    rest = (await client.get("/v1/rewards/miles/settlement", params=span | {"cursor": answer["next_cursor"]})).json()
    lines = [(each["member_number"], each["units"], each["status"]) for each in answer["data"] + rest["data"]]
    assert lines == [("BA-1", 150, "claimed"), ("=2+3", 150, "fulfilled")]
    sheet = await client.get("/v1/rewards/miles/settlement", params=span, headers={"Accept": "text/csv"})
    cells = [
        (each["member_number"], each["units"], each["claim_id"]) for each in csv.DictReader(io.StringIO(sheet.text))
    ]
    assert cells == [("BA-1", "150", "a"), ("'=2+3", "150", "b")]
    late = (await client.get("/v1/rewards/miles/settlement", params={"from": "2026-11-24T00:00:00Z"})).json()
    assert (late["claims"], late["data"]) == (0, [])
    refusal(await client.get("/v1/rewards/five/settlement"), 409, "reward-without-partner")


# The notifications service, until it stands


def coupon(code: str, became: str, event: str) -> dict[str, Any]:
    """What it says of a coupon, as it says it."""
    kind = f"loyalty.coupon.{became}.v1"
    data = {"code": code, "customer_id": "c-1", "occurred_at": "2026-11-23T12:00:00Z"}
    return {"specversion": "1.0", "id": event, "source": "/loyalty/notifications", "type": kind, "data": data}


OWE = "INSERT INTO outbox (topic, key, payload) VALUES ('loyalty.notifications', 'c-1', $1)"


async def tell(client: httpx.AsyncClient, *events: dict[str, Any]) -> list[tuple[str, str | None]]:
    answer = await client.post("/v1/events", json=list(events))
    return [(each["status"], each["code"]) for each in answer.json()["results"]]


async def test_the_life_of_a_claim_over_rest(book: Book, client: httpx.AsyncClient) -> None:
    await book(purchase(), reward())
    claimed = (await ask_for(client, "k")).json()
    place = f"/v1/rewards/claims/{claimed['claim_id']}"
    cancelling = await client.post(f"{place}/cancel", json={"reason": "by mistake"})
    assert (cancelling.status_code, cancelling.json()["status"]) == (201, "cancelling")
    spelled = claimed["code"].lower().replace("-", " ")
    told = await tell(client, coupon(spelled, "voided", "n-1"), coupon(spelled, "voided", "n-2"))
    assert told == [("accepted", None), ("duplicate", None)]
    found = (await client.get(place)).json()
    assert (found["status"], found["balance"]["available"], found["reason"]) == ("cancelled", 100, "by mistake")
    assert await tell(client, coupon(spelled, "redeemed", "n-3")) == [("rejected", "claim-cancelled")]
    others = coupon("BDAY-2345-6789-ABCD", "voided", "n-4"), coupon("5", "issued", "n-5")
    assert [status for status, _ in await tell(client, *others)] == ["skipped", "skipped"]
    assert await rows(client_engine(client), "SELECT 1 FROM outbox WHERE topic = 'loyalty.notifications'") == []


def client_engine(client: httpx.AsyncClient) -> AsyncEngine:
    transport: Any = client._transport
    engine: AsyncEngine = transport.app.state.service.engine
    return engine


async def test_coupons_are_heard_of_from_a_neighbour_in_the_same_process(
    book: Book, engine: AsyncEngine, points: PointsService
) -> None:
    *_, claimed = await book(purchase(), reward(), claim(), cancel())
    code = (await rows(engine, "SELECT code FROM reward_claim"))[0]["code"]
    heard = subscription(Ledger(), clock=lambda: NOW)
    assert heard.topics[-1] == "loyalty.notifications"
    neighbour = Neighbour(heard, engine)
    carrier = LocalCarrier(points.engine, [neighbour], service="notifications", clock=lambda: NOW)
    event = coupon(code, "voided", "n-1")
    async with engine.begin() as connection:
        await fetch(connection, OWE, orjson.dumps(event))
    await carrier._deliver(neighbour)
    assert await rows(engine, "SELECT status FROM reward_claim") == [{"status": "cancelled"}]
    assert state(claimed) == "cancelling"
    assert EVENTS.validate_python(event).type == "loyalty.coupon.voided.v1"


# Many at once


@asynccontextmanager
async def instances(url: str, count: int) -> AsyncIterator[list[httpx.AsyncClient]]:
    """So many services on one database, and a client of each."""
    services = [PointsService(create_engine(url, name="api", pool_size=5)) for _ in range(count)]
    clients = [
        httpx.AsyncClient(
            transport=httpx.ASGITransport(create_app(each, PointsSettings())), base_url="http://localhost"
        )
        for each in services
    ]
    yield clients
    for client in clients:
        await client.aclose()
    for service in services:
        await service.close()


@pytest.mark.parametrize("count", [1, 2])
async def test_of_200_who_claim_at_once_as_many_get_it_as_there_are(
    book: Book, engine: AsyncEngine, database_url: str, count: int
) -> None:
    await book(*(purchase(f"R-{each}", customer=f"c-{each}") for each in range(200)), reward(stock=50))
    async with instances(database_url, count) as clients:
        answers = await asyncio.gather(
            *(ask_for(clients[each % count], f"k-{each}", customer_id=f"c-{each}") for each in range(200))
        )
    assert sorted(each.status_code for each in answers) == [201] * 50 + [409] * 150
    assert {each.json()["code"] for each in answers if each.status_code == 409} == {"reward-sold-out"}
    assert len({each.json()["code"] for each in answers if each.status_code == 201}) == 50
    assert await claimed_of(engine) == 50


@pytest.mark.parametrize("count", [1, 2])
async def test_a_customer_who_claims_20_times_at_once_gets_as_many_as_one_may_have(
    book: Book, database_url: str, count: int
) -> None:
    await book(purchase(total="5000.00"), reward(per_customer=3))
    async with instances(database_url, count) as clients:
        answers = await asyncio.gather(*(ask_for(clients[each % count], f"k-{each}") for each in range(20)))
    assert sorted(each.status_code for each in answers) == [201] * 3 + [409] * 17
    assert {each.json()["code"] for each in answers if each.status_code == 409} == {"reward-limit-reached"}


async def test_the_same_key_at_two_instances_gives_one_code(book: Book, database_url: str) -> None:
    await book(purchase(total="5000.00"), reward())
    async with instances(database_url, 2) as clients:
        answers = await asyncio.gather(*(ask_for(clients[each % 2], "k") for each in range(20)))
    assert {each.status_code for each in answers} == {201}
    assert len({each.content for each in answers}) == 1


async def test_a_cancellation_that_races_with_a_till_ends_one_way(
    book: Book, engine: AsyncEngine, database_url: str
) -> None:
    await book(purchase(total="5000.00"), reward(points=10))
    async with instances(database_url, 2) as (one, other):
        claims = [(await ask_for(one, f"k-{each}")).json() for each in range(20)]
        await asyncio.gather(
            *(one.post(f"/v1/rewards/claims/{each['claim_id']}/cancel", json={"reason": "x"}) for each in claims),
            *(tell(other, coupon(each["code"], "redeemed", f"r-{each['code']}")) for each in claims),
            *(tell(one, coupon(each["code"], "voided", f"v-{each['code']}")) for each in claims),
        )
    ended = await rows(engine, "SELECT status, count(*) AS n FROM reward_claim GROUP BY 1")
    assert {each["status"] for each in ended} <= {"fulfilled", "cancelled"}
    given_back = sum(each["n"] for each in ended if each["status"] == "cancelled")
    (account,) = await rows(engine, "SELECT available FROM account")
    assert account["available"] == 5000 - 10 * (20 - given_back)
    assert await claimed_of(engine) == 20 - given_back
