"""What is handed to a channel, and what the channel answers: plain values."""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""An id stands in headers, file names and signed strings, where a dot would end it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One notification for one address, rendered.

    `sender_name` is the shop's in the reader's language, where it differs. With `unsubscribe_url` it has the one-click headers. `headers` may be named `X-…`, `List-ID` or `Feedback-ID`, and are for mail.
    """

    notification_id: str
    customer_id: str
    purpose: str
    to: str
    subject: str
    text: str
    html: str | None = None
    written_at: dt.datetime
    unsubscribe_url: str | None = None
    sender_name: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not ID.fullmatch(self.notification_id):
            raise ValueError("a notification's id should be 1 to 64 letters, digits, - and _")
        if self.written_at.tzinfo is None:
            raise ValueError("a message's instant should name its zone")


@dataclass(frozen=True, slots=True)
class Sent:
    """The other side has taken it, and answers for it from now on; `answer` is what it said."""

    answer: str


@dataclass(frozen=True, slots=True)
class Later:
    """Not now; `at` is the earliest instant that the other side named. `away`: it would have been so for any message."""

    reason: str
    at: dt.datetime | None = None
    away: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """Never. `gone`: nothing should be sent to this address, or web hook, any more.

    Not `asked`: it was plain before the other side heard of it, so it says nothing of how they are.
    """

    reason: str
    gone: bool = False
    asked: bool = True


Outcome = Sent | Later | Refused


class Channel(Protocol):
    """Delivers messages; the answer is returned, not raised, whatever the other side does."""

    async def send(self, message: Message) -> Outcome: ...

    async def close(self) -> None: ...
