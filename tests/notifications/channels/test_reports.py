"""What servers and providers send back is read as far as it says something, and nothing is made of what it does not say."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.notifications.channels.reports import Bounce, Complaint, bounces, complaint

RETURNED = """--frontier
Content-Type: message/rfc822

From: Shop <news@shop.example>
To: anna@example.com
Message-ID: <n-1@shop.example>
Subject: Alles Gute

Hello
"""
HEADERS_ONLY = """--frontier
Content-Type: text/rfc822-headers
Content-Transfer-Encoding: base64

RnJvbTogbmV3c0BzaG9wLmV4YW1wbGUKTWVzc2FnZS1JRDogPG4tMUBzaG9wLmV4YW1wbGU+Cg==
"""


def notification(*recipients: str, envelope_id: str = "", returned: str = RETURNED) -> bytes:
    blocks = "\n\n".join([f"Reporting-MTA: dns; mx.example.com{envelope_id}", *recipients])
    return f"""From: MAILER-DAEMON@mx.example.com
To: bounces@shop.example
Subject: Undelivered Mail
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="frontier"

--frontier
Content-Type: text/plain

Sorry.

--frontier
Content-Type: message/delivery-status

{blocks}

{returned}
--frontier--
""".encode()


def failed(status: str, diagnostic: str = "", action: str = "failed", to: str = "anna@example.com") -> str:
    said = f"\nDiagnostic-Code: smtp; {diagnostic}" if diagnostic else ""
    return f"Final-Recipient: rfc822; {to}\nAction: {action}\nStatus: {status}{said}"


@pytest.mark.parametrize(
    ("status", "diagnostic", "action", "permanent"),
    [
        ("5.1.1", "550 5.1.1 no such user", "failed", True),
        ("5.1.1", "", "failed", True),
        ("5.1.10", "", "failed", True),
        ("5.0.0", "550 5.1.1. No such user", "failed", True),
        ("5.0.0", "550 no such user", "failed", True),
        ("5.0.0", "554 no", "failed", False),
        ("5.0.0", "", "failed", False),
        ("5.2.2", "552 5.2.2 mailbox full", "failed", False),
        ("5.7.1", "550 5.7.1 blocked", "failed", False),
        ("4.4.7", "gave up after 5 days", "failed", False),
        ("4.4.1", "connection refused", "delayed", False),
        ("5.1.1", "", "delayed", False),
    ],
)
def test_a_bounce_says_whether_the_address_is_gone(
    status: str, diagnostic: str, action: str, *, permanent: bool
) -> None:
    (bounce,) = bounces(notification(failed(status, diagnostic, action)))
    assert bounce == Bounce("n-1", "anna@example.com", permanent, diagnostic or status)


@pytest.mark.parametrize("action", ["delivered", "relayed", "expanded", "", "unheard-of"])
def test_what_was_delivered_is_no_bounce(action: str) -> None:
    assert bounces(notification(failed("2.0.0", action=action))) == []


def test_a_notification_of_several_recipients_is_a_bounce_for_each() -> None:
    report = notification(failed("5.1.1"), failed("4.2.0", action="delayed", to="bob@example.com"))
    assert [(bounce.address, bounce.permanent) for bounce in bounces(report)] == [
        ("anna@example.com", True),
        ("bob@example.com", False),
    ]


def test_who_was_written_to_counts_and_not_where_it_was_forwarded() -> None:
    (bounce,) = bounces(
        notification("Original-Recipient: rfc822;anna@example.com\n" + failed("5.1.1", to="x@y.example"))
    )
    assert bounce.address == "anna@example.com"


@pytest.mark.parametrize(
    ("returned", "envelope_id", "notification_id"),
    [
        (RETURNED, "", "n-1"),
        (HEADERS_ONLY, "", "n-1"),
        ("", "\nOriginal-Envelope-Id: n-2", "n-2"),
        (RETURNED, "\nOriginal-Envelope-Id: not one of ours", "n-1"),
        ("", "", None),
        (RETURNED.replace("<n-1@", "<a.b$c@"), "", None),
    ],
)
def test_the_notification_is_known_by_what_came_back_of_it(
    returned: str, envelope_id: str, notification_id: str | None
) -> None:
    (bounce,) = bounces(notification(failed("5.1.1"), envelope_id=envelope_id, returned=returned))
    assert bounce.notification_id == notification_id


FEEDBACK = """From: feedback@provider.example
To: complaints@shop.example
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="frontier"

--frontier
Content-Type: text/plain

This is a report.

--frontier
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Provider/1.0
Version: 1
Original-Rcpt-To: <anna@example.com>

"""


def test_a_complaint_names_the_notification_and_the_address() -> None:
    report = (FEEDBACK + RETURNED + "--frontier--\n").encode()
    assert complaint(report) == Complaint("n-1", "anna@example.com", "abuse")
    assert bounces(report) == []


def test_a_complaint_may_leave_the_address_out() -> None:
    report = FEEDBACK.replace("Original-Rcpt-To: <anna@example.com>\n", "") + RETURNED + "--frontier--\n"
    assert complaint(report.encode()) == Complaint("n-1", None, "abuse")


def test_who_says_it_was_wanted_after_all_does_not_complain() -> None:
    assert complaint((FEEDBACK.replace("abuse", "not-spam") + RETURNED + "--frontier--\n").encode()) is None


NESTED = b"Content-Type: multipart/report; report-type=delivery-status; boundary=x\n\n--x\n"


@pytest.mark.parametrize(
    "mail",
    [
        b"",
        b"\xff\x00" * 100,
        b"From: anna@example.com\nSubject: I am away until Monday\n\nAction: failed\n",
        notification(failed("5.1.1")).replace(b"delivery-status;", b"disposition-notification;"),
        notification("Action: failed\nStatus: 5.1.1"),
        notification("Final-Recipient: rfc822; nobody\nAction: failed"),
        NESTED + b"Content-Type: message/rfc822\n\n" * 5000,
    ],
    ids=["nothing", "noise", "an absence note", "a receipt", "for nobody", "for no address", "without end"],
)
def test_what_is_no_report_says_nothing(mail: bytes) -> None:
    assert bounces(mail) == []
    assert complaint(mail) is None


@settings(deadline=None)
@given(st.data())
def test_whatever_a_mail_was_broken_to_it_breaks_no_reader(data: st.DataObject) -> None:
    mail = notification("Original-Recipient: utf-8; änne@example.com\n" + failed("5.1.1", "550 5.1.1 no such user"))
    start, end = sorted(data.draw(st.tuples(st.integers(0, len(mail)), st.integers(0, len(mail)))))
    broken = mail[:start] + data.draw(st.binary(max_size=20) | st.just(mail[start:end] * 2)) + mail[end:]
    assert all("@" in bounce.address for bounce in bounces(broken))
    assert complaint(broken) is None
