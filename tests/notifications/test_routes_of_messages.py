"""Messages over REST: what failed, what is said anew, and what those who deliver tell of it."""

from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notifications.sending.alarm import Alarm
from services.notifications.sending.saying import Sayer
from services.notifications.service import NotificationsService
from tests.asking import refusal, rows
from tests.notifications.messages import NOW, enrol, execute, plan, words


async def said(engine: AsyncEngine, notifications: NotificationsService, name: str = "anna") -> UUID:
    """A birthday that the shop's own mailer is asked to deliver."""
    await enrol(engine, name)
    key = await plan(engine, name=name)
    notifications.clock = lambda: NOW
    await Sayer(notifications, Alarm()).say_due()
    return key


async def standing(engine: AsyncEngine) -> list[dict[str, Any]]:
    return await rows(
        engine,
        "SELECT address, soft_bounces, bounced_at IS NOT NULL AS bounced, complained_at IS NOT NULL AS complained FROM address",
    )


def report(key: UUID, recipient: str = "anna@example.com", status: str = "5.1.1", *, action: str = "failed") -> bytes:
    """A delivery status notification (RFC 3464), as mail servers send it."""
    return (
        'MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        "--b\nContent-Type: text/plain\n\nIt did not arrive.\n"
        "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.com\n\n"
        f"Final-Recipient: rfc822; {recipient}\nAction: {action}\nStatus: {status}\n\n"
        f"--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: <{key}@example.com>\n\n--b--\n"
    ).encode()


async def hand_in(client: httpx.AsyncClient, raw: bytes) -> list[dict[str, Any]]:
    answer = await client.post("/v1/reports", content=raw, headers={"Content-Type": "message/rfc822"})
    assert answer.status_code == 201, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


async def test_the_shops_mailer_says_that_it_has_sent(
    client: httpx.AsyncClient, engine: AsyncEngine, notifications: NotificationsService
) -> None:
    path = f"/v1/notifications/{await said(engine, notifications)}"
    answers = [await client.post(f"{path}/reports", json={"status": "sent"}) for _ in range(2)]
    assert [each.status_code for each in answers] == [201, 200]
    shown = (await client.get(path)).json()
    assert (shown["status"], shown["channel"], shown["delivery"]) == ("sent", "email", None)
    assert (await words(engine))[-1] == "notification.sent"


async def test_a_bounce_fails_the_message_and_ends_the_address(
    client: httpx.AsyncClient, engine: AsyncEngine, notifications: NotificationsService
) -> None:
    path = f"/v1/notifications/{await said(engine, notifications)}"
    for status in ("sent", "bounced"):
        assert (await client.post(f"{path}/reports", json={"status": status})).status_code == 201
    assert (await client.get(path)).json()["reason"] == "bounced"
    assert await standing(engine) == [
        {"address": "anna@example.com", "soft_bounces": 0, "bounced": True, "complained": False}
    ]


async def test_what_nobody_was_asked_to_deliver_has_no_reports(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await enrol(engine)
    path = f"/v1/notifications/{await plan(engine)}/reports"
    refusal(await client.post(path, json={"status": "bounced"}), 409, "notification-unsaid")
    assert await standing(engine) == []
    unknown = f"/v1/notifications/{UUID(int=7)}"
    refusal(await client.get(unknown), 404, "notification-unknown")


async def test_what_failed_is_listed_page_by_page_and_said_anew_once_for_a_key(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    keys = []
    for number in range(5):
        await enrol(engine, f"c-{number}")
        keys.append(str(await plan(engine, name=f"c-{number}")))
    await execute(engine, "UPDATE notification SET status = 'failed', channel = 'email', reason = 'full'")
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await client.get(f"/v1/notifications?status=failed&channel=email&limit=2{cursor}")).json()
        seen += [each["notification_id"] for each in page["data"]]
        cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else None
    assert sorted(seen) == sorted(keys)
    assert (await client.get("/v1/notifications?channel=sms")).json()["data"] == []
    path, key = f"/v1/notifications/{keys[0]}/retry", {"Idempotency-Key": "k-1"}
    answers = [await client.post(path, headers=key) for _ in range(2)]
    assert [(each.status_code, each.json()["status"]) for each in answers] == [(201, "planned")] * 2
    refusal(await client.post(path), 409, "notification-not-failed")
    deeds = await rows(engine, "SELECT action FROM audit")
    assert [each["action"] for each in deeds] == ["notification.retry"]


@pytest.mark.parametrize(
    ("status", "action", "kind", "bounced", "soft"),
    [("5.1.1", "failed", "bounced", True, 0), ("4.2.2", "delayed", "delayed", False, 1)],
)
async def test_a_mail_that_came_back_is_read(
    client: httpx.AsyncClient,
    engine: AsyncEngine,
    notifications: NotificationsService,
    status: str,
    action: str,
    kind: str,
    *,
    bounced: bool,
    soft: int,
) -> None:
    key = await said(engine, notifications)
    results = await hand_in(client, report(key, status=status, action=action))
    assert results == [{"notification_id": str(key), "kind": kind, "status": "accepted"}]
    assert await standing(engine) == [
        {"address": "anna@example.com", "soft_bounces": soft, "bounced": bounced, "complained": False}
    ]


async def test_nobody_ends_the_address_of_somebody_else(
    client: httpx.AsyncClient, engine: AsyncEngine, notifications: NotificationsService
) -> None:
    key = await said(engine, notifications)
    await said(engine, notifications, "bert")
    forged = [report(key, "bert@example.com"), report(UUID(int=7)), b"no report at all"]
    found = [await hand_in(client, each) for each in forged]
    assert [[each["status"] for each in results] for results in found] == [["unknown"], ["unknown"], []]
    assert await standing(engine) == []
