"""Reads what comes back by mail: delivery status notifications (RFC 3464) and complaints (RFC 5965).

Anybody can write such a mail. The notification's id in it is what only the recipient and the servers on the way have seen: whoever
acts on a report looks the id up, and takes the address from there.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message as Mail

from services.notifications.channels.message import ID
from services.notifications.channels.statuses import is_gone, status_in

OWN_ID = re.compile(rf"<\s*({ID.pattern})@[^<>\s]+>")
BOUNCED = frozenset({"failed", "delayed"})
NO_COMPLAINT = frozenset({"", "not-spam"})
RETURNED = frozenset({"message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers"})
CODE = re.compile(r"(?:smtp;|^)\s*(\d{3})\b", re.IGNORECASE)
LONGEST_DIAGNOSTIC = 500


@dataclass(frozen=True, slots=True)
class Bounce:
    """A mail that did not arrive, or not yet. `permanent`: nothing should be sent to the address any more."""

    notification_id: str | None
    address: str
    permanent: bool
    diagnostic: str


@dataclass(frozen=True, slots=True)
class Complaint:
    """A recipient called a mail unwanted; `kind` is the provider's word for it, mostly `abuse`. Many leave the address out."""

    notification_id: str | None
    address: str | None
    kind: str


def bounces(raw: bytes) -> list[Bounce]:
    """Return what a mail says did not arrive; nothing where it is no delivery status notification."""
    mail = _parsed(raw)
    status = _part(mail, "delivery-status", "message/delivery-status")
    blocks = [] if status is None else [block for block in _messages(status) if block.keys()]
    original = _envelope_id(blocks) or _returned_id(mail)
    return [
        Bounce(original, address, _is_permanent(block), _diagnostic(block))
        for block in blocks
        if (address := _address(block)) and _first_word(block, "Action") in BOUNCED
    ]


def complaint(raw: bytes) -> Complaint | None:
    """Return what a provider's feedback report complains of, if the mail is one."""
    mail = _parsed(raw)
    report = _part(mail, "feedback-report", "message/feedback-report")
    fields = next(_messages(report), None) if report is not None else None
    kind = "" if fields is None else _first_word(fields, "Feedback-Type")
    if fields is None or kind in NO_COMPLAINT:
        return None
    address = _field(fields, "Original-Rcpt-To").strip(" <>")
    return Complaint(_returned_id(mail), address or None, kind)


def _parsed(raw: bytes) -> Mail:
    """A mail of parts within parts without end was written to break its reader: an empty one."""
    try:
        mail = message_from_bytes(raw)
        return mail if list(mail.walk()) else Mail()
    except RecursionError:
        return Mail()


def _part(mail: Mail, report_type: str, content_type: str) -> Mail | None:
    if mail.get_content_type() != "multipart/report" or str(mail.get_param("report-type")).lower() != report_type:
        return None
    return next((part for part in mail.walk() if part.get_content_type() == content_type), None)


def _messages(part: Mail) -> Iterator[Mail]:
    """The blocks of fields of a part, which the parser makes messages of."""
    payload = part.get_payload()
    yield from (block for block in payload if isinstance(block, Mail)) if isinstance(payload, list) else ()


def _address(block: Mail) -> str | None:
    """Who we wrote to, else who it was passed on to: `rfc822; anna@example.com`."""
    written = _field(block, "Original-Recipient") or _field(block, "Final-Recipient")
    address = written.rpartition(";")[2].strip(" <>")
    return address if "@" in address else None


def _is_permanent(block: Mail) -> bool:
    """A mail that a server gave up after days has failed too, but of a transient cause: its status begins with 4."""
    if _first_word(block, "Action") != "failed":
        return False
    diagnostic = _field(block, "Diagnostic-Code")
    code = CODE.search(diagnostic)
    return is_gone(_exact(block) or status_in(diagnostic), int(code[1]) if code else None)


def _exact(block: Mail) -> str | None:
    """The status, unless it says no more than that it failed, as many servers leave it."""
    status = status_in(_field(block, "Status"))
    return None if status in {"5.0.0", "5.5.0"} else status


def _diagnostic(block: Mail) -> str:
    said = _field(block, "Diagnostic-Code").partition(";")[2].strip()
    return (said or _field(block, "Status") or _first_word(block, "Action"))[:LONGEST_DIAGNOSTIC]


def _envelope_id(blocks: list[Mail]) -> str | None:
    named = next((_field(block, "Original-Envelope-Id") for block in blocks if "Original-Envelope-Id" in block), "")
    return named if ID.fullmatch(named) else None


def _returned_id(mail: Mail) -> str | None:
    """The id that the mail, or its headers, carried when it left here."""
    for part in mail.walk():
        if part.get_content_type() in RETURNED:
            for returned in _returned(part):
                if found := OWN_ID.search(_field(returned, "Message-ID")):
                    return found[1]
    return None


def _returned(part: Mail) -> Iterator[Mail]:
    yield from _messages(part)
    if not part.is_multipart():
        payload = part.get_payload(decode=True)
        yield message_from_bytes(payload if isinstance(payload, bytes) else b"")


def _first_word(block: Mail, name: str) -> str:
    return next(iter(_field(block, name).lower().split()), "")


def _field(block: Mail, name: str) -> str:
    """On one line; a header that is no ASCII is one to print, not a string."""
    return " ".join(str(block.get(name, "")).split())
