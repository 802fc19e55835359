"""Records that can never work: stored with their effect's transaction, listed, shown, replayed, dropped."""

import base64
import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.database import fetch, transact
from shared.messaging.decoding import LARGEST_EVENT, Headers, decode
from shared.messaging.events import Received, Subscription, Verdict

STORE = """
INSERT INTO dead_letter (consumer, topic, partition, record_offset, key, value, headers, code, error, digest)
SELECT * FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[], $5::bytea[], $6::bytea[], $7::jsonb[], $8::text[],
  $9::text[], $10::bytea[])
ON CONFLICT ON CONSTRAINT dead_letter_once DO NOTHING"""

COLUMNS = """id, consumer, topic, partition, record_offset, key, value, headers::text AS headers, code, error, failed_at,
  status, settled_at, relayed_at"""

LIST = f"""
SELECT {COLUMNS} FROM dead_letter
 WHERE ($1::text IS NULL OR status = $1) AND ($2::text IS NULL OR topic = $2) AND id > $3 ORDER BY id LIMIT $4"""

SHOW = f"SELECT {COLUMNS} FROM dead_letter WHERE id = $1"
LOCK = SHOW + " FOR UPDATE"

SETTLE = "UPDATE dead_letter SET status = $2, settled_at = now() WHERE id = $1 AND status = 'open' RETURNING id"
STAY_OPEN = "UPDATE dead_letter SET code = $2, error = $3 WHERE id = $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A record as it came, and why it can never work; without partition and offset where it did not come from Kafka."""

    consumer: str
    topic: str
    partition: int | None = None
    offset: int | None = None
    key: bytes | None = None
    value: bytes | None = None
    headers: Headers = ()
    code: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A stored record, with its id and what became of it: `open`, `replayed` or `dropped`."""

    id: int
    consumer: str
    topic: str
    partition: int | None
    offset: int | None
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    code: str
    error: str
    failed_at: dt.datetime
    status: str
    settled_at: dt.datetime | None
    relayed_at: dt.datetime | None


class NotOpenError(LookupError):
    """There is no such dead letter, or it is settled already."""


async def store(connection: AsyncConnection, records: Sequence[Failed]) -> None:
    """Keep the records in the caller's transaction; one that is kept already stays as it is."""
    if records:
        await fetch(connection, STORE, *zip(*map(_row, records), strict=True))


async def insert_late(  # noqa: PLR0913 - the columns of a row
    connection: AsyncConnection, *, consumer: str, topic: str, key: str | None, value: bytes, code: str, error: str
) -> None:
    """Keep an event that was taken in long ago and is refused only now, such as a refund that waited for its purchase."""
    name = key.encode() if key is not None else None
    await store(connection, [Failed(consumer=consumer, topic=topic, key=name, value=value, code=code, error=error)])


async def letters(
    connection: AsyncConnection,
    *,
    status: str | None = "open",
    topic: str | None = None,
    after: int = 0,
    limit: int = 100,
) -> list[DeadLetter]:
    """Return the oldest `limit` dead letters whose id is above `after`; with no `status`, all."""
    return [dead_letter(row) for row in await fetch(connection, LIST, status, topic, after, limit)]


async def show(connection: AsyncConnection, number: int) -> DeadLetter | None:
    rows = await fetch(connection, SHOW, number)
    return dead_letter(rows[0]) if rows else None


async def drop(connection: AsyncConnection, number: int) -> None:
    """Settle a dead letter without a second try. Raises `NotOpenError`."""
    if not await fetch(connection, SETTLE, number, "dropped"):
        raise NotOpenError(f"dead letter {number} is not open")


async def replay(
    engine: AsyncEngine, subscription: Subscription, number: int, *, now: dt.datetime, limit: int = LARGEST_EVENT
) -> Verdict:
    """Try a dead letter once more, in one transaction with its settling; if it is refused again it stays open, with the
    new reason. Raises `NotOpenError`, and the database's errors.
    """

    async def work(connection: AsyncConnection) -> Verdict:
        rows = await fetch(connection, LOCK, number)
        if not rows or rows[0]["status"] != "open":
            raise NotOpenError(f"dead letter {number} is not open")
        verdict = await _handle(connection, subscription, dead_letter(rows[0]), now=now, limit=limit)
        if verdict.status == "rejected":
            await fetch(connection, STAY_OPEN, number, verdict.code, _text(verdict.detail or ""))
        else:
            await fetch(connection, SETTLE, number, "replayed")
        return verdict

    return await transact(engine, work)


async def _handle(
    connection: AsyncConnection, subscription: Subscription, letter: DeadLetter, *, now: dt.datetime, limit: int
) -> Verdict:
    event = decode(subscription.events, letter.value, letter.headers, now=now, limit=limit)
    if not isinstance(event, Received):
        return event
    (verdict,) = await subscription.handle(connection, [event])
    return verdict


def dead_letter(row: Any) -> DeadLetter:
    """Return a row of `COLUMNS` as what it means."""
    values = dict(row)
    values["offset"] = values.pop("record_offset")
    values["headers"] = _read_headers(orjson.loads(values["headers"]))
    return DeadLetter(**values)


def _row(record: Failed) -> tuple[Any, ...]:
    return (
        record.consumer, record.topic, record.partition, record.offset, record.key, record.value,
        orjson.dumps(_written_headers(record.headers)).decode(), record.code, _text(record.error), _digest(record),
    )  # fmt: skip


def _digest(record: Failed) -> bytes:
    """Tell records apart that have no place in a topic, or the same place in a topic that was made anew."""
    digest = hashlib.sha256()
    for part in (record.key, record.value, *(part for header in record.headers for part in header)):
        content = part.encode() if isinstance(part, str) else part
        digest.update(b"-" if content is None else b"%d:%b" % (len(content), content))
    return digest.digest()


def _text(content: str) -> str:
    """PostgreSQL's text holds any character but NUL, and no half of a surrogate pair."""
    return content.replace("\x00", "\ufffd").encode(errors="replace").decode()


def _written_headers(headers: Headers) -> list[list[str | None]]:
    """A header is `[name, text]`, or `[name, null, base64]` where it is no text, or `[name, null]` where it is null."""
    written: list[list[str | None]] = []
    for name, content in headers:
        text = _as_text(content)
        if content is None or text is not None:
            written.append([_text(name), text])
        else:
            written.append([_text(name), None, base64.b64encode(content).decode()])
    return written


def _as_text(content: bytes | None) -> str | None:
    try:
        return content.decode() if content is not None and b"\x00" not in content else None
    except UnicodeDecodeError:
        return None


def _read_headers(written: Iterable[Sequence[str | None]]) -> list[tuple[str, bytes | None]]:
    return [(str(name), _read_header(content)) for name, *content in written]


def _read_header(content: Sequence[str | None]) -> bytes | None:
    match content:
        case [None, str(encoded)]:
            return base64.b64decode(encoded)
        case [str(text)]:
            return text.encode()
        case _:
            return None
