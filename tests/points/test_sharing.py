"""Points that customers give each other keep their end, and a household spends together without losing or doubling any."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.points.catalogue import Reward
from services.points.commands import (
    ChangeStatus,
    ClaimReward,
    GivePoints,
    JoinPool,
    KeepReward,
    LeavePool,
    MergeAccounts,
    Outcome,
    Redeem,
    ReleaseHold,
    ReverseRedemption,
)
from services.points.programme import Expiry, Programme
from services.points.verification import verify
from tests.points.asking import refusal, rows
from tests.points.conftest import NOW, Book, adjustment, enrolment, publish, purchase

EARLY = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


@pytest.fixture(autouse=True)
async def _books_are_right(engine: AsyncEngine) -> AsyncIterator[None]:
    """Whatever was done, the books must be provable afterwards."""
    yield
    async with engine.connect() as connection:
        assert await verify(connection) == []


def give(points: int, giver: str = "c-1", to: str = "c-2", name: str = "g") -> GivePoints:
    return GivePoints(name, giver, to, points, NOW)


def spend(points: int, customer: str = "c-1", name: str = "r", hold: int | None = None) -> Redeem:
    return Redeem(name, customer, points, NOW, hold)


async def available(engine: AsyncEngine) -> dict[str, int]:
    found = await rows(engine, "SELECT customer_id, available FROM account ORDER BY customer_id")
    return {row["customer_id"]: row["available"] for row in found}


def codes(outcomes: list[Outcome]) -> list[str | None]:
    return [each.code for each in outcomes]


# Gifts


async def test_points_are_given_to_another_customer(book: Book, engine: AsyncEngine) -> None:
    *_, outcome = await book(purchase(), enrolment("c-2"), give(30))
    assert outcome.status == "booked"
    assert await available(engine) == {"c-1": 70, "c-2": 30}


@pytest.mark.parametrize("model", ["after_earning", "inactivity"])
async def test_what_is_given_ends_when_it_would_have_ended(book: Book, engine: AsyncEngine, model: str) -> None:
    expiry = Expiry.model_validate({"model": model, "months": 12})
    await publish(engine, Programme(expiry=expiry), valid_from=EARLY)
    await book(purchase(occurred_at="2025-12-10T10:00:00+01:00"), purchase("other", customer="c-2"), give(100))
    await book(purchase("later", "1.00", customer="c-2"), now=NOW + 10 * DAY)
    (spent,) = await book(spend(150, "c-2"), now=NOW + 30 * DAY)
    assert spent.code == "insufficient-points"
    assert (await available(engine))["c-2"] == 101


async def test_gifts_that_cannot_be(book: Book) -> None:
    outcomes = await book(
        purchase(), enrolment("c-2"), give(101), give(1, to="c-1"), give(1, to="nobody"), give(1, giver="nobody")
    )
    assert codes(outcomes)[2:] == ["insufficient-points", "gift-to-oneself", "account-unknown", "account-unknown"]
    outcomes = await book(ChangeStatus("c-2", "blocked", "stolen"), give(1))
    assert codes(outcomes)[1:] == ["account-blocked"]


async def test_a_debt_is_repaid_by_a_gift(book: Book, engine: AsyncEngine) -> None:
    await book(purchase(), enrolment("c-2"), adjustment(-40, "c-2", allow_debt=True), give(100))
    assert await available(engine) == {"c-1": 0, "c-2": 60}


async def test_a_gift_over_rest_is_given_once_under_its_key(
    book: Book, client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await book(purchase(), enrolment("c-2"))
    asked, key = {"customer_id": "c-1", "to": "c-2", "points": 40}, {"Idempotency-Key": "k"}
    answers = await asyncio.gather(*(client.post("/v1/gifts", json=asked, headers=key) for _ in range(5)))
    assert {each.status_code for each in answers} == {201}
    assert len({each.content for each in answers}) == 1
    assert await available(engine) == {"c-1": 60, "c-2": 40}


# Households


def join(*customers: str, pool: str = "home") -> list[JoinPool]:
    return [JoinPool(pool, each, is_new=place == 0) for place, each in enumerate(customers)]


async def test_members_spend_what_all_of_them_have(book: Book, engine: AsyncEngine) -> None:
    await book(purchase(), purchase("R-2", "60.00", customer="c-2"), *join("c-1", "c-2"))
    refused, booked = await book(spend(161), spend(130, name="s"))
    assert (refused.code, refused.detail) == ("insufficient-points", "161 points asked for, 160 available, 0 held")
    assert booked.status == "booked"
    assert sum((await available(engine)).values()) == 30


async def test_of_a_household_that_is_spent_first_which_ends_first(book: Book, engine: AsyncEngine) -> None:
    await publish(engine, Programme(expiry=Expiry(model="after_earning")), valid_from=EARLY)
    await book(
        purchase(),
        purchase("R-2", "60.00", customer="c-2", occurred_at="2026-01-10T10:00:00+01:00"),
        *join("c-1", "c-2"),
        spend(50),
    )
    assert await available(engine) == {"c-1": 100, "c-2": 10}


async def test_a_household_claims_a_reward_together(book: Book, engine: AsyncEngine) -> None:
    asked = {"value": {"kind": "experience"}, "texts": {"en": {"title": "A tasting"}}, "default_language": "en"}
    tasting = Reward.model_validate(asked | {"points": 150})
    await book(purchase(), purchase("R-2", "60.00", customer="c-2"), *join("c-1", "c-2"))
    await book(KeepReward("tasting", tasting, is_new=True))
    (outcome,) = await book(ClaimReward("claim", "paid", "c-1", "tasting", "", NOW))
    assert outcome.status == "booked", outcome
    assert sum((await available(engine)).values()) == 10


async def test_who_leaves_keeps_what_is_theirs_and_spends_alone(book: Book, engine: AsyncEngine) -> None:
    await book(purchase(), purchase("R-2", "60.00", customer="c-2"), *join("c-1", "c-2"))
    left, alone, also = await book(LeavePool("home", "c-2"), spend(101), spend(61, "c-2", "s"))
    assert (left.status, alone.code, also.code) == ("booked", "insufficient-points", "insufficient-points")
    assert await available(engine) == {"c-1": 100, "c-2": 60}


async def test_what_a_household_spent_goes_back_whole(book: Book, engine: AsyncEngine) -> None:
    await book(purchase(), purchase("R-2", "60.00", customer="c-2"), *join("c-1", "c-2"), spend(150, hold=60))
    await book(ReleaseHold("r"), spend(160, "c-2", "s"), ReverseRedemption("s", None, "returned"))
    assert sum((await available(engine)).values()) == 160


async def test_who_was_merged_into_a_member_spends_with_the_household(book: Book, engine: AsyncEngine) -> None:
    await book(purchase(), purchase("R-2", "60.00", customer="c-2"), enrolment("c-3"), *join("c-1", "c-2"))
    await book(MergeAccounts("c-3", "c-1", "one person"))
    (outcome,) = await book(spend(150, "c-3"))
    assert outcome.status == "booked"
    assert sum((await available(engine)).values()) == 10


async def test_the_points_of_a_blocked_member_are_not_spent(book: Book) -> None:
    await book(purchase(), purchase("R-2", "60.00", customer="c-2"), *join("c-1", "c-2"))
    *_, outcome = await book(ChangeStatus("c-2", "blocked", "stolen"), spend(101))
    assert outcome.code == "insufficient-points"


async def test_joining_is_once_and_in_one_household(book: Book) -> None:
    await book(enrolment("c-1"), enrolment("c-2"))
    outcomes = await book(
        *join("c-1"), JoinPool("home", "c-1"), JoinPool("other", "c-1", is_new=True), JoinPool("none", "c-2")
    )
    assert [(each.status, each.code) for each in outcomes] == [
        ("booked", None),
        ("repeated", None),
        ("refused", "pool-left-first"),
        ("refused", "pool-unknown"),
    ]


async def test_members_who_spend_at_once_never_spend_more_than_there_is(book: Book, engine: AsyncEngine) -> None:
    customers = [f"c-{number}" for number in range(4)]
    await book(*(purchase(f"R-{each}", "250.00", customer=each) for each in customers), *join(*customers))
    outcomes = await asyncio.gather(*(book(spend(100, customers[till % 4], f"r-{till}")) for till in range(20)))
    assert sorted(each.status for (each,) in outcomes) == ["booked"] * 10 + ["refused"] * 10
    assert sum((await available(engine)).values()) == 0


async def test_a_household_over_rest(book: Book, client: httpx.AsyncClient) -> None:
    await book(purchase(), purchase("R-2", "60.00", customer="c-2"))
    made = await client.post("/v1/pools", json={"customer_id": "c-1"}, headers={"Idempotency-Key": "k"})
    pool = made.json()["pool_id"]
    joined = await client.post(f"/v1/pools/{pool}/members", json={"customer_id": "c-2"})
    assert (made.status_code, joined.status_code) == (201, 201)
    found = (await client.get(f"/v1/pools/{pool}")).json()
    assert (found["available"], [each["customer_id"] for each in found["members"]]) == (160, ["c-1", "c-2"])
    for customer in ("c-1", "c-2"):
        assert (await client.post(f"/v1/pools/{pool}/members/{customer}/leave")).status_code == 201
    refusal(await client.get(f"/v1/pools/{pool}"), 404, "pool-unknown")
    assert (await client.get("/v1/accounts/c-1")).json()["pool_id"] is None
