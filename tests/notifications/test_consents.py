"""Consents with their proofs: as shops say them, confirmed and withdrawn by links, in every order."""

import datetime as dt
from itertools import permutations
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notifications.commands import ChooseConsents, ConfirmConsent, HearConsent, HearMerge
from services.notifications.consent_words import consents_of
from services.notifications.service import NotificationsService
from shared.contracts.customers import Consent
from shared.database import fetch
from tests.notifications.conftest import NOW, Book

DAY = dt.timedelta(days=1)
WORD = {"customer_id": "anna", "channel": "email", "purpose": "offers", "given": True, "how": "checkout", "text": "t/3"}


def yes(days: float = 0, channel: str = "email") -> HearConsent:
    return HearConsent("anna", channel, "offers", is_given=True, how="checkout", text="t/3", at=NOW + days * DAY)


def no(days: float = 0, channel: str = "email") -> HearConsent:
    return HearConsent("anna", channel, "offers", is_given=False, how="phone", text="no", at=NOW + days * DAY)


def follow(days: float = 0) -> ConfirmConsent:
    """Follow the link of the question that was asked on a day."""
    return ConfirmConsent("anna", "email", "offers", NOW + days * DAY, "link in mail", "yes")


async def states(engine: AsyncEngine) -> list[tuple[str, str, str]]:
    async with engine.connect() as connection:
        rows = await fetch(connection, "SELECT channel, purpose, state FROM consent ORDER BY channel, purpose")
    return [tuple(row) for row in rows]


async def questions(engine: AsyncEngine) -> list[dict[str, Any]]:
    async with engine.connect() as connection:
        rows = await fetch(connection, "SELECT * FROM notification ORDER BY happened_at")
    return [dict(row) for row in rows]


async def test_a_yes_on_a_channel_of_double_opt_in_asks_once(book: Book, engine: AsyncEngine) -> None:
    assert [each.status for each in await book(yes(), yes())] == ["booked", "repeated"]
    assert [each.status for each in await book(yes())] == ["repeated"]
    assert await states(engine) == [("email", "offers", "asked")]
    (question,) = await questions(engine)
    assert question["subject"] == "confirm_consent"
    assert question["reference"] == "email/offers/2026-11-23T12:00:00+00:00"
    assert (question["status"], question["purpose"], question["channel"]) == ("planned", "necessary", "email")
    assert question["until"] == NOW + 14 * DAY


async def test_a_yes_elsewhere_counts_at_once(book: Book, engine: AsyncEngine) -> None:
    await book(yes(channel="sms"))
    assert await states(engine) == [("sms", "offers", "given")]
    assert await questions(engine) == []


async def test_what_was_said_long_ago_asks_nobody(book: Book, engine: AsyncEngine) -> None:
    await book(yes(-8))
    assert await states(engine) == [("email", "offers", "asked")]
    assert await questions(engine) == []


async def test_the_link_confirms_once_with_its_proof(book: Book) -> None:
    await book(yes())
    (confirmed,) = await book(follow(), now=NOW + DAY)
    assert confirmed.consent is not None
    assert confirmed.consent.state == "given"
    assert confirmed.consent.confirmed == (NOW + DAY, "link in mail", "yes")
    assert [each.status for each in await book(follow(), now=NOW + 2 * DAY)] == ["repeated"]


@pytest.mark.parametrize(("days", "code"), [(14, None), (14.001, "confirmation-late")])
async def test_a_question_is_open_for_so_many_days(book: Book, days: float, code: str | None) -> None:
    await book(yes())
    (found,) = await book(follow(), now=NOW + days * DAY)
    assert found.code == code


async def test_only_the_newest_question_is_answered(book: Book) -> None:
    await book(yes(-1), yes())
    found = await book(follow(-1), follow())
    assert [each.code for each in found] == ["consent-asked-anew", None]


async def test_nobody_confirms_what_was_not_asked_or_is_withdrawn(book: Book) -> None:
    assert [each.code for each in await book(follow())] == ["consent-not-asked"]
    assert [each.code for each in await book(yes(), no(), follow())][2] == "consent-not-asked"


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_yes_no_yes_in_any_order_ends_with_the_last_word(
    book: Book, engine: AsyncEngine, order: tuple[int, ...]
) -> None:
    said = [yes(-2, "sms"), no(-1, "sms"), yes(0, "sms")]
    for place in order:
        await book(said[place])
    assert await states(engine) == [("sms", "offers", "given")]


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_no_yes_no_in_any_order_ends_with_the_last_word(
    book: Book, engine: AsyncEngine, order: tuple[int, ...]
) -> None:
    said = [no(-2, "sms"), yes(-1, "sms"), no(0, "sms")]
    await book(*(said[place] for place in order))
    assert await states(engine) == [("sms", "offers", "withdrawn")]


async def test_what_a_customer_says_here_counts_though_a_shops_clock_was_ahead(book: Book, engine: AsyncEngine) -> None:
    await book(yes(0.5, "sms"))
    await book(HearConsent("anna", "sms", "offers", is_given=False, how="link in mail", text="no"))
    assert await states(engine) == [("sms", "offers", "withdrawn")]


async def test_a_word_of_a_day_to_come_is_refused(book: Book, engine: AsyncEngine) -> None:
    (found,) = await book(yes(1.01))
    assert (found.code, found.pointer) == ("consent-ahead", "/at")
    assert await states(engine) == []


async def test_choices_change_only_what_is_otherwise(book: Book, engine: AsyncEngine) -> None:
    await book(yes(-1, "sms"))
    here = [HearConsent("anna", each, "offers", is_given=True, how="page", text="y") for each in ("email", "sms")]
    await book(ChooseConsents("anna", tuple(here), "page", "n"))
    assert await states(engine) == [("email", "offers", "asked"), ("sms", "offers", "given")]
    assert [each.status for each in await book(ChooseConsents("anna", tuple(here), "page", "n"))] == ["repeated"]
    assert len(await questions(engine)) == 1


async def test_nothing_at_all_ends_also_what_was_not_shown(book: Book, engine: AsyncEngine) -> None:
    await book(yes(-1, "sms"), yes(-1))
    await book(ChooseConsents("anna", (), "page", "none of it", nothing_else=True))
    assert {state for *_, state in await states(engine)} == {"withdrawn"}


async def test_a_link_of_an_old_name_ends_what_goes_on_under_the_new_one(
    client: httpx.AsyncClient, notifications: NotificationsService, book: Book, engine: AsyncEngine
) -> None:
    await book(yes(-1, "sms"), HearMerge("anna", "zoe"))
    token = notifications.links.unsubscribe("anna", "sms", "offers").rpartition("/")[2]
    assert "Yes, unsubscribe" in (await client.get(f"/unsubscribe/{token}")).text
    assert (await client.post(f"/unsubscribe/{token}")).status_code == 200
    async with engine.connect() as connection:
        rows = await fetch(connection, "SELECT state FROM consent WHERE customer_id = 'zoe'")
    assert [tuple(row) for row in rows] == [("withdrawn",)]
    (shown,) = (await client.get("/v1/customers/anna/consents")).json()["data"]
    assert shown["customer_id"] == "zoe"


def test_a_record_says_what_it_can() -> None:
    said: list[dict[str, Any]] = [
        {
            "channel": "Email ",
            "purpose": "offers",
            "given": True,
            "how": "till",
            "text": "t",
            "at": "2026-11-01T00:00:00Z",
        },
        {"channel": "sms", "purpose": "account", "granted": False, "colour": "red"},
        {"channel": "sms", "purpose": "offers", "status": "withdrawn"},
        {"channel": "sms", "purpose": "marketing", "given": True},
        {"channel": "sms", "purpose": "offers"},
        {"channel": "no channel", "purpose": "offers", "given": True},
    ]
    heard = consents_of("anna", [Consent.model_validate(each) for each in said], NOW)
    assert [(each.channel, each.purpose, each.is_given, each.how, each.at) for each in heard] == [
        ("email", "offers", True, "till", dt.datetime(2026, 11, 1, tzinfo=dt.UTC)),
        ("sms", "account", False, "customer record", NOW),
        ("sms", "offers", False, "customer record", NOW),
    ]


# Over REST


async def test_a_word_is_kept_with_its_proof(client: httpx.AsyncClient) -> None:
    first = await client.post("/v1/consents", json=WORD | {"at": "2026-11-23T10:15:00+01:00"})
    assert (first.status_code, first.json()["state"]) == (201, "asked"), first.text
    again = await client.post("/v1/consents", json=WORD | {"at": "2026-11-23T10:15:00+01:00"})
    assert (again.status_code, again.json()) == (200, first.json())
    (shown,) = (await client.get("/v1/customers/anna/consents")).json()["data"]
    assert shown == first.json()
    assert shown["asked"] == {"at": "2026-11-23T09:15:00Z", "how": "checkout", "text": "t/3"}


async def test_a_repeat_under_a_key_asks_once(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    key = {"Idempotency-Key": "k-1"}
    answers = [await client.post("/v1/consents", json=WORD, headers=key) for _ in range(2)]
    assert [each.status_code for each in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert len(await questions(engine)) == 1


async def test_who_says_it_for_a_customer_stands_in_the_audit_trail(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await client.post("/v1/consents", json=WORD | {"given": False})
    async with engine.connect() as connection:
        (row,) = await fetch(connection, "SELECT action, subject, reason FROM audit")
    assert tuple(row) == ("consent.withdraw", "anna: email/offers", "checkout")


@pytest.mark.parametrize("wrong", [{"purpose": "necessary"}, {"channel": "E-Mail"}, {"given": "yes"}, {"how": ""}])
async def test_a_word_that_says_too_little_is_refused(client: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    assert (await client.post("/v1/consents", json=WORD | wrong)).status_code == 422


async def test_nobody_speaks_for_who_was_erased(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await fetch(connection, "INSERT INTO customer (customer_id, erased_at) VALUES ('anna', now())")
    said = await client.post("/v1/consents", json=WORD)
    read = await client.get("/v1/customers/anna/consents")
    assert [(each.status_code, each.json()["code"]) for each in (said, read)] == [(410, "customer-erased")] * 2
    assert (await client.get("/v1/customers/nobody/consents")).json()["code"] == "customer-unknown"
