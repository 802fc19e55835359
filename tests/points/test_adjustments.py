"""Points by hand: with a kind and a date of their own, and with a second key above what one may give in a day."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.points.app import create_app
from services.points.commands import (
    AdjustBalance,
    ApproveAdjustment,
    ChangeStatus,
    MergeAccounts,
    Outcome,
    RejectAdjustment,
    SettleAccount,
)
from services.points.programme import Expiry, Programme
from services.points.service import PointsService
from services.points.settings import PointsSettings
from services.points.verification import verify
from shared import api_keys
from shared.audit import deeds
from shared.database import create_engine
from tests.points.asking import asking_with_key, pointers, refusal, rows
from tests.points.conftest import NOW, Book, enrolment, publish, purchase

EARLY = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
DAYS = dt.timedelta(days=1)
LIMITED = Programme(credit_limit_per_day=100)
WITHIN = ("adjustments:write", "adjustments:read")
EVERYTHING = (*WITHIN, "adjustments:approve")


@pytest.fixture(autouse=True)
async def _books_are_right(engine: AsyncEngine) -> AsyncIterator[None]:
    """Whatever was done, the books must be provable afterwards."""
    yield
    async with engine.connect() as connection:
        assert await verify(connection) == []


@pytest.fixture
async def limited(book: Book, engine: AsyncEngine) -> None:
    await publish(engine, LIMITED, valid_from=EARLY)
    await book(enrolment())


@pytest.fixture
async def desk(points: PointsService) -> AsyncIterator[httpx.AsyncClient]:
    async with asking_with_key(points, "desk", *EVERYTHING) as asking:
        yield asking


@pytest.fixture
async def lead(points: PointsService) -> AsyncIterator[httpx.AsyncClient]:
    async with asking_with_key(points, "lead", *EVERYTHING) as asking:
        yield asking


def credit(points: int, name: str = "a", *, actor: str = "desk", **more: Any) -> AdjustBalance:
    return AdjustBalance(name, "c-1", points, "complaint", actor, NOW, kind="goodwill", **more)


def approve(name: str = "a", actor: str = "lead") -> ApproveAdjustment:
    return ApproveAdjustment(name, actor)


def reject(name: str = "a", actor: str = "lead") -> RejectAdjustment:
    return RejectAdjustment(name, actor, "too much")


async def give(client: httpx.AsyncClient, points: int, key: str, **more: Any) -> httpx.Response:
    said = {"customer_id": "c-1", "points": points, "kind": "goodwill", "reason": "complaint 4711"} | more
    return await client.post("/v1/adjustments", json=said, headers={"Idempotency-Key": key})


async def decide(client: httpx.AsyncClient, adjustment: str, what: str, key: str) -> httpx.Response:
    said = {"reason": "too much"} if what == "reject" else None
    return await client.post(f"/v1/adjustments/{adjustment}/{what}", json=said, headers={"Idempotency-Key": key})


def state(outcome: Outcome) -> tuple[str, str | None, int]:
    found, balance = outcome.adjustment, outcome.balance
    return outcome.status, found.status if found else None, balance.available if balance else 0


# Kinds and dates


async def test_points_by_hand_have_a_kind(book: Book, desk: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await book(enrolment())
    answer = (await give(desk, 50, "k", kind="surprise", note="happy day")).json()
    assert (answer["kind"], answer["status"], answer["asked_by"]) == ("surprise", "booked", "desk")
    (said,) = await rows(engine, LAST_EVENT)
    assert (said["type"], said["kind"]) == ("loyalty.points.adjusted.v1", "surprise")


LAST_EVENT = """
SELECT event->>'type' AS type, event->'data'->>'kind' AS kind, event->'data'->>'expires_on' AS expires_on
  FROM (SELECT convert_from(payload, 'UTF8')::jsonb AS event FROM outbox ORDER BY id DESC LIMIT 1) last"""


async def test_what_names_no_kind_is_a_correction(book: Book, desk: httpx.AsyncClient) -> None:
    await book(purchase())
    said = {"customer_id": "c-1", "points": -5, "reason": "mistyped"}
    answer = await desk.post("/v1/adjustments", json=said, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["kind"]) == (201, "correction")


async def test_points_with_a_day_of_their_own_end_with_it(book: Book, engine: AsyncEngine) -> None:
    yearly = Programme(time_zone="Europe/Berlin", expiry=Expiry(model="after_earning", months=12))
    await publish(engine, yearly, valid_from=EARLY)
    await book(enrolment(), credit(50, expires_on=dt.date(2026, 12, 31)))
    assert (await rows(engine, "SELECT expires_on, expires_at FROM lot")) == [
        {"expires_on": dt.date(2026, 12, 31), "expires_at": dt.datetime(2026, 12, 31, 23, tzinfo=dt.UTC)}
    ]
    assert (await rows(engine, LAST_EVENT))[0]["expires_on"] == "2026-12-31"
    for hour, left in ((22, 50), (23, 0)):
        (settled,) = await book(SettleAccount("c-1"), now=dt.datetime(2026, 12, 31, hour, tzinfo=dt.UTC))
        assert settled.balance is not None
        assert settled.balance.available == left


async def test_a_day_of_their_own_holds_where_inactivity_ends_all_others(book: Book, engine: AsyncEngine) -> None:
    await publish(engine, Programme(expiry=Expiry(model="inactivity", months=12)), valid_from=EARLY)
    await book(purchase(), credit(50, expires_on=NOW.date() + DAYS))
    (settled,) = await book(SettleAccount("c-1"), now=NOW + 2 * DAYS)
    assert settled.balance is not None
    assert settled.balance.available == 100


async def test_a_credit_may_end_today_but_not_yesterday(book: Book) -> None:
    (_, today, yesterday) = await book(
        enrolment(), credit(5, expires_on=NOW.date()), credit(5, "b", expires_on=NOW.date() - DAYS)
    )
    assert (today.status, yesterday.code, yesterday.pointer) == ("booked", "expires-in-past", "/expires_on")


@pytest.mark.parametrize(
    ("more", "code", "pointer"),
    [
        ({"points": -5}, "debit-no-correction", "/kind"),
        ({"points": -5, "kind": "correction", "expires_on": "2027-01-01"}, "debit-expires", "/expires_on"),
        ({"kind": "bribe"}, "request-invalid", "/kind"),
        ({"expires_on": "tomorrow"}, "request-invalid", "/expires_on"),
        ({"expires_on": "2020-01-01"}, "expires-in-past", "/expires_on"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    book: Book, desk: httpx.AsyncClient, more: dict[str, Any], code: str, pointer: str
) -> None:
    await book(purchase())
    said = {"points": 5} | more
    assert pointers(refusal(await give(desk, said.pop("points"), "k", **said), 422, code)) == {pointer}


# The limit


@pytest.mark.usefixtures("limited")
async def test_a_key_gives_up_to_its_limit_and_proposes_what_is_above(book: Book) -> None:
    outcomes = await book(credit(60, "a"), credit(41, "b"), credit(40, "c"), credit(1, "d"))
    assert [state(each) for each in outcomes] == [
        ("booked", "booked", 60),
        ("waiting", "awaits_approval", 60),
        ("booked", "booked", 100),
        ("waiting", "awaits_approval", 100),
    ]


@pytest.mark.usefixtures("limited")
async def test_each_key_has_its_own_limit_and_every_day_a_new_one(book: Book) -> None:
    await book(credit(100))
    (other,) = await book(credit(100, "b", actor="lead"))
    (tomorrow,) = await book(credit(100, "c"), now=NOW + DAYS)
    assert (other.status, tomorrow.status) == ("booked", "booked")


async def test_the_day_is_the_local_one(book: Book, engine: AsyncEngine) -> None:
    await publish(engine, Programme(time_zone="Europe/Berlin", credit_limit_per_day=100), valid_from=EARLY)
    await book(enrolment(), credit(100))
    for hour, status in ((22, "waiting"), (23, "booked")):
        (found,) = await book(credit(100, f"at-{hour}"), now=NOW.replace(hour=hour))
        assert found.status == status


@pytest.mark.usefixtures("limited")
async def test_what_is_taken_is_not_limited_and_frees_nothing(book: Book) -> None:
    taken = AdjustBalance("t", "c-1", -100, "mistyped", "desk", NOW)
    outcomes = await book(credit(100), taken, credit(1, "b"))
    assert [each.status for each in outcomes] == ["booked", "booked", "waiting"]


@pytest.mark.usefixtures("limited")
async def test_what_another_key_approved_counts_towards_neither_limit(book: Book) -> None:
    outcomes = await book(credit(101), approve(), credit(100, "b"), credit(100, "c", actor="lead"))
    assert [each.status for each in outcomes] == ["waiting", "booked", "booked", "booked"]


async def test_a_limit_of_noon_knows_what_was_given_in_the_morning(book: Book, engine: AsyncEngine) -> None:
    await book(enrolment(), credit(90))
    await publish(engine, LIMITED, valid_from=NOW)
    (found,) = await book(credit(11, "b"))
    assert found.status == "waiting"


@pytest.mark.usefixtures("limited")
async def test_what_is_refused_is_no_proposal(book: Book, engine: AsyncEngine) -> None:
    (unknown,) = await book(AdjustBalance("a", "nobody", 500, "gift", "desk", NOW))
    await book(ChangeStatus("c-1", "closed", "left"))
    (closed,) = await book(credit(500))
    assert (unknown.code, closed.code) == ("account-unknown", "account-closed")
    assert await rows(engine, "SELECT FROM adjustment") == []


@pytest.mark.usefixtures("limited")
async def test_a_limit_holds_under_fifty_requests_of_two_processes(
    points: PointsService, database_url: str, engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        key = await api_keys.create(connection, "desk", WITHIN, now=NOW, actor="test")
    other = PointsService(create_engine(database_url, name="second process", pool_size=5))
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                httpx.AsyncClient(
                    transport=httpx.ASGITransport(create_app(each, PointsSettings())),
                    base_url="http://localhost",
                    headers={"Authorization": f"Bearer {key}"},
                )
            )
            for each in (points, other)
        ]
        answers = await asyncio.gather(*(give(clients[n % 2], 7, f"k{n}") for n in range(50)))
    await other.close()
    statuses = [each.json()["status"] for each in answers]
    assert (statuses.count("booked"), statuses.count("awaits_approval")) == (14, 36)
    assert await rows(engine, "SELECT available FROM account") == [{"available": 98}]


# The second key


@pytest.mark.usefixtures("limited")
async def test_a_proposal_is_booked_once_another_key_approves_it(
    desk: httpx.AsyncClient, lead: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    asked = await give(desk, 500, "k", expires_on="2099-12-31")
    name = asked.json()["adjustment_id"]
    assert (asked.status_code, asked.json()["status"], asked.json()["entry_sequence"]) == (201, "awaits_approval", None)
    waiting = (await lead.get("/v1/adjustments", params={"status": "awaits_approval"})).json()["data"]
    assert [each["adjustment_id"] for each in waiting] == [name]
    approved = await decide(lead, name, "approve", "k")
    assert (approved.status_code, approved.json()["status"], approved.json()["decided_by"]) == (201, "booked", "lead")
    assert approved.json()["balance"]["available"] == 500
    assert (await lead.get(f"/v1/adjustments/{name}")).json() == approved.json()
    assert await rows(engine, "SELECT expires_on::text FROM lot") == [{"expires_on": "2099-12-31"}]


@pytest.mark.usefixtures("limited")
async def test_nobody_approves_their_own(desk: httpx.AsyncClient, lead: httpx.AsyncClient) -> None:
    name = (await give(desk, 500, "k")).json()["adjustment_id"]
    refusal(await decide(desk, name, "approve", "own"), 403, "approval-of-own")
    assert (await decide(lead, name, "approve", "k")).status_code == 201
    refusal(await decide(desk, name, "approve", "own-again"), 403, "approval-of-own")


@pytest.mark.usefixtures("limited")
async def test_a_proposal_can_be_withdrawn(desk: httpx.AsyncClient) -> None:
    name = (await give(desk, 500, "k")).json()["adjustment_id"]
    assert (await decide(desk, name, "reject", "r")).json()["status"] == "rejected"


@pytest.mark.usefixtures("limited")
async def test_approving_needs_its_scope(points: PointsService, lead: httpx.AsyncClient) -> None:
    name = (await give(lead, 500, "k")).json()["adjustment_id"]
    async with asking_with_key(points, "clerk", *WITHIN) as clerk:
        problem = refusal(await decide(clerk, name, "approve", "k"), 403, "scope-missing")
    assert problem["scope"] == "adjustments:approve"


@pytest.mark.usefixtures("limited")
async def test_a_decision_is_made_once(book: Book) -> None:
    await book(credit(500), credit(600, "b"))
    outcomes = await book(approve(), approve(actor="boss"), reject(), reject("b"), reject("b", "boss"), approve("b"))
    assert [(each.status, each.code) for each in outcomes] == [
        ("booked", None),
        ("repeated", None),
        ("refused", "adjustment-decided"),
        ("booked", None),
        ("repeated", None),
        ("refused", "adjustment-decided"),
    ]


@pytest.mark.usefixtures("limited")
async def test_what_was_booked_at_once_can_not_be_decided(book: Book) -> None:
    outcomes = await book(credit(5), approve(), reject(), approve("unknown"), reject("unknown"))
    assert [each.code for each in outcomes[1:]] == ["adjustment-decided"] * 2 + ["adjustment-unknown"] * 2


@pytest.mark.usefixtures("limited")
@pytest.mark.parametrize("turn", range(5))
async def test_of_approval_and_rejection_at_once_one_counts(
    desk: httpx.AsyncClient, lead: httpx.AsyncClient, database_url: str, engine: AsyncEngine, turn: int
) -> None:
    name = (await give(desk, 500, "k")).json()["adjustment_id"]
    other = PointsService(create_engine(database_url, name="second process", pool_size=5))
    async with asking_with_key(other, "boss", *EVERYTHING) as boss:
        answers = await asyncio.gather(
            *(decide(lead, name, "approve", f"a{turn}-{n}") for n in range(4)),
            *(decide(boss, name, "reject", f"r{turn}-{n}") for n in range(4)),
        )
    await other.close()
    approvals, rejections = ({each.status_code for each in part} for part in (answers[:4], answers[4:]))
    assert (approvals, rejections) in (({201, 200}, {409}), ({409}, {201, 200}))
    (found,) = await rows(engine, "SELECT available FROM account")
    assert found["available"] == (500 if 201 in approvals else 0)


@pytest.mark.usefixtures("limited")
async def test_a_replay_is_answered_as_the_first_time(desk: httpx.AsyncClient, lead: httpx.AsyncClient) -> None:
    first = await give(desk, 500, "k")
    name = first.json()["adjustment_id"]
    approved = await decide(lead, name, "approve", "k")
    assert (await give(desk, 500, "k")).content == first.content
    again = await decide(lead, name, "approve", "k")
    assert (again.status_code, again.content) == (201, approved.content)
    assert (await decide(lead, name, "approve", "other-key")).status_code == 200


@pytest.mark.usefixtures("limited")
async def test_every_step_stands_in_the_audit_trail(
    desk: httpx.AsyncClient, lead: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    names = [(await give(desk, points, f"k{points}")).json()["adjustment_id"] for points in (5, 500, 600)]
    await decide(desk, names[1], "approve", "own")
    await decide(lead, names[1], "approve", "a")
    await decide(lead, names[1], "approve", "again")
    await decide(lead, names[2], "reject", "r")
    async with engine.connect() as connection:
        done = [(each["actor"], each["action"], each["subject"]) for each in await deeds(connection)]
    assert [each for each in reversed(done) if not each[1].startswith("key.")] == [
        ("desk", "points.adjust", "c-1"),
        ("desk", "adjustment.propose", names[1]),
        ("desk", "adjustment.propose", names[2]),
        ("lead", "adjustment.approve", names[1]),
        ("lead", "adjustment.reject", names[2]),
    ]


@pytest.mark.usefixtures("limited")
async def test_only_what_is_booked_is_said(book: Book, engine: AsyncEngine) -> None:
    await book(credit(500), credit(600, "b"), reject("b"))
    said = "SELECT count(*) AS n FROM outbox WHERE convert_from(payload, 'UTF8') LIKE '%points.adjusted%'"
    assert await rows(engine, said) == [{"n": 0}]
    await book(approve())
    assert await rows(engine, said) == [{"n": 1}]


@pytest.mark.usefixtures("limited")
async def test_a_proposal_is_judged_again_when_it_is_approved(book: Book) -> None:
    await book(credit(500, expires_on=NOW.date() + DAYS), credit(600, "b"))
    (late,) = await book(approve(), now=NOW + 2 * DAYS)
    await book(ChangeStatus("c-1", "closed", "left"))
    (closed,) = await book(approve("b"))
    (rejected,) = await book(reject("b"))
    assert (late.code, closed.code, rejected.status) == ("expires-in-past", "account-closed", "booked")


@pytest.mark.usefixtures("limited")
async def test_a_proposal_for_an_account_that_was_merged_is_booked_on_the_one_it_went_on_in(book: Book) -> None:
    await book(enrolment("c-2"), credit(500), MergeAccounts("c-1", "c-2", "enrolled twice"))
    (approved,) = await book(approve())
    assert approved.account is not None
    assert (approved.account.customer_id, approved.account.available) == ("c-2", 500)


@pytest.mark.usefixtures("limited")
async def test_the_list_has_pages(desk: httpx.AsyncClient) -> None:
    for number in range(5):
        await give(desk, 50, f"k{number}")
    seen: list[str] = []
    cursor = None
    for _ in range(3):
        asked = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        part = (await desk.get("/v1/adjustments", params=asked)).json()
        seen += [each["adjustment_id"] for each in part["data"]]
        cursor = part["next_cursor"]
    assert (len(seen), len(set(seen)), cursor) == (5, 5, None)
    booked = (await desk.get("/v1/adjustments", params={"status": "booked"})).json()["data"]
    assert {each["adjustment_id"] for each in booked} == set(seen[3:])
    refusal(await desk.get("/v1/adjustments/none"), 404, "adjustment-unknown")
    refusal(await desk.get("/v1/adjustments", params={"cursor": "x"}), 422, "cursor-invalid")
