"""Messages as mail: text and HTML side by side, headers that say no more than they should, addresses in ASCII.

Headers are put together from `email.header` under the older policy on purpose. The newer one decodes what looks encoded in a
value that customers may have had a hand in, and breaks a long URL in `List-Unsubscribe` into encoded words, which no mail
client takes for a link.
"""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.charset import QP, Charset
from email.header import Header
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.policy import compat32
from email.utils import format_datetime, formataddr

import idna

from services.notifications.channels.message import Message

WIRE = compat32.clone(linesep="\r\n", max_line_length=None)
"""Nothing is folded but what `_text` has folded: a link stays in one piece, on the line of its name."""

UTF8 = Charset("utf-8")
UTF8.body_encoding = QP

ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
LOCAL_PART = re.compile(rf"{ATOM}(?:\.{ATOM})*")
LONGEST_LOCAL_PART = 64
LONGEST_ADDRESS = 254

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
EXTRA = re.compile(r"X-[A-Za-z0-9-]{1,60}|List-ID|Feedback-ID", re.IGNORECASE)
LINK = re.compile(r"(https://|http://(127\.0\.0\.1|localhost)[:/])[!-;=?-~]{1,900}")
"""Mail clients want https (RFC 8058); what leads to this machine, nobody else could call."""
LONGEST_VALUE = 900
"""One line of a mail has at most 998 bytes."""


class AddressError(ValueError):
    """Nothing can be sent to an address like that."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Whom mail is from, in one shop's name; bounces go to `bounce_address`, by default to the sender."""

    name: str
    address: str
    reply_to: str | None = None
    bounce_address: str | None = None

    @property
    def envelope(self) -> str:
        return mail_address(self.bounce_address or self.address)

    @property
    def domain(self) -> str:
        return mail_address(self.address).rpartition("@")[2]


def mail_address(text: str) -> str:
    """Return an address as it travels, its domain in ASCII. Raises `AddressError`.

    Letters beyond ASCII before the @ need every server on the way to know SMTPUTF8, and few do: such an address is refused.
    """
    local, at, domain = text.strip().rpartition("@")
    if len(domain) > LONGEST_ADDRESS:
        raise AddressError(f"has more than {LONGEST_ADDRESS} characters")
    if not at or not LOCAL_PART.fullmatch(local) or len(local) > LONGEST_LOCAL_PART:
        raise AddressError("is no mail address, or has letters beyond ASCII before the @")
    address = f"{local}@{_ascii_domain(domain)}"
    if len(address) > LONGEST_ADDRESS:
        raise AddressError(f"has more than {LONGEST_ADDRESS} characters")
    return address


def message_id(notification_id: str, sender: Sender) -> str:
    """Return the same id for each try at a notification, so that a mailbox knows a repeat."""
    return f"<{notification_id}@{sender.domain}>"


def as_mail(message: Message, sender: Sender) -> bytes:
    """Return the mail as it goes over the wire, in 7 bits. Raises `AddressError`, and `ValueError` for a header."""
    mail = _body(message)
    for name, value in _headers(message, sender):
        mail[name] = value
    return mail.as_bytes(policy=WIRE)


def _body(message: Message) -> MIMEBase:
    text = _part("plain", message.text)
    if message.html is None:
        return text
    # the last one is what mail clients prefer
    return MIMEMultipart("alternative", _subparts=[text, _part("html", message.html)], policy=WIRE)


def _part(kind: str, text: str) -> MIMEBase:
    part = MIMENonMultipart("text", kind, policy=WIRE)
    part.set_payload(text, UTF8)
    return part


def _headers(message: Message, sender: Sender) -> Iterator[tuple[str, str]]:
    yield "From", _mailbox(sender, message.sender_name or sender.name)
    yield "To", mail_address(message.to)
    if sender.reply_to is not None:
        yield "Reply-To", mail_address(sender.reply_to)
    yield "Subject", _text("Subject", message.subject)
    yield "Date", format_datetime(message.written_at.astimezone(dt.UTC))
    yield "Message-ID", message_id(message.notification_id, sender)
    yield "Auto-Submitted", "auto-generated"  # absence notes stay silent
    if message.unsubscribe_url is not None:
        yield "List-Unsubscribe", _link(message.unsubscribe_url)
        yield "List-Unsubscribe-Post", "List-Unsubscribe=One-Click"
    for name, value in message.headers.items():
        yield _extra(name), _text(name, value)


def _ascii_domain(domain: str) -> str:
    try:
        encoded = idna.encode(domain, uts46=True).decode()  # Python's own codec would send ß to another domain
    except idna.IDNAError as error:
        raise AddressError(f"has no domain after the @: {error}") from None
    if "." not in encoded.rstrip("."):
        raise AddressError("has a domain without a dot")
    return encoded.rstrip(".")


def _mailbox(sender: Sender, called: str) -> str:
    address, name = mail_address(sender.address), _one_line(called)
    return formataddr((name, address)) if _plain(name) else f"{_text('From', name)} <{address}>"


def _text(name: str, value: str) -> str:
    """A value that means what it shows: what only looks encoded is encoded too."""
    line = _one_line(value)
    if len(line) > LONGEST_VALUE:
        raise ValueError(f"{name} has more than {LONGEST_VALUE} characters")
    return Header(line, "us-ascii" if _plain(line) else "utf-8", header_name=name).encode()


def _plain(line: str) -> bool:
    return line.isascii() and "=?" not in line


def _one_line(value: str) -> str:
    return " ".join(CONTROL.sub(" ", value).split())


def _link(url: str) -> str:
    if not LINK.fullmatch(url):
        raise ValueError("the link to unsubscribe should be an https URL in ASCII, or lead to this machine")
    return f"<{url}>"


def _extra(name: str) -> str:
    if not EXTRA.fullmatch(name):
        raise ValueError(f"a message sets no header {name!r}")
    return name
