"""Profiles over REST and from events: what is kept, what is said of it, and that an older word never undoes a newer one."""

import datetime as dt
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notifications.commands import SOURCE, HearProfile
from services.notifications.records import notification_id
from services.notifications.service import NotificationsService
from shared.contracts.customers import CustomerRegisteredEvent, CustomerUpdatedEvent
from shared.database import fetch, transact
from tests.asking import pointers, refusal, rows
from tests.notifications.conftest import NOW, Book
from tests.notifications.test_handlers import hear

ANNA = "/v1/customers/anna"
PROFILE: dict[str, Any] = {
    "given_name": "Anna",
    "language": "de",
    "time_zone": "Europe/Berlin",
    "birthday": "1984-02-29",
    "email": "anna@example.com",
    "preferences": {"colour": "red", "grapes": ["Riesling"]},
    "own_dates": {"wedding": "2012-06-16"},
}


async def said(engine: AsyncEngine) -> list[dict[str, Any]]:
    found = await rows(engine, "SELECT payload FROM outbox WHERE topic = 'loyalty.customers' ORDER BY id")
    return [orjson.loads(each["payload"]) for each in found]


async def profile(engine: AsyncEngine, name: str = "anna") -> dict[str, Any]:
    (found,) = await rows(engine, f"SELECT * FROM customer WHERE customer_id = '{name}'")
    return found


# Over REST


async def test_a_profile_is_kept_as_a_whole(client: httpx.AsyncClient) -> None:
    assert [(await client.put(ANNA, json=PROFILE)).status_code for _ in range(2)] == [201, 200]
    shown = (await client.get(ANNA)).json()
    assert shown["preferences"] == PROFILE["preferences"]
    assert (shown["birthday"], shown["own_dates"]) == ("1984-02-29", {"wedding": "2012-06-16"})
    assert (shown["purchases"], shown["balance"]) == (0, {"available": 0, "pending": 0})
    assert (await client.put(ANNA, json={"given_name": "Anna"})).status_code == 201
    shown = (await client.get(ANNA)).json()
    assert (shown["email"], shown["birthday"], shown["own_dates"], shown["preferences"]) == (None, None, {}, {})
    assert shown["joined_on"] is not None


async def test_what_is_put_here_is_said_as_the_records_of_the_shop_would_say_it(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await client.put(ANNA, json=PROFILE)
    await client.put(ANNA, json=PROFILE | {"preferences": {}})
    await client.put(ANNA, json={"given_name": "Anna", "language": "de"})
    registered, updated = await said(engine)
    assert CustomerRegisteredEvent.model_validate(registered).data.email == "anna@example.com"
    assert "preferences" not in registered["data"]
    assert "email" in CustomerUpdatedEvent.model_validate(updated).data.model_fields_set
    assert updated["data"]["email"] is None
    assert "salutation" not in updated["data"]


async def test_what_was_said_here_is_no_news_when_it_comes_round(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await client.put(ANNA, json=PROFILE)
    (event,) = await said(engine)
    assert event["source"] == SOURCE
    verdicts = await hear(engine, ("customer.registered", event["data"]), source=SOURCE)
    assert verdicts == ["skipped"]
    assert len(await said(engine)) == 1


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"time_zone": "Mars/Olympus"}, "/time_zone"),
        ({"birthday": "2999-01-01"}, "/birthday"),
        ({"email": "anna"}, "/email"),
        ({"email": "anna@-"}, "/email"),
        ({"language": "German"}, "/language"),
    ],
)
async def test_a_profile_that_cannot_be_is_refused_and_nothing_is_kept(
    client: httpx.AsyncClient, engine: AsyncEngine, wrong: dict[str, Any], pointer: str
) -> None:
    answer = await client.put(ANNA, json=PROFILE | wrong)
    assert answer.status_code == 422
    assert pointers(answer.json()) == {pointer}
    assert await rows(engine, "SELECT FROM customer") == []


async def test_a_birthday_that_is_still_to_come_is_refused(client: httpx.AsyncClient) -> None:
    tomorrow = (dt.datetime.now(dt.UTC) + dt.timedelta(days=2)).date().isoformat()
    refusal(await client.put(ANNA, json={"birthday": tomorrow}), 422, "birthday-in-future")


async def test_an_email_address_is_no_customer_id(client: httpx.AsyncClient) -> None:
    refusal(await client.put("/v1/customers/anna@example.com", json={}), 422, "request-invalid")


async def test_who_was_erased_is_gone(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await fetch(connection, "INSERT INTO customer (customer_id, erased_at) VALUES ('anna', now())")
    refusal(await client.put(ANNA, json=PROFILE), 410, "customer-erased")
    refusal(await client.get(ANNA), 410, "customer-erased")
    refusal(await client.get("/v1/customers/ben"), 404, "customer-unknown")
    assert await hear(engine, ("customer.updated", {"customer_id": "anna", "email": "a@example.com"})) == ["skipped"]


async def test_customers_are_listed_page_by_page(client: httpx.AsyncClient) -> None:
    for number in range(5):
        await client.put(f"/v1/customers/c-{number}", json=PROFILE)
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await client.get(f"/v1/customers?limit=2{cursor}")).json()
        seen += [each["customer_id"] for each in page["data"]]
        cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else None
    assert seen == [f"c-{number}" for number in range(5)]


async def test_each_change_names_who_made_it(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await client.put(ANNA, json=PROFILE)
    assert [each["action"] for each in await rows(engine, "SELECT action FROM audit")] == ["profile.put"]


# From events


def word(at: float = 0, **fields: Any) -> HearProfile:
    """A word of the shop's records, said so many hours from now."""
    return HearProfile("anna", fields, NOW + dt.timedelta(hours=at))


async def test_an_older_word_never_undoes_a_newer_one(book: Book, engine: AsyncEngine) -> None:
    newer, older = word(0, email="new@example.com"), word(-1, email="old@example.com", phone="+49 1234")
    outcomes = await book(newer, older, newer)
    assert [each.status for each in outcomes] == ["booked", "repeated", "repeated"]
    assert ((await profile(engine))["email"], (await profile(engine))["phone"]) == ("new@example.com", None)


async def test_what_is_not_said_stays_and_what_is_none_is_cleared(engine: AsyncEngine) -> None:
    await hear(
        engine,
        ("customer.registered", {"customer_id": "anna", "email": "a@example.com", "phone": "+49 1234"}),
        ("customer.updated", {"customer_id": "anna", "email": None, "given_name": "Anna"}),
    )
    found = await profile(engine)
    assert (found["email"], found["phone"], found["given_name"]) == (None, "+49 1234", "Anna")


async def test_what_is_malformed_in_a_record_is_as_if_it_had_not_been_said(engine: AsyncEngine) -> None:
    record = {"customer_id": "anna", "email": "nowhere", "time_zone": "CET-1", "given_name": "A\x1fnna"}
    assert await hear(engine, ("customer.registered", record | {"family_name": "Muster"})) == ["accepted"]
    found = await profile(engine)
    assert (found["email"], found["time_zone"], found["given_name"], found["family_name"]) == (
        None,
        None,
        None,
        "Muster",
    )


async def test_somebody_is_a_customer_since_the_earliest_day_that_is_heard_of(book: Book, engine: AsyncEngine) -> None:
    registered = dt.datetime(2020, 2, 29, 23, 30, tzinfo=dt.UTC)
    await hear(engine, ("customer.registered", {"customer_id": "anna", "registered_at": registered}))
    await book(HearProfile("anna", {}, NOW, registered + dt.timedelta(days=9)))
    assert (await profile(engine))["joined_on"] == dt.date(2020, 3, 1)


async def test_a_birthday_is_entered_on_the_local_day_of_its_word(book: Book, engine: AsyncEngine) -> None:
    late = dt.datetime(2026, 11, 22, 23, 30, tzinfo=dt.UTC)
    await book(HearProfile("anna", {"birthday": dt.date(1984, 2, 29), "time_zone": "America/New_York"}, late))
    assert (await profile(engine))["birthday_entered_on"] == dt.date(2026, 11, 22)
    await book(HearProfile("anna", {"birthday": dt.date(1984, 3, 1), "time_zone": "Asia/Tokyo"}, NOW))
    assert (await profile(engine))["birthday_entered_on"] == dt.date(2026, 11, 23)


async def plan(engine: AsyncEngine, *subjects: str, status: str = "planned") -> None:
    async def work(connection: Any) -> None:
        for subject in subjects:
            await fetch(
                connection,
                "INSERT INTO notification (notification_id, customer_id, subject, reference, status, purpose, happened_at,"
                " due_at, said_at) VALUES ($1, 'anna', $2, '2027', $3, 'offers', $4, $4, $4)",
                notification_id("anna", subject, "2027"),
                subject,
                status,
                NOW,
            )

    await transact(engine, work)


async def planned(engine: AsyncEngine) -> set[str]:
    found = await rows(engine, "SELECT subject FROM notification")
    return {each["subject"].removeprefix("occasion:") for each in found}


@pytest.mark.parametrize(
    ("changed", "left"),
    [
        ({"birthday": dt.date(1985, 1, 1)}, {"christmas", "anniversary", "welcome"}),
        ({"time_zone": "Asia/Tokyo"}, {"welcome"}),
        ({"given_name": "Anne"}, {"birthday", "christmas", "anniversary", "welcome"}),
    ],
)
async def test_what_was_planned_about_a_day_that_changed_is_planned_anew(
    book: Book, engine: AsyncEngine, changed: dict[str, Any], left: set[str]
) -> None:
    await book(word(-1, birthday=dt.date(1984, 2, 29)))
    await plan(engine, "occasion:birthday", "occasion:christmas", "occasion:anniversary", "welcome")
    await book(word(0, **changed))
    assert await planned(engine) == left


async def test_what_was_requested_stays_whatever_changes(book: Book, engine: AsyncEngine) -> None:
    await book(word(-1, birthday=dt.date(1984, 2, 29)))
    await plan(engine, "occasion:birthday", status="requested")
    await book(word(0, birthday=dt.date(1985, 1, 1)))
    assert await planned(engine) == {"birthday"}


async def test_a_moved_own_date_is_planned_anew(
    client: httpx.AsyncClient, engine: AsyncEngine, notifications: NotificationsService
) -> None:
    programme = (await notifications.programme_now()).programme
    wedding = programme.occasions[0].model_copy(update={"name": "wedding", "of": "own:wedding"})
    changed = programme.model_copy(update={"occasions": [*programme.occasions, wedding]})
    now = dt.datetime.now(dt.UTC)
    await notifications.publish(changed, valid_from=now, now=now, actor="tests")
    await client.put(ANNA, json=PROFILE)
    await plan(engine, "occasion:birthday", "occasion:wedding")
    await client.put(ANNA, json=PROFILE | {"own_dates": {"wedding": "2012-06-17", "moving-in": "2010-01-01"}})
    assert await planned(engine) == {"birthday"}
    dates = await rows(engine, "SELECT name, date FROM own_date ORDER BY name")
    assert [tuple(each.values()) for each in dates] == [
        ("moving-in", dt.date(2010, 1, 1)),
        ("wedding", dt.date(2012, 6, 17)),
    ]
