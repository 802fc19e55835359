"""A web hook gets what was meant for it, signed, at the address that was looked at; and each answer is taken for what it says."""

import asyncio
import base64
import datetime as dt
import json
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
import trustme
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from services.notifications.channels.destinations import is_allowed
from services.notifications.channels.message import Later, Message, Refused, Sent
from services.notifications.channels.webhook import Hook, Webhook, payload, retry_after, signature
from tests.web_hooks import HookServer, answering, hook_server

NOW = dt.datetime(2026, 11, 24, 8, tzinfo=dt.UTC)
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
NEW, OLD, OTHER = (f"whsec_{base64.b64encode(bytes([number]) * 32).decode()}" for number in range(3))
MESSAGE = Message(
    notification_id="3f0e9c1a-7a5e",
    customer_id="c-42",
    purpose="birthday",
    to="+4915112345678",
    subject="Alles Gute, Änne!",
    text="Herzlichen Glückwunsch",
    written_at=dt.datetime(2026, 11, 24, 7, tzinfo=dt.UTC),
)


@pytest.fixture
async def server() -> AsyncIterator[HookServer]:
    async with hook_server(HookServer()) as running:
        yield running


@pytest.fixture
async def webhook(server: HookServer) -> AsyncIterator[Webhook]:
    channel = Webhook(hook_at(server), now=now, ask=looked_up("127.0.0.1"))
    yield channel
    await channel.close()


def hook_at(server: HookServer, host: str = "hooks.shop.test", seconds: float = 5.0) -> Hook:
    return Hook(
        url=f"http://{host}:{server.port}/messages?shop=12",
        secrets=[NEW, OLD],
        headers={"Authorization": "Basic 123", "host": "elsewhere.test"},
        allowed_networks=LOOPBACK,
        plain_http=True,
        seconds=seconds,
    )


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class looked_up:  # noqa: N801 - stands where a function does
    """A resolver that answers each time with the next of its answers, and then with the last again."""

    def __init__(self, *answers: str | Sequence[str]) -> None:
        self.answers = [[answer] if isinstance(answer, str) else list(answer) for answer in answers]
        self.asked: list[str] = []

    async def __call__(self, host: str, _port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


# What is sent


async def test_a_hook_gets_the_message_under_its_own_name(webhook: Webhook, server: HookServer) -> None:
    assert await webhook.send(MESSAGE) == Sent("200 taken")
    (posted,) = server.posted
    assert posted.path == "/messages?shop=12"
    assert posted.headers["host"] == f"hooks.shop.test:{server.port}"
    assert posted.headers["authorization"] == "Basic 123"
    assert posted.headers["content-type"] == "application/json"
    assert json.loads(posted.body) == {
        "type": "notification.requested",
        "timestamp": "2026-11-24T07:00:00Z",
        "data": {
            "notification_id": "3f0e9c1a-7a5e",
            "customer_id": "c-42",
            "purpose": "birthday",
            "to": "+4915112345678",
            "subject": "Alles Gute, Änne!",
            "text": "Herzlichen Glückwunsch",
            "html": None,
            "unsubscribe_url": None,
        },
    }


@pytest.mark.parametrize("secret", [NEW, OLD], ids=["new", "old"])
async def test_each_secret_of_a_hook_verifies_while_one_is_replaced(
    secret: str, webhook: Webhook, server: HookServer
) -> None:
    await webhook.send(MESSAGE)
    (posted,) = server.posted
    assert Verifier(secret).verify(posted.body, posted.headers) == json.loads(payload(MESSAGE))


async def test_nobody_else_verifies_and_nothing_changed_does(webhook: Webhook, server: HookServer) -> None:
    await webhook.send(MESSAGE)
    (posted,) = server.posted
    with pytest.raises(WebhookVerificationError):
        Verifier(OTHER).verify(posted.body, posted.headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(NEW).verify(posted.body.replace(b"c-42", b"c-43"), posted.headers)


async def test_a_repeat_has_the_same_id_and_the_same_body(webhook: Webhook, server: HookServer) -> None:
    await webhook.send(MESSAGE)
    await webhook.send(MESSAGE)
    first, second = server.posted
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == "3f0e9c1a-7a5e"
    assert first.body == second.body


@pytest.mark.parametrize("offset", [0, 2, -9])
def test_a_signature_is_that_of_the_reference_library_in_any_zone(offset: int) -> None:
    signed_at = dt.datetime.fromtimestamp(1614265330, dt.timezone(dt.timedelta(hours=offset)))
    headers = signature(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        b'{"test": 2432232314}',
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        now=signed_at,
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


async def test_messages_after_one_another_go_over_one_connection(webhook: Webhook, server: HookServer) -> None:
    for _ in range(5):
        await webhook.send(MESSAGE)
    assert len(server.posted) == 5
    assert len(server.connections) == 1


async def test_nothing_that_a_hook_sets_is_sent_back(webhook: Webhook, server: HookServer) -> None:
    server.answer = answering("200 OK", Set_Cookie="a=b; Path=/")
    await webhook.send(MESSAGE)
    await webhook.send(MESSAGE)
    assert "cookie" not in server.posted[1].headers


async def test_a_message_that_is_too_large_is_refused_before_it_is_sent(server: HookServer) -> None:
    webhook = Webhook(replace(hook_at(server), most_bytes=1000), now=now, ask=looked_up("127.0.0.1"))
    assert await webhook.send(replace(MESSAGE, text="x" * 1000)) == Refused(
        "the message has more than 1000 bytes", asked=False
    )
    assert server.connections == []


# What is answered


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (answering("200 OK", "taken"), Sent("200 taken")),
        (answering("202 Accepted"), Sent("202")),
        (b"HTTP/1.1 204 No Content\r\n\r\n", Sent("204")),
        (answering("301 Moved", Location="http://127.0.0.1/"), Refused("301")),
        (answering("307 Moved", Location="http://127.0.0.1/"), Refused("307")),
        (answering("400 Bad Request", "no such number"), Refused("400 no such number")),
        (answering("401 Unauthorized"), Refused("401")),
        (answering("404 Not Found"), Refused("404")),
        (answering("410 Gone"), Refused("410", gone=True)),
        (answering("408 Timeout"), Later("408", away=True)),
        (answering("429 Slow Down"), Later("429", away=True)),
        (answering("429 Slow Down", Retry_After="60"), Later("429", NOW + dt.timedelta(seconds=60), away=True)),
        (answering("500 Oops", "line one\r\n\x00line two"), Later("500 line one line two", away=True)),
        (answering("503 Busy", Retry_After="120"), Later("503", NOW + dt.timedelta(seconds=120), away=True)),
    ],
)
async def test_an_answer_means(answer: bytes, outcome: Sent | Later | Refused, server: HookServer) -> None:
    server.answer = answer
    webhook = Webhook(hook_at(server), now=lambda: NOW, ask=looked_up("127.0.0.1"))
    assert await webhook.send(MESSAGE) == outcome
    assert len(server.posted) == 1
    await webhook.close()


@pytest.mark.parametrize(
    ("value", "at"),
    [
        (None, None),
        ("0", NOW),
        ("30", NOW + dt.timedelta(seconds=30)),
        ("99999999999999999999", NOW + dt.timedelta(days=1)),
        ("Tue, 24 Nov 2026 08:05:00 GMT", NOW + dt.timedelta(minutes=5)),
        ("Tue, 24 Nov 2026 07:00:00 GMT", NOW),
        ("Tue, 24 Nov 2099 07:00:00 GMT", NOW + dt.timedelta(days=1)),
        ("-5", None),
        ("soon", None),
        ("٣٠", None),
        ("", None),
    ],
)
def test_a_wait_is_what_was_asked_for_up_to_a_day(value: str | None, at: dt.datetime | None) -> None:
    assert retry_after(value, now=NOW) == at


@pytest.mark.parametrize(
    ("answer", "ends"),
    [(b"", True), (b"", False), (b"no http\r\n\r\n", True), (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 500_000, True)],
    ids=["hangs up", "is silent", "speaks no http", "does not end its headers"],
)
async def test_who_gives_no_answer_is_asked_later(answer: bytes, ends: bool, server: HookServer) -> None:  # noqa: FBT001 - a row
    server.answer, server.ends = answer, ends
    webhook = Webhook(hook_at(server, seconds=0.3), now=now, ask=looked_up("127.0.0.1"))
    assert is_away(await webhook.send(MESSAGE))
    await webhook.close()


async def test_what_was_taken_stays_taken_however_the_answer_goes_on(server: HookServer) -> None:
    server.answer, server.ends = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\ntaken", True
    webhook = Webhook(hook_at(server), now=now, ask=looked_up("127.0.0.1"))
    assert await webhook.send(MESSAGE) == Sent("200 taken")
    await webhook.close()


async def test_a_long_answer_is_not_read_to_its_end(server: HookServer) -> None:
    server.answer = b"HTTP/1.1 500 Oops\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 1_000_000
    webhook = Webhook(hook_at(server), now=now, ask=looked_up("127.0.0.1"))
    outcome = await webhook.send(MESSAGE)
    assert isinstance(outcome, Later)
    assert len(outcome.reason) <= 510
    await webhook.close()


async def test_where_nobody_listens_is_later() -> None:
    async with hook_server(HookServer()) as closed:
        pass
    webhook = Webhook(hook_at(closed), now=now, ask=looked_up("127.0.0.1"))
    assert is_away(await webhook.send(MESSAGE))
    await webhook.close()


async def test_a_name_that_nobody_knows_is_later(server: HookServer) -> None:
    for host in ("nowhere.invalid", "x" * 64 + ".test"):
        webhook = Webhook(hook_at(server, host), now=now)
        assert is_away(await webhook.send(MESSAGE))
        await webhook.close()


def is_away(outcome: object) -> bool:
    return isinstance(outcome, Later) and outcome.away


# Where it goes


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0.0.0.0",  # noqa: S104 - nothing listens there
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "169.254.169.254",
        "10.0.0.1",
    ],
)
async def test_no_spelling_of_an_address_of_our_own_is_called(host: str, server: HookServer) -> None:
    hook = replace(hook_at(server, host), allowed_networks=())
    webhook = Webhook(hook, now=now)
    outcome = await webhook.send(MESSAGE)
    assert isinstance(outcome, Refused)
    assert "not public" in outcome.reason
    assert server.connections == []
    await webhook.close()


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("64:ff9b::5db8:d70e", True),
        ("::ffff:93.184.215.14", True),
        ("0.0.0.0", False),  # noqa: S104 - nothing listens there
        ("10.1.2.3", False),
        ("100.64.0.1", False),
        ("100.100.100.200", False),
        ("127.0.0.53", False),
        ("169.254.169.254", False),
        ("172.31.0.1", False),
        ("192.0.0.192", False),
        ("192.0.2.1", False),
        ("192.88.99.1", False),
        ("192.168.1.1", False),
        ("198.18.0.1", False),
        ("203.0.113.1", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("::127.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:0:127.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("64:ff9b:1::1", False),
        ("100::1", False),
        ("2001::1", False),
        ("2001:db8::1", False),
        ("2002:7f00:1::", False),
        ("fc00::1", False),
        ("fd00:ec2::254", False),
        ("fe80::1", False),
        ("fe80::1%1", False),
        ("fec0::1", False),
        ("ff02::1", False),
    ],
)
def test_only_public_addresses_are_called(address: str, *, allowed: bool) -> None:
    assert is_allowed(ip_address(address)) == allowed


def test_a_setting_allows_a_network_however_its_addresses_are_written() -> None:
    network = [ip_network("10.0.0.0/8")]
    assert is_allowed(ip_address("10.1.2.3"), network)
    assert is_allowed(ip_address("::ffff:10.1.2.3"), network)
    assert not is_allowed(ip_address("192.168.1.1"), network)
    assert not is_allowed(ip_address("fd00::1"), network)


async def test_a_name_is_looked_up_once_and_what_was_found_is_called(server: HookServer) -> None:
    ask = looked_up("127.0.0.1", "10.0.0.1")
    webhook = Webhook(hook_at(server), now=now, ask=ask)
    assert isinstance(await webhook.send(MESSAGE), Sent)
    assert ask.asked == ["hooks.shop.test"]
    await webhook.close()


async def test_a_name_that_came_to_mean_another_address_is_judged_again(server: HookServer) -> None:
    hook = replace(hook_at(server), allowed_networks=[ip_network("127.0.0.1/32")])
    webhook = Webhook(hook, now=now, ask=looked_up("127.0.0.1", "127.0.0.2"))
    assert isinstance(await webhook.send(MESSAGE), Sent)
    refused = Refused("hooks.shop.test is at 127.0.0.2, an address that is not public", asked=False)
    assert await webhook.send(MESSAGE) == refused
    await webhook.close()


async def test_a_forbidden_address_among_others_is_refused(server: HookServer) -> None:
    hook = replace(hook_at(server), allowed_networks=[ip_network("127.0.0.1/32")])
    webhook = Webhook(hook, now=now, ask=looked_up(["127.0.0.1", "169.254.169.254"]))
    assert isinstance(await webhook.send(MESSAGE), Refused)
    assert server.connections == []
    await webhook.close()


async def test_where_one_address_does_not_answer_the_next_is_called(server: HookServer) -> None:
    webhook = Webhook(hook_at(server), now=now, ask=looked_up(["127.0.0.9", "127.0.0.1"]))
    assert isinstance(await webhook.send(MESSAGE), Sent)
    await webhook.close()


async def test_ipv6_is_called_too() -> None:
    async with hook_server(HookServer(), host="::1") as server:
        webhook = Webhook(hook_at(server), now=now, ask=looked_up("::1"))
        assert isinstance(await webhook.send(MESSAGE), Sent)
        await webhook.close()


async def test_no_proxy_of_the_environment_comes_between(server: HookServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    webhook = Webhook(hook_at(server), now=now, ask=looked_up("127.0.0.1"))
    assert isinstance(await webhook.send(MESSAGE), Sent)
    await webhook.close()


@pytest.mark.parametrize(
    ("certified", "taken"), [("hooks.shop.test", True), ("elsewhere.test", False), ("127.0.0.1", False)]
)
async def test_a_certificate_is_judged_by_the_name_and_not_by_the_address(certified: str, *, taken: bool) -> None:
    authority = trustme.CA()
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(certified).configure_cert(theirs)
    ours = ssl.create_default_context()
    authority.configure_trust(ours)
    async with hook_server(HookServer(), tls=theirs) as server:
        hook = replace(hook_at(server), url=f"https://hooks.shop.test:{server.port}/", plain_http=False)
        webhook = Webhook(hook, now=now, ask=looked_up("127.0.0.1"), tls=ours)
        outcome = await webhook.send(MESSAGE)
        await webhook.close()
        assert isinstance(outcome, Sent) == taken
        assert len(server.posted) == taken


# What a hook may be


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/",
        "ftp://hooks.example/",
        "https:///path",
        "https://user:word@hooks.example/",
        "https://hooks.example/#part",
        "hooks.example",
        "file:///etc/passwd",
        "https://hooks.example:99999/",
        "https://0177.0.0.1/",
        "",
    ],
)
def test_a_url_that_no_hook_has_is_an_error(url: str) -> None:
    with pytest.raises(ValueError, match="URL of a web hook"):
        Hook(url=url, secrets=[NEW])


@pytest.mark.parametrize(
    "secrets", [[], [""], ["whsec_"], ["whsec_c2hvcnQ="], [NEW.removeprefix("whsec_")], [NEW, "whsec_not base64!"]]
)
def test_a_secret_that_keeps_none_is_an_error(secrets: list[str]) -> None:
    with pytest.raises(ValueError, match="secret"):
        Hook(url="https://hooks.example/", secrets=secrets)


@pytest.mark.parametrize(
    ("name", "value"), [("Content-Length", "0"), ("transfer-encoding", "chunked"), ("X-A", "b\r\nX-C: d"), ("X A", "b")]
)
def test_a_header_that_would_end_the_request_elsewhere_is_an_error(name: str, value: str) -> None:
    with pytest.raises(ValueError, match="sent no header"):
        Hook(url="https://hooks.example/", secrets=[NEW], headers={name: value})


def test_a_hook_shows_no_secrets() -> None:
    shown = repr(Hook(url="https://hooks.example/", secrets=[NEW], headers={"Authorization": "Basic 123"}))
    assert NEW not in shown
    assert "Basic" not in shown


async def test_a_message_that_was_broken_off_does_not_spoil_the_next(server: HookServer) -> None:
    server.answer, server.ends = b"HTTP/1.1 200 OK\r\n", False
    webhook = Webhook(hook_at(server), now=now, ask=looked_up("127.0.0.1"))
    sending = asyncio.create_task(webhook.send(MESSAGE))
    await server.reached.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    server.answer = answering("202 Accepted")
    assert await webhook.send(MESSAGE) == Sent("202")
    await webhook.close()
