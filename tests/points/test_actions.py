"""Actions give points once per customer and for ever, whatever is redelivered, asked twice or merged."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.points import handlers
from services.points.commands import ChangeStatus, GiveAction, MergeAccounts, Outcome, SettleAccount
from services.points.ledger import Ledger
from services.points.programme import Programme
from services.points.service import PointsService
from services.points.verification import verify
from shared.audit import deeds
from shared.database import create_engine, transact
from shared.messaging.events import Received, Verdict
from tests.points.asking import asking_with_key, pointers, refusal, rows
from tests.points.conftest import NOW, Book, adjustment, enrolment, publish, purchase

EARLY = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
DAYS = dt.timedelta(days=1)
ACTIONS: list[dict[str, Any]] = [
    {"name": "registration", "points": 100},
    {"name": "first_consent", "points": 30},
    {"name": "review", "points": 20, "expires_after_days": 10},
    {
        "name": "survey",
        "points": 10,
        "valid_from": "2026-11-01T00:00:00+01:00",
        "valid_until": "2026-11-23T13:00:00+01:00",
    },
]
GIVING = Programme.model_validate({"actions": ACTIONS})
LEVELS = [{"name": "Basic", "threshold": 0}, {"name": "Silver", "threshold": 10}]


@pytest.fixture(autouse=True)
async def _books_are_right(engine: AsyncEngine) -> AsyncIterator[None]:
    """Whatever was done, the books must be provable afterwards."""
    yield
    async with engine.connect() as connection:
        assert await verify(connection) == []


@pytest.fixture(autouse=True)
async def _giving(engine: AsyncEngine) -> None:
    await publish(engine, GIVING, valid_from=EARLY)


def did(action: str = "review", customer: str = "c-1", *, at: dt.datetime = NOW) -> GiveAction:
    return GiveAction(customer, action, at, "review 4711")


def event(kind: str, name: str = "e-1", customer: str = "c-1", **data: Any) -> dict[str, Any]:
    said = {"specversion": "1.0", "id": name, "source": "/crm", "type": f"loyalty.customer.{kind}.v1"}
    return said | {"time": "2026-11-23T10:00:00Z", "data": {"customer_id": customer, **data}}


async def hear(engine: AsyncEngine, *events: dict[str, Any]) -> list[str]:
    """Take events as a consumer of the topic does."""
    subscription = handlers.subscription(Ledger(), clock=lambda: NOW)
    received = [Received(handlers.EVENTS.validate_python(each), b"", NOW) for each in events]

    async def work(connection: AsyncConnection) -> list[Verdict]:
        return list(await subscription.handle(connection, received))

    return [each.status for each in await transact(engine, work)]


async def entries(engine: AsyncEngine) -> list[tuple[str, str, int]]:
    found = await rows(engine, "SELECT customer_id, reference, points FROM entry ORDER BY customer_id, sequence")
    return [(row["customer_id"], row["reference"], row["points"]) for row in found]


def state(outcome: Outcome) -> tuple[str, int, int]:
    assert outcome.action is not None, outcome
    assert outcome.balance is not None, outcome
    return outcome.status, outcome.action.points, outcome.balance.available


CONSENT = [{"channel": "email", "purpose": "marketing", "granted": True}]


# Asked for


async def test_an_action_gives_its_points_once(book: Book, engine: AsyncEngine) -> None:
    *_, first, again, other = await book(enrolment(), did(), did(), did("survey", at=NOW - DAYS))
    (later,) = await book(did(), now=NOW + 5 * DAYS)
    assert [state(each) for each in (first, again, other)] == [
        ("booked", 20, 20),
        ("repeated", 20, 20),
        ("booked", 10, 30),
    ]
    assert later.status == "repeated"
    assert await entries(engine) == [("c-1", "action review", 20), ("c-1", "action survey", 10)]


async def test_a_repeat_is_answered_with_what_was_given_then_whatever_the_programme_says_now(
    book: Book, engine: AsyncEngine
) -> None:
    await book(enrolment(), did())
    dearer = Programme.model_validate({"actions": [{"name": "review", "points": 99}]})
    await publish(engine, dearer, valid_from=NOW)
    (again,) = await book(did(at=NOW + DAYS), now=NOW + DAYS)
    await publish(engine, Programme(), valid_from=NOW + 2 * DAYS)
    (gone,) = await book(did(at=NOW + 3 * DAYS), now=NOW + 3 * DAYS)
    assert [(each.status, each.action and each.action.points) for each in (again, gone)] == [("repeated", 20)] * 2


async def test_an_action_gives_nothing_outside_its_window(book: Book) -> None:
    end = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
    *_, over, unknown, nobody = await book(enrolment(), did("survey", at=end), did("dance"), did(customer="nobody"))
    (open_yet,) = await book(did("survey", at=end - dt.timedelta(microseconds=1)))
    assert [each.code for each in (over, unknown, nobody)] == ["action-closed", "action-unknown", "account-unknown"]
    assert open_yet.status == "booked"


@pytest.mark.parametrize("status", ["blocked", "closed"])
async def test_an_account_that_is_not_active_is_given_nothing_but_told_what_it_had(book: Book, status: Any) -> None:
    await book(enrolment(), did())
    _, new, had = await book(ChangeStatus("c-1", status, "why"), did("survey", at=NOW - DAYS), did())
    assert (new.code, had.status) == (f"account-{status}", "repeated")


async def test_points_of_an_action_may_end_on_a_day_of_their_own(book: Book, engine: AsyncEngine) -> None:
    await book(enrolment(), did())
    assert await rows(engine, "SELECT expires_on FROM lot") == [{"expires_on": NOW.date() + 10 * DAYS}]
    (settled,) = await book(SettleAccount("c-1"), now=NOW + 11 * DAYS)
    assert settled.balance is not None
    assert settled.balance.available == 0


async def test_rule_22_points_of_actions_move_no_tier(book: Book, engine: AsyncEngine) -> None:
    await publish(engine, Programme.model_validate({"actions": ACTIONS, "tiers": {"levels": LEVELS}}), valid_from=NOW)
    await book(enrolment(), did())
    found = await rows(engine, "SELECT tier, lifetime_points, (SELECT count(*) FROM progress) AS days FROM account")
    assert found == [{"tier": None, "lifetime_points": 0, "days": 0}]


async def test_rule_18_points_of_actions_repay_a_debt_first(book: Book) -> None:
    *_, given = await book(purchase(total="10.00"), adjustment(-25, allow_debt=True), did())
    assert state(given) == ("booked", 20, 5)


async def test_a_merge_gives_no_action_a_second_time(book: Book, engine: AsyncEngine) -> None:
    await book(enrolment("c-1"), enrolment("c-2"), did(customer="c-1"))
    await book(MergeAccounts("c-1", "c-2", "enrolled twice"))
    old, new, other = await book(did(customer="c-1"), did(customer="c-2"), did("survey", "c-1", at=NOW - DAYS))
    assert [each.status for each in (old, new, other)] == ["repeated", "repeated", "booked"]
    await book(enrolment("c-3"), MergeAccounts("c-2", "c-3", "again"))
    assert [each.status for each in await book(did(customer="c-3"), did("survey", "c-1"))] == ["repeated"] * 2
    given = await rows(engine, "SELECT customer_id, action FROM action_given ORDER BY 2")
    assert given == [{"customer_id": "c-1", "action": "review"}, {"customer_id": "c-2", "action": "survey"}]


async def test_a_merge_in_the_same_batch_gives_no_action_a_second_time(book: Book) -> None:
    await book(enrolment("c-1"), enrolment("c-2"), did(customer="c-1"))
    _, given = await book(MergeAccounts("c-1", "c-2", "enrolled twice"), did(customer="c-2"))
    assert given.status == "repeated"


async def test_forty_requests_of_two_processes_give_an_action_once(
    book: Book, points: PointsService, database_url: str, engine: AsyncEngine
) -> None:
    await book(enrolment("c-1"), enrolment("c-2"), MergeAccounts("c-1", "c-2", "enrolled twice"))
    other = PointsService(create_engine(database_url, name="second process", pool_size=5))
    async with asking_with_key(points, "a", "*") as first, asking_with_key(other, "b", "*") as second:
        asked = [
            client.post(f"/v1/accounts/{customer}/actions", json={"action": "review"})
            for client in (first, second) * 10
            for customer in ("c-1", "c-2")
        ]
        answers = await asyncio.gather(*asked)
    await other.close()
    assert sorted(each.status_code for each in answers) == [200] * 39 + [201]
    assert await entries(engine) == [("c-2", "action review", 20)]


async def test_an_action_over_rest(book: Book, client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await book(enrolment())
    place = "/v1/accounts/c-1/actions"
    said = {"action": "review", "reference": "review 4711"}
    first = await client.post(place, json=said, headers={"Idempotency-Key": "k"})
    again = await client.post(place, json=said | {"reference": "review 4712"})
    replayed = await client.post(place, json=said, headers={"Idempotency-Key": "k"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert (replayed.status_code, replayed.content) == (201, first.content)
    assert again.json() == first.json()
    assert (first.json()["points"], first.json()["reference"]) == (20, "review 4711")
    assert pointers(refusal(await client.post(place, json={"action": "x"}), 422, "action-unknown")) == {"/action"}
    refusal(await client.post("/v1/accounts/nobody/actions", json=said), 404, "account-unknown")
    async with engine.connect() as connection:
        (done,) = await deeds(connection, subject="c-1")
    assert done["action"] == "action.give review"
    (told,) = await rows(engine, "SELECT convert_from(payload, 'UTF8')::jsonb->'data' AS data FROM outbox WHERE id = 2")
    assert (told["data"]["reason"], told["data"]["points"]) == ("action review", 20)


# Heard of


async def test_a_registration_gives_its_points_once_however_often_it_is_delivered(engine: AsyncEngine) -> None:
    registered = event("registered", consents=CONSENT)
    assert await hear(engine, registered) == ["accepted"]
    assert await hear(engine, registered, event("registered", "e-2")) == ["duplicate", "duplicate"]
    assert await entries(engine) == [("c-1", "action registration", 100), ("c-1", "action first_consent", 30)]


async def test_whoever_was_enrolled_by_a_purchase_is_given_the_points_as_they_register(
    book: Book, engine: AsyncEngine
) -> None:
    await book(purchase(total="1.00"))
    assert await hear(engine, event("registered"), event("registered", "e-2")) == ["accepted", "duplicate"]
    assert await entries(engine) == [("c-1", "shop/R-1", 1), ("c-1", "action registration", 100)]


async def test_enrolling_at_the_till_is_no_registration(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await client.post("/v1/accounts", json={"customer_id": "c-1"})
    assert await entries(engine) == []


async def test_who_registered_before_there_was_anything_for_it_gets_nothing(engine: AsyncEngine) -> None:
    await hear(engine, event("registered", registered_at="2019-05-01T10:00:00Z"))
    assert await entries(engine) == []


@pytest.mark.parametrize(
    ("consents", "points"),
    [
        (CONSENT, 30),
        ([{"channel": "post", "status": "granted"}], 30),
        ([{"channel": "email", "granted": False}], 0),
        ([{"channel": "email", "status": "withdrawn"}], 0),
        ([], 0),
    ],
)
async def test_the_first_consent_gives_points(
    book: Book, engine: AsyncEngine, consents: list[dict[str, Any]], points: int
) -> None:
    await book(enrolment())
    await hear(engine, event("updated", consents=consents), event("updated", "e-2", consents=consents))
    await hear(engine, event("updated", "e-3", consents=consents))
    assert sum(each for *_, each in await entries(engine)) == points


async def test_a_consent_of_somebody_without_an_account_gives_nothing(engine: AsyncEngine) -> None:
    assert await hear(engine, event("updated", customer="nobody", consents=CONSENT)) == ["accepted"]
    assert await entries(engine) == []


async def test_a_consent_over_http_is_passed_on_once(
    book: Book, client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await book(enrolment())
    updated = event("updated", consents=CONSENT)
    answers = [(await client.post("/v1/events", json=updated)).json() for _ in range(2)]
    assert [each["results"][0]["status"] for each in answers] == ["accepted", "duplicate"]
    assert await rows(engine, "SELECT count(*) AS n FROM outbox WHERE topic = 'loyalty.customers'") == [{"n": 1}]
    assert await entries(engine) == [("c-1", "action first_consent", 30)]


async def test_a_registration_over_http_of_somebody_enrolled_is_passed_on_too(
    book: Book, client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await book(purchase(total="1.00"))
    await client.post("/v1/events", json=event("registered"))
    assert await rows(engine, "SELECT count(*) AS n FROM outbox WHERE topic = 'loyalty.customers'") == [{"n": 1}]


async def test_no_points_for_a_registration_where_the_programme_has_none(engine: AsyncEngine) -> None:
    await publish(engine, Programme(), valid_from=NOW - DAYS)
    await hear(engine, event("registered", consents=CONSENT))
    assert await entries(engine) == []


# The programme


@pytest.mark.parametrize(
    ("actions", "pointer", "code"),
    [
        ([ACTIONS[0], ACTIONS[0]], "/programme/actions/1/name", "name-taken"),
        (
            [{"name": "x", "points": 1, "valid_from": "2026-01-02T00:00:00Z", "valid_until": "2026-01-01T00:00:00Z"}],
            "/programme/actions/0/valid_until",
            "window-empty",
        ),
    ],
)
async def test_actions_that_do_not_fit_together_are_not_published(
    client: httpx.AsyncClient, actions: list[dict[str, Any]], pointer: str, code: str
) -> None:
    problem = refusal(
        await client.put("/v1/programme", json={"programme": {"actions": actions}}), 422, "programme-faulty"
    )
    assert [(each["pointer"], each["code"]) for each in problem["errors"]] == [(pointer, code)]
