"""The pages behind links in messages: looking changes nothing, a click does, and nobody needs a login."""

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notifications.commands import HearConsent
from services.notifications.links import Links
from services.notifications.service import NotificationsService
from shared.database import fetch
from tests.notifications.conftest import Book
from tests.processes import Running, loyalty, wait_until_ready

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def now() -> dt.datetime:
    """The pages live by the real clock."""
    return dt.datetime.now(dt.UTC)


def said(at: dt.datetime, channel: str = "sms", *, is_given: bool = True) -> HearConsent:
    return HearConsent("anna", channel, "offers", is_given=is_given, how="till", text="t/3", at=at)


def path(link: str) -> str:
    return "/" + "/".join(link.rsplit("/", 2)[1:])


def unsubscribe(notifications: NotificationsService, channel: str = "sms") -> str:
    return path(notifications.links.unsubscribe("anna", channel, "offers"))


async def rows(engine: AsyncEngine, table: str = "consent") -> list[dict[str, Any]]:
    async with engine.connect() as connection:
        return [dict(row) for row in await fetch(connection, f"SELECT * FROM {table}")]


async def state(engine: AsyncEngine) -> list[tuple[str, str]]:
    return sorted((f"{row['channel']}/{row['purpose']}", row["state"]) for row in await rows(engine))


# Unsubscribing


async def test_looking_at_a_link_changes_nothing(
    client: httpx.AsyncClient, notifications: NotificationsService, engine: AsyncEngine, book: Book, now: dt.datetime
) -> None:
    await book(said(now - HOUR, "email"), said(now - HOUR), now=now - HOUR)
    links, before = notifications.links, (await rows(engine), await rows(engine, "customer"))
    for link in (
        links.unsubscribe("anna", "sms", "offers"),
        links.preferences("anna"),
        links.confirm("anna", "email", "offers", now - HOUR),
        links.unsubscribe("nobody", "sms", "offers"),
    ):
        for _ in range(2):
            page = await client.get(path(link))
            assert (page.status_code, '<form method="post">' in page.text) == (200, True), page.text
    assert (await rows(engine), await rows(engine, "customer")) == before


async def test_the_button_unsubscribes_with_proof(
    client: httpx.AsyncClient, notifications: NotificationsService, engine: AsyncEngine, book: Book, now: dt.datetime
) -> None:
    await book(said(now - HOUR), now=now - HOUR)
    page = await client.post(unsubscribe(notifications), headers={"Accept-Language": "de"})
    assert "Sie erhalten keine Angebote und Gutscheine per SMS mehr" in page.text
    (row,) = await rows(engine)
    assert (row["state"], row["withdrawn_how"]) == ("withdrawn", "link in mail")
    assert row["withdrawn_text"] == "Ich möchte Angebote und Gutscheine per SMS nicht mehr erhalten."
    assert now - HOUR < row["withdrawn_at"]
    again = await client.post(unsubscribe(notifications))
    assert (again.status_code, await rows(engine)) == (200, [row])


async def test_whoever_never_agreed_can_unsubscribe(
    client: httpx.AsyncClient, notifications: NotificationsService, engine: AsyncEngine
) -> None:
    assert (await client.post(unsubscribe(notifications))).status_code == 200
    assert await state(engine) == [("sms/offers", "withdrawn")]


@pytest.mark.parametrize("is_multipart", [False, True])
async def test_one_click_of_a_mail_client_unsubscribes_at_once(
    client: httpx.AsyncClient, notifications: NotificationsService, engine: AsyncEngine, *, is_multipart: bool
) -> None:
    link, field = unsubscribe(notifications, "email"), "List-Unsubscribe"
    if is_multipart:
        answer = await client.post(link, files={field: (None, "One-Click")})
    else:
        answer = await client.post(link, data={field: "One-Click"})
    assert (answer.status_code, answer.cookies) == (200, httpx.Cookies())
    (row,) = await rows(engine)
    assert (row["state"], row["withdrawn_how"]) == ("withdrawn", "one click in a mail client")


# Confirming


async def test_a_click_confirms_and_a_second_one_too(
    client: httpx.AsyncClient, notifications: NotificationsService, engine: AsyncEngine, book: Book, now: dt.datetime
) -> None:
    await book(said(now - HOUR, "email"), now=now - HOUR)
    link = path(notifications.links.confirm("anna", "email", "offers", now - HOUR))
    assert "Yes, confirm" in (await client.get(link)).text
    pages = [await client.post(link) for _ in range(2)]
    assert [(page.status_code, "Thank you" in page.text) for page in pages] == [(200, True)] * 2
    assert "Thank you" in (await client.get(link)).text
    (row,) = await rows(engine)
    assert (row["state"], row["confirmed_how"]) == ("given", "link in mail")
    assert row["confirmed_text"] == "Yes, I would like to receive offers and coupons by e-mail."


@pytest.mark.parametrize("days", [15, 400])
async def test_a_question_is_closed_after_its_days(
    client: httpx.AsyncClient,
    notifications: NotificationsService,
    engine: AsyncEngine,
    book: Book,
    now: dt.datetime,
    days: int,
) -> None:
    asked_at = now - days * 24 * HOUR
    await book(said(asked_at, "email"), now=asked_at)
    link = path(notifications.links.confirm("anna", "email", "offers", asked_at))
    for page in (await client.get(link), await client.post(link)):
        assert (page.status_code, "no longer valid" in page.text) == (410, True)
    assert await state(engine) == [("email/offers", "asked")]


async def test_an_old_link_does_not_undo_a_no(
    client: httpx.AsyncClient, notifications: NotificationsService, engine: AsyncEngine, book: Book, now: dt.datetime
) -> None:
    await book(said(now - 2 * HOUR, "email"), said(now - HOUR, "email", is_given=False), now=now - HOUR)
    link = path(notifications.links.confirm("anna", "email", "offers", now - 2 * HOUR))
    assert (await client.post(link)).status_code == 410
    await book(said(now, "email"), now=now)
    assert [(await client.get(link)).status_code, (await client.post(link)).status_code] == [410, 410]
    assert await state(engine) == [("email/offers", "asked")]


# Preferences


async def test_preferences_show_what_holds_and_save_what_is_ticked(
    client: httpx.AsyncClient, notifications: NotificationsService, engine: AsyncEngine, book: Book, now: dt.datetime
) -> None:
    await book(said(now - HOUR), now=now - HOUR)
    link = path(notifications.links.preferences("anna"))
    page = (await client.get(link)).text
    assert re.findall(r'name="on" value="([^"]+)"( checked)?', page) == [
        ("email/offers", ""),
        ("email/account", ""),
        ("sms/offers", " checked"),
        ("sms/account", ""),
    ]
    shown = re.findall(r'name="shown" value="([^"]+)"', page)
    saved = await client.post(link, data={"shown": shown, "on": ["email/offers", "sms/account"], "do": "save"})
    assert "Saved." in saved.text
    assert saved.text.count("Please confirm this one") == 1
    assert await state(engine) == [
        ("email/offers", "asked"),
        ("sms/account", "given"),
        ("sms/offers", "withdrawn"),
    ]
    assert [row["subject"] for row in await rows(engine, "notification")] == ["confirm_consent"]


async def test_nothing_at_all_is_one_button(
    client: httpx.AsyncClient, notifications: NotificationsService, engine: AsyncEngine, book: Book, now: dt.datetime
) -> None:
    await book(said(now - HOUR), now=now - HOUR)
    await client.post(
        path(notifications.links.preferences("anna")),
        data={"shown": ["email/offers"], "on": ["email/offers", "sms/offers"], "do": "nothing"},
    )
    assert await state(engine) == [("email/offers", "withdrawn"), ("sms/offers", "withdrawn")]


@pytest.mark.parametrize("form", [b"", b"\xff=&&&=", b"shown=fax/offers&on=fax/offers", b"shown=x&" * 2_000])
async def test_a_form_that_is_none_of_ours_changes_nothing(
    client: httpx.AsyncClient, notifications: NotificationsService, engine: AsyncEngine, form: bytes
) -> None:
    page = await client.post(path(notifications.links.preferences("anna")), content=form)
    assert (page.status_code, await state(engine)) == (200, [])


# Whoever comes


@pytest.mark.parametrize("token", ["x", "a.b", "%C3%A4.%00"[:-3], "a%2Fb", "x" * 5_000])
@pytest.mark.parametrize("what", ["unsubscribe", "confirm", "preferences"])
async def test_a_token_that_nobody_made_gets_a_page_that_says_so(
    client: httpx.AsyncClient, engine: AsyncEngine, what: str, token: str
) -> None:
    for page in (await client.get(f"/{what}/{token}"), await client.post(f"/{what}/{token}")):
        assert (page.status_code, "do not know this link" in page.text) == (404, True)
    assert await state(engine) == []


async def test_who_guesses_has_to_wait_but_keeps_nobody_out(
    client: httpx.AsyncClient, notifications: NotificationsService
) -> None:
    pages = [await client.get("/unsubscribe/wrong") for _ in range(31)]
    assert [page.status_code for page in pages] == [404] * 30 + [429]
    assert int(pages[-1].headers["retry-after"]) > 0
    assert (await client.get(unsubscribe(notifications))).status_code == 200


async def test_who_reloads_without_end_has_to_wait(
    client: httpx.AsyncClient, notifications: NotificationsService
) -> None:
    pages = [await client.get(unsubscribe(notifications)) for _ in range(61)]
    assert [page.status_code for page in pages] == [200] * 60 + [429]
    assert (await client.get(path(notifications.links.preferences("ben")))).status_code == 200


async def test_a_page_loads_nothing_and_says_nothing_to_others(
    client: httpx.AsyncClient, notifications: NotificationsService
) -> None:
    for link in (unsubscribe(notifications), path(notifications.links.preferences("anna")), "/confirm/wrong"):
        page = await client.get(link)
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers["x-robots-tag"] == "noindex, nofollow"
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
        assert not re.search(r"<(img|link|script|iframe)\b|@import|url\(|\bon\w+=", page.text)


async def test_a_customers_language_comes_before_that_of_the_browser(
    client: httpx.AsyncClient, notifications: NotificationsService, engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        await fetch(connection, "INSERT INTO customer (customer_id, language) VALUES ('anna', 'de-AT')")
    page = await client.get(unsubscribe(notifications), headers={"Accept-Language": "en"})
    assert '<html lang="de">' in page.text
    assert "Abbestellen?" in page.text


async def test_who_was_erased_finds_nothing(
    client: httpx.AsyncClient, notifications: NotificationsService, engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        await fetch(connection, "INSERT INTO customer (customer_id, erased_at) VALUES ('anna', now())")
    for link in (unsubscribe(notifications), path(notifications.links.preferences("anna"))):
        assert [(await ask(link)).status_code for ask in (client.get, client.post)] == [410, 410]
    assert await state(engine) == []


# The process, over the wire


@pytest.fixture
def running(notifications_url: str) -> Iterator[Running]:
    settings = {"notifications_database_url": notifications_url, "notifications_link_key": "k" * 32}
    with loyalty("services", "notifications", notifications_public_url="https://shop.example", **settings) as process:
        wait_until_ready(process)
        yield process


async def test_a_mail_client_needs_no_key_of_ours(running: Running, engine: AsyncEngine) -> None:
    link = Links(("k" * 32).encode, running.url).unsubscribe("anna", "email", "offers")
    answer = httpx.post(link, data={"List-Unsubscribe": "One-Click"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert await state(engine) == [("email/offers", "withdrawn")]
