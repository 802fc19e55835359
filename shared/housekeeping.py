"""What was kept long enough is let go, a batch at a time."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.database import fetch, transact
from shared.jobs import Job, Tell
from shared.service import Service

BATCH = 1_000

KEPT = dt.timedelta(days=90)
"""How long answers under an `Idempotency-Key` are kept, and dead letters that are settled."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one sort: `old` finds those from before `$1`, `let_go` lets at most `$2` of them go and returns a row each."""

    old: str
    let_go: str


@dataclass(frozen=True, slots=True)
class Old:
    """Rows that were kept long enough where they are from before an instant."""

    rows: Rows
    before: dt.datetime


# each by an index of exactly these rows
_ANSWERS = "FROM stored_answer WHERE NOT lasting AND answered_at < $1"
ANSWERS = Rows(
    _ANSWERS,
    f"""
DELETE FROM stored_answer WHERE (api_key, idempotency_key) IN (SELECT api_key, idempotency_key {_ANSWERS} LIMIT $2)
RETURNING 1""",
)

_LETTERS = "FROM dead_letter WHERE status <> 'open' AND relayed_at IS NOT NULL AND settled_at < $1"
LETTERS = Rows(_LETTERS, f"DELETE FROM dead_letter WHERE id IN (SELECT id {_LETTERS} LIMIT $2) RETURNING 1")


async def let_go(engine: AsyncEngine, old: Sequence[Old], tell: Tell) -> int:
    """Let go all that is old. Answers how many rows that were."""
    async with engine.connect() as connection:
        due = await count(connection, old)
    done = 0
    for each in old:
        while gone := await transact(engine, partial(_let_go, each)):
            done += gone
            tell(done, max(due, done))
    return done


async def _let_go(old: Old, connection: AsyncConnection) -> int:
    return len(await fetch(connection, old.rows.let_go, old.before, BATCH))


async def count(connection: AsyncConnection, old: Sequence[Old]) -> int:
    """Return how many rows are old."""
    counted = [await fetch(connection, f"SELECT count(*) {each.rows.old}", each.before) for each in old]
    return sum(rows[0][0] for rows in counted)


def house(service: Service[Any, Any], engine: AsyncEngine) -> Job:
    """Return the job of a service that lets go nothing but what every service keeps."""

    def old() -> list[Old]:
        before = service.clock() - KEPT
        return [Old(ANSWERS, before), Old(LETTERS, before)]

    async def keep(tell: Tell) -> int:
        return await let_go(engine, old(), tell)

    async def waiting(connection: AsyncConnection) -> int:
        return await count(connection, old())

    about = "answers and settled dead letters: what was kept long enough is let go"
    return Job("housekeeping", about, dt.timedelta(hours=1), keep, waiting)
