"""Web hooks over REST, and messages that go there."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from standardwebhooks.webhooks import Webhook as Signature

from services.notifications.app import create_app
from services.notifications.hooks.keeping import hooks
from services.notifications.sending.alarm import Alarm
from services.notifications.sending.channels import hook_line
from services.notifications.sending.posting import Poster
from services.notifications.sending.saying import Sayer
from services.notifications.service import NotificationsService
from services.notifications.settings import NotificationsSettings
from tests.asking import pointers, refusal, rows
from tests.notifications.clocks import Clock
from tests.notifications.conftest import LINKS
from tests.notifications.messages import NOW, agree, enrol, plan, statuses, words
from tests.web_hooks import HookServer, answering, hook_server

SETTINGS = NotificationsSettings(notifications_hook_networks="127.0.0.0/8", notifications_hooks_without_tls=True)


@pytest.fixture
async def gateway() -> AsyncIterator[HookServer]:
    async with hook_server(HookServer()) as running:
        yield running


@pytest.fixture
def sending(engine: AsyncEngine) -> NotificationsService:
    return NotificationsService(engine, links=LINKS, clock=Clock(NOW))


@pytest.fixture
async def client(sending: NotificationsService) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(sending, SETTINGS), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as asking:
        yield asking


async def kept(client: httpx.AsyncClient, gateway: HookServer, channel: str = "whatsapp") -> dict[str, Any]:
    """A hook for a channel, with its secret."""
    answer = await client.put(f"/v1/hooks/{channel}", json={"url": f"http://127.0.0.1:{gateway.port}/in"})
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def send(sending: NotificationsService) -> None:
    """Say and deliver what is due, as a worker would."""
    await Sayer(sending, Alarm()).say_due()
    async with sending.engine.connect() as connection:
        found = await hooks(connection)
    for each in found:
        line = hook_line(SETTINGS, each)
        while await Poster(sending, line, Alarm()).send_due() is not None:
            pass
        await line.channel.close()


async def test_a_secret_is_shown_once_and_signs_what_is_posted(
    client: httpx.AsyncClient, gateway: HookServer, sending: NotificationsService
) -> None:
    hook = await kept(client, gateway)
    shown = (await client.get("/v1/hooks/whatsapp")).json()
    assert {**shown, "secret": hook["secret"]} == hook
    await enrol(sending.engine, phone="+49 151 1", preferred="whatsapp")
    await agree(sending.engine, channel="whatsapp")
    await plan(sending.engine)
    await send(sending)
    (posted,) = gateway.posted
    said = orjson.loads(posted.body)["data"]
    assert (said["to"], said["customer_id"]) == ("+49 151 1", "anna")
    timestamp = {"webhook-timestamp": posted.headers["webhook-timestamp"]}
    assert Signature(hook["secret"]).verify(posted.body, {**posted.headers, **timestamp})
    assert await statuses(sending.engine) == {"occasion:birthday": ("sent", None)}


async def test_an_old_secret_goes_on_signing_beside_the_new_one(client: httpx.AsyncClient, gateway: HookServer) -> None:
    old = (await kept(client, gateway))["secret"]
    new = (await client.post("/v1/hooks/whatsapp/rotate")).json()["secret"]
    called = (await client.post("/v1/hooks/whatsapp/test")).json()
    assert called == {"became": "sent", "answer": "200 taken"}
    (posted,) = gateway.posted
    for secret in (old, new):
        assert Signature(secret).verify(posted.body, posted.headers)


async def test_a_hook_that_is_gone_is_called_no_more_and_what_failed_is_replayed_to_the_next(
    client: httpx.AsyncClient, gateway: HookServer, sending: NotificationsService
) -> None:
    await kept(client, gateway, "crm")
    for name in ("anna", "bert"):
        await enrol(sending.engine, name, preferred="crm", email=None)
        await agree(sending.engine, name, channel="crm")
        await plan(sending.engine, name=name)
    gateway.answer = answering("410 Gone", "no more")
    await send(sending)
    assert {status for status, _reason in (await statuses(sending.engine)).values()} == {"failed"}
    hook = (await client.get("/v1/hooks/crm")).json()
    assert (hook["enabled"], hook["ended"]) == (False, "410 no more")
    gateway.answer = answering("200 OK")
    url = {"url": f"http://127.0.0.1:{gateway.port}/other"}
    assert (await client.put("/v1/hooks/crm", json=url)).json()["enabled"]
    assert (await client.post("/v1/hooks/crm/replay")).json() == {"retried": 2}
    await send(sending)
    assert (await words(sending.engine)).count("notification.sent") == 2
    assert (await client.post("/v1/hooks/crm/replay")).json() == {"retried": 0}


async def test_what_is_posted_to_a_hook_that_is_down_waits(
    client: httpx.AsyncClient, gateway: HookServer, sending: NotificationsService
) -> None:
    await kept(client, gateway, "crm")
    await enrol(sending.engine, preferred="crm")
    await agree(sending.engine, channel="crm")
    await plan(sending.engine)
    gateway.answer = answering("503 Service Unavailable", "later", Retry_After="7200")
    await send(sending)
    (row,) = await rows(
        sending.engine, "SELECT status, attempts, due_at - now() > '1 hour' AS much_later FROM dispatch"
    )
    assert (row["status"], row["attempts"]) == ("waiting", 0)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "http://", "http://user:word@127.0.0.1/"])
async def test_a_url_that_can_not_be_called_is_refused(client: httpx.AsyncClient, url: str) -> None:
    problem = refusal(await client.put("/v1/hooks/crm", json={"url": url}), 422, "url-unfit")
    assert pointers(problem) == {"/url"}


async def test_mail_goes_to_no_hook(client: httpx.AsyncClient) -> None:
    refusal(await client.put("/v1/hooks/email", json={"url": "https://a.example/"}), 422, "channel-taken")


async def test_a_hook_in_the_house_is_called_only_where_that_is_allowed(
    sending: NotificationsService, gateway: HookServer
) -> None:
    settings = NotificationsSettings(notifications_hooks_without_tls=True)
    transport = httpx.ASGITransport(create_app(sending, settings), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        await kept(client, gateway)
        called = (await client.post("/v1/hooks/whatsapp/test")).json()
    assert called["became"] == "refused"
    assert "not public" in called["answer"]
    assert gateway.posted == []


async def test_a_hook_that_is_taken_away_is_not_known(client: httpx.AsyncClient, gateway: HookServer) -> None:
    await kept(client, gateway)
    assert [each["channel"] for each in (await client.get("/v1/hooks")).json()["data"]] == ["whatsapp"]
    assert (await client.delete("/v1/hooks/whatsapp")).status_code == 204
    refusal(await client.get("/v1/hooks/whatsapp"), 404, "hook-unknown")
    deeds = await rows(client._transport.app.state.service.engine, "SELECT action FROM audit ORDER BY id")  # type: ignore[attr-defined]
    assert [each["action"] for each in deeds] == ["hook.put", "hook.delete"]
