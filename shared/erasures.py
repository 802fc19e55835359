"""Customers who were erased: who they are, and what is kept of a person, to be shown to them or deleted."""

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.database import fetch, transact
from shared.jobs import Job, Tell
from shared.withholding import withheld

BATCH = 100
"""So many people are looked for at once: a table without an index of them is read as often as that needs."""

DELETE = "DELETE"


def erasure_table(metadata: sa.MetaData) -> sa.Table:
    """Every name of everybody who was erased, for ever; `forgotten_at` says when the last of what was kept was deleted."""
    return sa.Table(
        "erasure",
        metadata,
        sa.Column("customer_id", sa.Text, primary_key=True),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("forgotten_at", sa.DateTime(timezone=True)),
        sa.Index("erasure_waiting", "erased_at", "customer_id", postgresql_where=sa.text("forgotten_at IS NULL")),
        comment="customers who were erased, under the bare id: what comes of them later is skipped",
    )


# What is kept of a person


OWN = "customer_id = ANY($1::text[])"


class Kept(NamedTuple):
    """What a table has of people: `whose` finds it by all their ids (`$1`) and what else names them (`$2`).

    `forget` deletes the rows, or is what is set in them where `still` holds; without it they stay under the bare id.
    `shown` is what somebody is shown of a row; nothing of what is theirs in a row of others.
    """

    table: str
    whose: str = OWN
    forget: str | None = None
    still: str = "true"
    shown: str | None = "to_jsonb(kept)"

    @property
    def query(self) -> str:
        return f"SELECT ({self.shown})::text AS shown FROM {self.table} AS kept WHERE {self._found}"

    @property
    def statement(self) -> str:
        """The statement that forgets, and returns a row for each row that it changed."""
        if self.forget == DELETE:
            return f"DELETE FROM {self.table} AS kept WHERE {self._found} RETURNING 1"
        return f"UPDATE {self.table} AS kept SET {self.forget} WHERE {self._found} AND ({self.still}) RETURNING 1"

    @property
    def _found(self) -> str:
        # every statement takes the same two arguments, also where it does not need the second
        return f"(num_nulls($1::text[], $2::text[]) = 0 AND ({self.whose}))"


@dataclass(frozen=True, slots=True)
class Memory:
    """All that a service keeps of people, in the order in which it is forgotten, and the tables that have nothing of them.

    `names` finds all ids of the person that one (`$1`) names, `traces` what else names people (`$1`): their cards.
    """

    names: str
    traces: str
    kept: tuple[Kept, ...]
    impersonal: frozenset[str]


def mentions(content: str) -> str:
    """Return the SQL that tells whether bytes name somebody, as a word of their own."""
    word = "[^[:alnum:]._:/@-]"
    name = r"regexp_replace(encode(convert_to(name, 'UTF8'), 'escape'), '([][\\.*+?(){}|^$])', '\\\1', 'g')"
    return f"""EXISTS (SELECT FROM unnest($2::text[]) AS name WHERE position(convert_to(name, 'UTF8') IN {content}) > 0
      AND encode({content}, 'escape') ~ ('(^|{word})' || {name} || '({word}|$)'))"""


MESSAGES = (
    Kept("outbox", "key = ANY($2)", shown="convert_from(kept.payload, 'UTF8')::jsonb"),
    Kept("outbox_sent", "key = ANY($2)", DELETE, shown="convert_from(kept.payload, 'UTF8')::jsonb"),
    Kept(
        "dead_letter",
        f"""key IN (SELECT convert_to(name, 'UTF8') FROM unnest($2) AS name) OR {mentions("coalesce(value, '')")}
      OR {mentions("convert_to(headers::text || ' ' || error, 'UTF8')")}""",
        DELETE,
        shown="to_jsonb(kept) || jsonb_build_object('key', encode(kept.key, 'escape'), 'value', encode(kept.value, 'escape'))",
    ),
)
"""What every service keeps of its messages; what has not left yet loses its content with the erasure itself."""


def answers(*more: str) -> Kept:
    """Return what a service keeps of its answers: those that name somebody, and `more` whose those are that do not."""
    shown = "to_jsonb(kept) || jsonb_build_object('body', encode(kept.body, 'escape'))"
    return Kept("stored_answer", " OR ".join([mentions("body"), *more]), DELETE, shown=shown)


IMPERSONAL = frozenset({"erasure", "kafka_offset", "api_key", "job_run", "programme"})
"""Tables that every service has, and that have nothing of people but, where they were erased, the bare id."""

INSERT = """
INSERT INTO erasure (customer_id, erased_at) SELECT unnest($1::text[]), $2::timestamptz ON CONFLICT DO NOTHING"""

IS_ERASED = "SELECT FROM erasure WHERE customer_id = $1"

WAITING = "SELECT customer_id FROM erasure WHERE forgotten_at IS NULL ORDER BY erased_at, customer_id LIMIT $1"
COUNT_WAITING = "SELECT count(*) FROM erasure WHERE forgotten_at IS NULL"
FORGOTTEN = "UPDATE erasure SET forgotten_at = now() WHERE customer_id = ANY($1::text[])"

OWED = "SELECT id, topic, payload FROM outbox WHERE key = ANY($1::text[]) ORDER BY id FOR UPDATE"
WITHHOLD = """
UPDATE outbox SET payload = k.payload FROM unnest($1::bigint[], $2::bytea[]) AS k(id, payload) WHERE outbox.id = k.id"""
NOT_OWED = "DELETE FROM outbox WHERE id = ANY($1::bigint[])"


async def is_erased(engine: AsyncEngine, customer_id: str) -> bool:
    async with engine.connect() as connection:
        return bool(await fetch(connection, IS_ERASED, customer_id))


async def begin(connection: AsyncConnection, names: Sequence[str], keys: Sequence[str], *, now: dt.datetime) -> None:
    """Note who is erased, before anything else of the batch is written, and withhold what is owed to the world under `keys`."""
    await fetch(connection, INSERT, names, now)
    owed = [(row["id"], withheld(row["topic"], row["payload"])) for row in await fetch(connection, OWED, keys)]
    left = [(number, payload) for number, payload in owed if payload is not None]
    if left:
        await fetch(connection, WITHHOLD, *zip(*left, strict=True))
    await fetch(connection, NOT_OWED, [number for number, payload in owed if payload is None])


# What is kept longer


async def forget(engine: AsyncEngine, memory: Memory, tell: Tell) -> int:
    """Delete what is kept of everybody who was erased. Answers of how many names that was.

    Cut off, it begins again: nobody counts as forgotten before the last table was read.
    """
    async with engine.connect() as connection:
        due: int = (await fetch(connection, COUNT_WAITING))[0][0]
        names = [row[0] for row in await fetch(connection, WAITING, BATCH)]
    done = 0
    while names:
        await _forget(engine, memory, names)
        done += len(names)
        tell(done, max(due, done))
        async with engine.connect() as connection:
            names = [row[0] for row in await fetch(connection, WAITING, BATCH)]
    return done


async def _forget(engine: AsyncEngine, memory: Memory, names: list[str]) -> None:
    async with engine.connect() as connection:
        traces = [*names, *(row[0] for row in await fetch(connection, memory.traces, names))]

    async def delete(kept: Kept, connection: AsyncConnection) -> None:
        await fetch(connection, kept.statement, names, traces)

    async def end(connection: AsyncConnection) -> None:
        await fetch(connection, FORGOTTEN, names)

    for kept in memory.kept:
        if kept.forget is not None:
            await transact(engine, partial(delete, kept))
    await transact(engine, end)


def forgetting(engine: AsyncEngine, memory: Memory) -> Job:
    """Return the job of a service that forgets who was erased."""

    async def waiting(connection: AsyncConnection) -> int:
        number: int = (await fetch(connection, COUNT_WAITING))[0][0]
        return number

    about = "customers who were erased: what was kept of them is deleted"
    return Job("forget", about, dt.timedelta(minutes=1), partial(forget, engine, memory), waiting)


def remains(memory: Memory) -> str:
    """Return the SQL that finds what is kept of people in their own rows though it counts as deleted."""
    names = "(ARRAY(SELECT customer_id FROM erasure WHERE forgotten_at IS NOT NULL))"
    own = (each for each in memory.kept if each.forget is not None and each.whose == OWN)
    return "\nUNION ALL ".join(
        f"SELECT '{each.table}' AS kept_in, customer_id FROM {each.table} AS kept"
        f" WHERE {OWN.replace('$1', names)} AND ({each.still})"
        for each in own
    )


# What somebody is shown


async def export(connection: AsyncConnection, memory: Memory, customer_id: str) -> AsyncIterator[bytes]:
    """Give all that a service knows of a person as one JSON document, table by table."""
    names = sorted({customer_id, *(row[0] for row in await fetch(connection, memory.names, customer_id))})
    traces = [*names, *(row[0] for row in await fetch(connection, memory.traces, names))]
    yield b'{"customer_id":%b,"names":%b,"tables":{' % (orjson.dumps(customer_id), orjson.dumps(names))
    for place, kept in enumerate(each for each in memory.kept if each.shown is not None):
        rows = [row["shown"].encode() for row in await fetch(connection, kept.query, names, traces)]
        yield b'%b"%b":[%b]' % (b"," if place else b"", kept.table.encode(), b",".join(rows))
    yield b"}}"
