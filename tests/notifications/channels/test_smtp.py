"""Mail reaches a real mail server once and as it was meant, and each of the server's answers is taken for what it is about."""

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import trustme

from services.notifications.channels.mail import Sender
from services.notifications.channels.message import Later, Message, Refused, Sent
from services.notifications.channels.servers import MailServer as Settings
from services.notifications.channels.smtp import Smtp
from tests.mail_servers import MailServer, mail_server

Stage = Literal["MAIL", "RCPT", "DATA"]
SENDER = Sender(
    "Käseladen", "news@shop.example", reply_to="help@shop.example", bounce_address="bounces@mail.shop.example"
)
MESSAGE = Message(
    notification_id="3f0e9c1a-7a5e",
    customer_id="c-42",
    purpose="birthday",
    to="anna@example.com",
    subject="Alles Gute, Änne!",
    text="Herzlichen Glückwunsch\n.\nvom Käseladen",
    html="<p>Herzlichen Glückwunsch</p>\n.\n<p>vom Käseladen</p>",
    written_at=dt.datetime(2026, 11, 24, 8, tzinfo=dt.UTC),
    unsubscribe_url="https://shop.example/unsubscribe?token=" + "a1b2c3d4" * 20,
)


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with mail_server(MailServer()) as running:
        yield running


@pytest.fixture
async def smtp(server: MailServer) -> AsyncIterator[Smtp]:
    channel = channel_to(server)
    yield channel
    await channel.close()


def channel_to(
    server: MailServer,
    *,
    security: Literal["none", "starttls", "tls"] = "none",
    ca_file: Path | None = None,
    password: str | None = None,
    mails_per_connection: int = 100,
    seconds: float = 5.0,
) -> Smtp:
    settings = Settings(
        host="127.0.0.1",
        port=server.port,
        security=security,
        username=None if password is None else "shop",
        password=password,
        ca_file=ca_file,
        own_name="loyalty.shop.test",
        mails_per_connection=mails_per_connection,
        seconds=seconds,
    )
    return Smtp(settings, SENDER)


async def test_a_mail_arrives_as_text_and_html_with_one_click_to_unsubscribe(smtp: Smtp, server: MailServer) -> None:
    assert await smtp.send(MESSAGE) == Sent("2.0.0 queued")
    (mail,) = server.mails()
    text, html = mail.iter_parts()
    assert mail.get_content_type() == "multipart/alternative"
    assert [text.get_content_type(), html.get_content_type()] == ["text/plain", "text/html"]
    assert text.get_content().splitlines() == MESSAGE.text.splitlines()
    assert html.get_content().splitlines() == str(MESSAGE.html).splitlines()
    assert mail["Subject"] == "Alles Gute, Änne!"
    assert mail["From"] == "Käseladen <news@shop.example>"
    assert mail["Reply-To"] == "help@shop.example"
    assert mail["To"] == "anna@example.com"
    assert mail["Message-ID"] == "<3f0e9c1a-7a5e@shop.example>"
    assert mail["Date"].datetime == MESSAGE.written_at
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert f"List-Unsubscribe: <{MESSAGE.unsubscribe_url}>\r\n".encode() in server.raw_mails()[0]


async def test_bounces_go_to_their_own_address(smtp: Smtp, server: MailServer) -> None:
    await smtp.send(MESSAGE)
    assert server.taken[0].mail_from == "bounces@mail.shop.example"


async def test_a_server_that_writes_reports_is_told_the_notification() -> None:
    async with mail_server(MailServer(knows_reports=True)) as server:
        smtp = channel_to(server)
        assert isinstance(await smtp.send(MESSAGE), Sent)
        await smtp.close()
    assert server.parameters == {"ENVID": "3f0e9c1a-7a5e", "RET": "HDRS"}


async def test_a_repeat_carries_the_same_message_id(smtp: Smtp, server: MailServer) -> None:
    await smtp.send(MESSAGE)
    await smtp.send(MESSAGE)
    first, second = server.mails()
    assert first["Message-ID"] == second["Message-ID"]


async def test_a_domain_beyond_ascii_is_written_as_servers_know_it(smtp: Smtp, server: MailServer) -> None:
    await smtp.send(replace(MESSAGE, to="Anna@Straße.Example"))
    assert server.taken[0].rcpt_tos == ["Anna@xn--strae-oqa.example"]
    assert server.mails()[0]["To"] == "Anna@xn--strae-oqa.example"


@pytest.mark.parametrize(
    "to",
    [
        "",
        "anna",
        "anna@",
        "@example.com",
        "anna@localhost",
        "an na@example.com",
        "anna@example.com\r\nRCPT TO:<eve@example.com>",
        "anna@example.com, eve@example.com",
        "<anna@example.com>",
        "anna..b@example.com",
        "anna@exa mple.com",
        "anna@-example.com",
        "änne@example.com",
        "a" * 65 + "@example.com",
        "a@" + "b." * 126 + "com",
    ],
)
async def test_an_address_that_is_none_is_refused_for_good_and_asked_of_nobody(
    to: str, smtp: Smtp, server: MailServer
) -> None:
    outcome = await smtp.send(replace(MESSAGE, to=to))
    assert isinstance(outcome, Refused)
    assert outcome.gone
    assert not outcome.asked
    assert server.connections == []


async def test_a_header_that_no_message_may_set_is_refused(smtp: Smtp, server: MailServer) -> None:
    outcome = await smtp.send(replace(MESSAGE, headers={"Bcc": "eve@example.com"}))
    assert outcome == Refused("a message sets no header 'Bcc'", asked=False)
    assert server.connections == []


async def test_mails_after_one_another_go_over_one_connection(smtp: Smtp, server: MailServer) -> None:
    for number in range(5):
        await smtp.send(replace(MESSAGE, notification_id=f"n-{number}"))
    assert len(server.taken) == 5
    assert len(server.connections) == 1


async def test_mails_at_the_same_time_do_not_get_into_each_other(smtp: Smtp, server: MailServer) -> None:
    outcomes = await asyncio.gather(*(smtp.send(replace(MESSAGE, to=f"c{number}@example.com")) for number in range(20)))
    assert all(isinstance(outcome, Sent) for outcome in outcomes)
    assert sorted(mail["To"] for mail in server.mails()) == sorted(f"c{number}@example.com" for number in range(20))


async def test_a_connection_carries_only_so_many_mails(server: MailServer) -> None:
    smtp = channel_to(server, mails_per_connection=2)
    for _ in range(5):
        await smtp.send(MESSAGE)
    await smtp.close()
    assert len(server.taken) == 5
    assert len(server.connections) == 3


async def test_a_server_that_hung_up_meanwhile_is_called_again_and_gets_the_mail_once(
    smtp: Smtp, server: MailServer
) -> None:
    await smtp.send(MESSAGE)
    server.hang_up()
    assert isinstance(await smtp.send(MESSAGE), Sent)
    assert len(server.taken) == 2


@pytest.mark.parametrize(
    ("stage", "answer", "outcome"),
    [
        ("RCPT", "550 5.1.1 no such user", Refused("550 5.1.1 no such user", gone=True)),
        ("RCPT", "550 no such user", Refused("550 no such user", gone=True)),
        ("RCPT", "550 5.2.1 mailbox disabled", Refused("550 5.2.1 mailbox disabled", gone=True)),
        ("RCPT", "552 5.2.2 mailbox full", Refused("552 5.2.2 mailbox full")),
        ("RCPT", "550 5.7.1 blocked", Refused("550 5.7.1 blocked")),
        ("RCPT", "554 blocked", Refused("554 blocked")),
        ("RCPT", "450 4.2.0 greylisted", Later("450 4.2.0 greylisted")),
        ("RCPT", "452 4.2.2 mailbox full", Later("452 4.2.2 mailbox full")),
        ("DATA", "554 5.6.0 looks like spam", Refused("554 5.6.0 looks like spam")),
        ("DATA", "550 5.1.1 no such user", Refused("550 5.1.1 no such user", gone=True)),
        ("DATA", "451 4.3.0 try later", Later("451 4.3.0 try later")),
    ],
)
async def test_an_answer_about_one_mail_leaves_the_connection_to_the_next(
    stage: str, answer: str, outcome: Refused | Later, smtp: Smtp, server: MailServer
) -> None:
    server.refusals = {f"{stage} eve@example.com": answer}
    assert await smtp.send(replace(MESSAGE, to="eve@example.com")) == outcome
    assert isinstance(await smtp.send(MESSAGE), Sent)
    assert len(server.connections) == 1


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("550 5.7.1 not from you", Later("550 5.7.1 not from you", away=True)),
        ("451 4.3.0 try later", Later("451 4.3.0 try later", away=True)),
        ("552 5.3.4 too large", Refused("552 5.3.4 too large")),
    ],
)
async def test_an_answer_about_the_sender_is_no_fault_of_the_address(
    answer: str, outcome: Refused | Later, smtp: Smtp, server: MailServer
) -> None:
    server.refusals = {"MAIL": answer}
    assert await smtp.send(MESSAGE) == outcome


@pytest.mark.parametrize("stage", ["MAIL", "RCPT anna@example.com", "DATA anna@example.com"])
async def test_a_server_that_closes_is_called_anew_for_the_next_mail(
    stage: str, smtp: Smtp, server: MailServer
) -> None:
    server.refusals = {stage: "421 4.3.2 closing"}
    assert await smtp.send(MESSAGE) == Later("421 4.3.2 closing", away=True)
    server.refusals = {}
    assert isinstance(await smtp.send(MESSAGE), Sent)
    assert len(server.connections) == 2


async def test_where_nobody_listens_is_later() -> None:
    async with mail_server(MailServer()) as server:
        pass
    assert is_away(await channel_to(server).send(MESSAGE))


async def test_a_server_that_says_nothing_is_not_waited_for_long() -> None:
    async def say_nothing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _reader.read()
        writer.close()

    listening = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with listening:
        smtp = channel_to(MailServer(port=listening.sockets[0].getsockname()[1]), seconds=0.2)
        assert is_away(await asyncio.wait_for(smtp.send(MESSAGE), timeout=5))


STAGES: tuple[Stage, ...] = ("MAIL", "RCPT", "DATA")


@pytest.mark.parametrize("stage", STAGES)
async def test_a_server_that_hangs_up_amid_a_mail_is_later(stage: Stage, smtp: Smtp, server: MailServer) -> None:
    server.silent_at = stage
    sending = asyncio.create_task(smtp.send(MESSAGE))
    await server.reached.wait()
    server.hang_up()
    assert is_away(await sending)


@pytest.mark.parametrize("stage", STAGES)
async def test_a_mail_that_was_broken_off_does_not_spoil_the_next(stage: Stage, smtp: Smtp, server: MailServer) -> None:
    server.silent_at = stage
    sending = asyncio.create_task(smtp.send(MESSAGE))
    await server.reached.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    server.silent_at = None
    assert isinstance(await smtp.send(replace(MESSAGE, to="eve@example.com")), Sent)
    assert [mail["To"] for mail in server.mails()] == ["eve@example.com"]


def is_away(outcome: object) -> bool:
    return isinstance(outcome, Later) and outcome.away


# What is told to whom: encryption and passwords


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return tmp_path / "ca.pem"


def certified(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_password_travels_encrypted(
    security: Literal["starttls", "tls"], authority: trustme.CA, ca_file: Path
) -> None:
    encryption = {security: certified(authority)}
    async with mail_server(MailServer(users={"shop": "open sesame"}), **encryption) as server:
        smtp = channel_to(server, security=security, ca_file=ca_file, password=server.users["shop"])
        assert isinstance(await smtp.send(MESSAGE), Sent)
        await smtp.close()


async def test_a_wrong_password_is_no_fault_of_the_mail(authority: trustme.CA, ca_file: Path) -> None:
    async with mail_server(MailServer(users={"shop": "open sesame"}), starttls=certified(authority)) as server:
        smtp = channel_to(server, security="starttls", ca_file=ca_file, password=server.users["shop"].upper())
        outcome = await smtp.send(MESSAGE)
    assert isinstance(outcome, Later)
    assert outcome.away
    assert outcome.reason.startswith("535")
    assert server.taken == []


async def test_a_server_without_encryption_gets_nothing_where_it_is_asked_for(server: MailServer) -> None:
    smtp = channel_to(server, security="starttls")
    assert is_away(await smtp.send(MESSAGE))
    assert server.taken == []


async def test_a_server_with_another_name_in_its_certificate_gets_nothing(authority: trustme.CA, ca_file: Path) -> None:
    async with mail_server(MailServer(), starttls=certified(authority, "mx.elsewhere.test")) as server:
        assert is_away(await channel_to(server, security="starttls", ca_file=ca_file).send(MESSAGE))
    assert server.taken == []


def test_no_setting_sends_a_password_in_the_open_or_shows_it() -> None:
    word = "sesame"
    with pytest.raises(ValueError, match="only with starttls or tls"):
        Settings(host="mx.shop.example", port=25, security="none", username="shop", password=word)
    assert word not in repr(Settings(host="mx.shop.example", port=587, username="shop", password=word))
