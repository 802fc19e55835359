"""What is ours to deliver reaches a real mail server, once as far as that can be, whatever happens on the way."""

import asyncio
import datetime as dt
import signal
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notifications.channels.mail import Sender
from services.notifications.channels.servers import MailServer as Settings
from services.notifications.channels.smtp import Smtp
from services.notifications.commands import BookDelivery, Request, RetryNotification
from services.notifications.sending.alarm import Alarm
from services.notifications.sending.posting import LEASE, Line, Poster
from services.notifications.sending.saying import Sayer
from services.notifications.service import NotificationsService
from services.notifications.verification import verify
from tests.asking import rows
from tests.mail_servers import MailServer, mail_server
from tests.notifications.clocks import Clock
from tests.notifications.conftest import LINKS
from tests.notifications.messages import NOW, agree, comes_to, enrol, execute, plan, statuses, words
from tests.processes import free_port, loyalty

SENDER = Sender("Weinhaus", "shop@example.com")


@pytest.fixture
async def post() -> AsyncIterator[MailServer]:
    async with mail_server(MailServer()) as running:
        yield running


@pytest.fixture
async def poster(sending: NotificationsService, post: MailServer) -> AsyncIterator[Poster]:
    smtp = Smtp(Settings(host="127.0.0.1", port=post.port, security="none"), SENDER)
    yield Poster(sending, Line("email", smtp, 1000), Alarm())
    await smtp.close()


async def said(sending: NotificationsService, name: str = "anna", reference: str = "2026") -> UUID:
    """A birthday mail to be delivered."""
    key = await plan(sending.engine, name=name, reference=reference)
    await Sayer(sending, Alarm()).say_due()
    return key


async def dispatches(engine: AsyncEngine) -> list[tuple[object, ...]]:
    found = await rows(engine, "SELECT status, attempts, answer FROM dispatch ORDER BY customer_id")
    return [tuple(each.values()) for each in found]


async def test_a_mail_arrives_and_nothing_of_it_is_kept(
    engine: AsyncEngine, sending: NotificationsService, poster: Poster, post: MailServer
) -> None:
    await enrol(engine)
    key = await said(sending)
    assert await poster.send_due() == 0
    (mail,) = post.mails()
    assert (mail["To"], mail["From"]) == ("anna@example.com", "Ihr Shop <shop@example.com>")
    assert mail["Message-ID"] == f"<{key}@example.com>"
    assert mail["List-Unsubscribe"] == f"<{LINKS.unsubscribe('anna', 'email', 'offers')}>"
    assert await words(engine) == ["coupon.issued", "notification.requested", "notification.sent"]
    (row,) = await rows(engine, "SELECT address, message, status, ended_at FROM dispatch")
    assert row == {"address": None, "message": None, "status": "sent", "ended_at": NOW}
    async with engine.connect() as connection:
        assert await verify(connection) == []


async def test_two_processes_send_each_once(
    engine: AsyncEngine, sending: NotificationsService, post: MailServer
) -> None:
    for number in range(60):
        await enrol(engine, f"c-{number}")
        await said(sending, f"c-{number}")
    lines = [Smtp(Settings(host="127.0.0.1", port=post.port, security="none"), SENDER) for _ in range(2)]

    async def work(smtp: Smtp) -> None:
        poster = Poster(sending, Line("email", smtp, 1000), Alarm())
        while await poster.send_due() is not None:
            pass
        await smtp.close()

    await asyncio.gather(*map(work, lines))
    recipients = [mail["To"] for mail in post.mails()]
    assert sorted(recipients) == sorted(f"c-{number}@example.com" for number in range(60))
    assert await dispatches(engine) == [("sent", 1, "2.0.0 queued")] * 60


async def test_who_unsubscribed_after_it_was_requested_gets_nothing(
    engine: AsyncEngine, sending: NotificationsService, poster: Poster, post: MailServer
) -> None:
    await enrol(engine)
    await said(sending)
    await agree(engine, state="withdrawn")
    await poster.send_due()
    assert post.taken == []
    assert await statuses(engine) == {"occasion:birthday": ("suppressed", "consent-withdrawn")}
    assert await rows(engine, "SELECT FROM notification WHERE said_at IS NOT NULL") == []


async def test_a_server_that_was_away_for_days_gets_all_of_it(
    engine: AsyncEngine, sending: NotificationsService, clock: Clock
) -> None:
    port = free_port()
    smtp = Smtp(Settings(host="127.0.0.1", port=port, security="none"), SENDER)
    seconds = Clock(NOW)
    line = Line("email", smtp, 1000, clock=lambda: float(seconds.now.timestamp()))
    poster = Poster(sending, line, Alarm())
    for number in range(8):
        await enrol(engine, f"c-{number}")
        await said(sending, f"c-{number}")
    assert await poster.send_due() == pytest.approx(30)
    # five have met nobody, the others were not tried; none of it counts as an attempt
    assert {attempts for _status, attempts, _answer in await dispatches(engine)} == {0}
    for _ in range(40):
        clock.now += dt.timedelta(hours=3)
        seconds.now = clock.now
        await poster.send_due()
    assert await words(engine) == ["coupon.issued", "notification.requested"] * 8
    async with mail_server(MailServer(port=port)) as post:
        for _ in range(4):
            clock.now += dt.timedelta(minutes=13)
            seconds.now = clock.now
            await poster.send_due()
        assert len(post.taken) == 8
    await smtp.close()


async def test_a_server_that_stays_away_for_more_than_a_week_fails_what_means_nothing_any_more(
    engine: AsyncEngine, sending: NotificationsService, clock: Clock
) -> None:
    smtp = Smtp(Settings(host="127.0.0.1", port=free_port(), security="none"), SENDER)
    await enrol(engine)
    await said(sending)
    clock.now += dt.timedelta(days=7)
    await Poster(sending, Line("email", smtp, 1000), Alarm()).send_due()
    ((status, reason),) = (await statuses(engine)).values()
    assert status == "failed"
    assert "does not answer" in (reason or "")


async def test_a_full_mailbox_is_tried_five_times(
    engine: AsyncEngine, sending: NotificationsService, poster: Poster, post: MailServer, clock: Clock
) -> None:
    post.refusals["RCPT anna@example.com"] = "452 4.2.2 mailbox full"
    await enrol(engine)
    await said(sending)
    tries = 0
    while await poster.send_due() is not None:
        tries += 1
        ((due,),) = [each.values() for each in await rows(engine, "SELECT due_at FROM dispatch")]
        clock.now = due
    assert tries == 5
    assert await statuses(engine) == {"occasion:birthday": ("failed", "452 4.2.2 mailbox full")}
    assert (await words(engine))[-1] == "notification.failed"


async def test_what_failed_is_said_anew_with_the_same_gift(
    engine: AsyncEngine, sending: NotificationsService, poster: Poster, post: MailServer
) -> None:
    post.refusals["DATA anna@example.com"] = "554 5.7.1 looks like spam"
    await enrol(engine)
    key = await said(sending)
    await poster.send_due()
    post.refusals.clear()
    (reply,) = await sending.book([Request([RetryNotification(key, "anna"), RetryNotification(key, "anna")])])
    assert [each.code or each.status for each in reply.outcomes] == ["booked", "notification-not-failed"]
    await Sayer(sending, Alarm()).say_due()
    await poster.send_due()
    assert len(post.taken) == 1
    assert await statuses(engine) == {"occasion:birthday": ("sent", None)}
    assert (await words(engine)).count("coupon.issued") == 1
    assert await dispatches(engine) == [("sent", 1, "2.0.0 queued")]


async def test_one_whose_lease_was_over_says_nothing_of_what_another_has_taken(
    engine: AsyncEngine, sending: NotificationsService, poster: Poster, clock: Clock
) -> None:
    await enrol(engine)
    key = await said(sending)
    first = await poster._taken()
    clock.now += LEASE
    second = await poster._taken()
    assert [len(first), len(second)] == [1, 1]
    late = BookDelivery(key, "anna", first[0].attempt, "failed", "whatever")
    (reply,) = await sending.book([Request([late])])
    assert reply.outcomes[0].status == "ignored"
    # that it is sent stays true, whoever says so
    (reply,) = await sending.book([Request([late._replace(became="sent"), late._replace(became="sent")])])
    assert [each.status for each in reply.outcomes] == ["booked", "repeated"]


def worker(url: str, post: MailServer) -> dict[str, str]:
    return {
        "notifications_database_url": url,
        "notifications_link_key": "k" * 32,
        "notifications_smtp_url": f"smtp://127.0.0.1:{post.port}",
        "notifications_sender_address": "shop@example.com",
        "log_format": "json",
    }


async def until(holds: asyncio.Event) -> None:
    async with asyncio.timeout(60):
        await holds.wait()


@pytest.mark.slow
async def test_a_process_killed_between_sending_and_booking_sends_again_under_the_same_id(
    engine: AsyncEngine, notifications_url: str, post: MailServer
) -> None:
    await enrol(engine)
    key = await plan(engine, due_at=NOW)
    await execute(
        engine, "UPDATE notification SET happened_at = now(), due_at = now(), until = now() + interval '1 day'"
    )
    await execute(engine, "UPDATE programme SET document = '{\"quiet_hours\": null}'")
    post.silent_after_taking = True
    with loyalty("services", "notifications", "--no-api", **worker(notifications_url, post)) as running:
        await until(post.reached)
        await asyncio.to_thread(running.kill)
    post.silent_after_taking = False
    assert await dispatches(engine) == [("waiting", 1, None)]
    # as if its lease were over
    await execute(engine, "UPDATE dispatch SET due_at = now()")
    with loyalty("services", "notifications", "--no-api", **worker(notifications_url, post)) as running:
        await comes_to(engine, "sent")
        assert await asyncio.to_thread(running.interrupt, signal.SIGTERM) == 0, running.said()
    assert [mail["Message-ID"] for mail in post.mails()] == [f"<{key}@example.com>"] * 2
