"""Whatever a message says, its mail has the headers it should and no others, and says the same when it is read."""

import datetime as dt
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.notifications.channels.mail import Sender, as_mail, mail_address
from services.notifications.channels.message import Message

SENDER = Sender("Käse & Wein, GmbH", "news@shop.example")
MESSAGE = Message(
    notification_id="n-1",
    customer_id="c-42",
    purpose="birthday",
    to="anna@example.com",
    subject="Hello",
    text="Hello",
    html="<p>Hello</p>",
    written_at=dt.datetime(2026, 11, 24, 8, tzinfo=dt.UTC),
)
HEADERS = ["Content-Type", "MIME-Version", "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"]
ENCODED_ATTACK = "=?utf-8?q?=0D=0ABcc=3A_eve=40example.com?="


def read(mail: bytes) -> EmailMessage:
    return message_from_bytes(mail, policy=policy.default)


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
@example("Hi\r\nBcc: eve@example.com\r\n\r\n<script>")
@example(ENCODED_ATTACK)
@example(f"Änne {ENCODED_ATTACK}")
def test_no_subject_makes_a_header_of_its_own(subject: str) -> None:
    mail = as_mail(replace(MESSAGE, subject=subject), SENDER)
    head = mail.partition(b"\r\n\r\n")[0]
    named = [line.partition(b":")[0].decode() for line in head.split(b"\r\n") if not line.startswith(b" ")]
    assert named == HEADERS
    assert mail.isascii()
    assert all(len(line) <= 998 for line in mail.split(b"\r\n"))


@settings(deadline=None)
@given(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=200))
@example("=?utf-8?q?hello?=")
def test_a_subject_is_read_as_it_was_written(subject: str) -> None:
    assert read(as_mail(replace(MESSAGE, subject=subject), SENDER))["Subject"] == subject


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=3000))
@example(".\n..\nFrom here\n" + "x" * 2000)
@example("trailing blanks  \n\ttabs\t\n=20\n")
def test_a_text_is_read_as_it_was_written(text: str) -> None:
    plain, _ = read(as_mail(replace(MESSAGE, text=text), SENDER)).iter_parts()
    payload = plain.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.decode().split("\r\n") == text.split("\n")


@pytest.mark.parametrize("text", ["a\r.\rb", "a\n.\nb", "a\r\n.\r\nb", "a\x00\x0b\x0c\x85\u2028.\u2028b"])
def test_no_text_ends_the_mail_early(text: str) -> None:
    mail = as_mail(replace(MESSAGE, text=text, html=text), SENDER)
    assert b"\r" not in mail.replace(b"\r\n", b"")
    assert b"\n" not in mail.replace(b"\r\n", b"")
    assert b"\x00" not in mail


@pytest.mark.parametrize(
    "name", ["Shop", "Käse & Wein, GmbH", 'The "Shop"', "", "Eve <eve@example.com>", "=?utf-8?q?=0D=0AEve?="]
)
def test_a_senders_name_stays_a_name(name: str) -> None:
    sender = read(as_mail(MESSAGE, Sender(name, "news@shop.example")))["From"]
    (address,) = sender.addresses
    assert address.addr_spec == "news@shop.example"
    assert address.display_name == name


def test_a_name_of_two_lines_is_one_of_one() -> None:
    mail = read(as_mail(MESSAGE, Sender("Shop\r\nBcc: eve@example.com", "news@shop.example")))
    assert "Bcc" not in mail
    assert mail["From"].addresses[0].display_name == "Shop Bcc: eve@example.com"


@pytest.mark.parametrize(
    "url",
    ["http://shop.example/u", "http://localhost.example/u", "https://shop.example/ü", "https://a.example/>,<https://b"],
)
def test_a_link_that_no_mail_client_could_call_is_an_error(url: str) -> None:
    with pytest.raises(ValueError, match="link to unsubscribe"):
        as_mail(replace(MESSAGE, unsubscribe_url=url), SENDER)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/notifications/unsubscribe/t", "http://localhost/u"])
def test_a_link_to_this_machine_needs_no_tls(url: str) -> None:
    assert read(as_mail(replace(MESSAGE, unsubscribe_url=url), SENDER))["List-Unsubscribe"] == f"<{url}>"


@pytest.mark.parametrize("name", ["Bcc", "To", "Subject", "Content-Type", "List-Unsubscribe", "X-A: b\r\nBcc", "X-A B"])
def test_a_message_sets_no_header_but_those_meant_for_it(name: str) -> None:
    with pytest.raises(ValueError, match="sets no header"):
        as_mail(replace(MESSAGE, headers={name: "eve@example.com"}), SENDER)


def test_a_header_of_its_own_stays_on_its_line() -> None:
    mail = read(as_mail(replace(MESSAGE, headers={"X-Shop": "12\r\nBcc: eve@example.com"}), SENDER))
    assert mail["X-Shop"] == "12 Bcc: eve@example.com"
    assert "Bcc" not in mail


def test_a_header_too_long_for_a_line_is_an_error() -> None:
    with pytest.raises(ValueError, match="Subject has more than"):
        as_mail(replace(MESSAGE, subject="x" * 1000), SENDER)


@pytest.mark.parametrize("notification_id", ["", "a.b", "a>b", "a\r\nb", "../a", "x" * 65])
def test_an_id_that_would_break_a_header_or_a_path_makes_no_message(notification_id: str) -> None:
    with pytest.raises(ValueError, match="notification's id"):
        replace(MESSAGE, notification_id=notification_id)


def test_a_message_without_html_is_plain_text() -> None:
    assert read(as_mail(replace(MESSAGE, html=None), SENDER)).get_content_type() == "text/plain"


@pytest.mark.parametrize(
    ("written", "travels"),
    [
        ("anna@example.com", "anna@example.com"),
        (" Anna.B+shop@Example.COM ", "Anna.B+shop@example.com"),
        ("anna@straße.example", "anna@xn--strae-oqa.example"),
        ("anna@münchen.example.", "anna@xn--mnchen-3ya.example"),
        ("anna@例え.テスト", "anna@xn--r8jz45g.xn--zckzah"),
        ("o'neil@example.com", "o'neil@example.com"),
    ],
)
def test_an_address_travels_in_ascii(written: str, travels: str) -> None:
    assert mail_address(written) == travels
