"""An event as the handlers see it, and what became of it; the same whichever way it came."""

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncConnection

Status = Literal["accepted", "duplicate", "skipped", "waiting", "rejected"]


class Received(NamedTuple):
    """A validated event: `event` is the contract's model, `document` the structured CloudEvents JSON it came as."""

    event: Any
    document: bytes
    received_at: dt.datetime


class Verdict(NamedTuple):
    """What became of an event; `code` and `detail` say why one was rejected."""

    status: Status
    code: str | None = None
    detail: str | None = None


Handle = Callable[[AsyncConnection, Sequence[Received]], Awaitable[list[Verdict]]]


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a service hears: `events` validates a structured document by its `type`, `handle` books a batch.

    `handle` works in the caller's transaction, never commits, and answers one verdict per event, in their order.
    """

    consumer: str
    topics: tuple[str, ...]
    events: TypeAdapter[Any]
    handle: Handle
