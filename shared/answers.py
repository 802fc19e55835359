"""Answers under an `Idempotency-Key`, stored with their effect in each service's own database."""

import datetime as dt
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from shared import audit
from shared.database import fetch
from shared.requests import Answer, Answers, Request


def stored_answer_table(metadata: sa.MetaData, *, lasting: str) -> sa.Table:
    """Answers by who asked and under which key; `lasting` says which of them stay for ever."""
    return sa.Table(
        "stored_answer",
        metadata,
        sa.Column("api_key", sa.Text, primary_key=True),
        sa.Column("idempotency_key", sa.Text, primary_key=True),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("content_type", sa.Text, nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lasting", sa.Boolean, nullable=False, comment=lasting),
        sa.Index("stored_answer_passing", "answered_at", postgresql_where=sa.text("NOT lasting")),
        comment="answers under an Idempotency-Key, stored with their effect",
    )


# the keys lead, whatever the planner knew of the table when the plan was made: while it was empty, reading it whole was best
LOAD = """
SELECT found.* FROM unnest($1::text[], $2::text[]) AS k(a, i), LATERAL (
  SELECT api_key, idempotency_key, fingerprint, status, body, content_type FROM stored_answer
   WHERE api_key = k.a AND idempotency_key = k.i OFFSET 0) found"""

INSERT = """
INSERT INTO stored_answer (api_key, idempotency_key, fingerprint, status, body, content_type, lasting, answered_at)
SELECT *, $8::timestamptz
  FROM unnest($1::text[], $2::text[], $3::bytea[], $4::int[], $5::bytea[], $6::text[], $7::boolean[])"""


async def load(connection: AsyncConnection, requests: Iterable[Request[Any, Any]]) -> Answers:
    """Return what the keys of requests were answered before."""
    answers = Answers()
    keys = [request.key for request in requests if request.key is not None]
    if keys:
        for row in await fetch(connection, LOAD, [key.api_key for key in keys], [key.key for key in keys]):
            answer = Answer(row["status"], row["body"], row["content_type"])
            answers.known[row["api_key"], row["idempotency_key"]] = row["fingerprint"], answer
    return answers


async def save(connection: AsyncConnection, answers: Answers, *, now: dt.datetime) -> None:
    """Keep what a batch answered, and write its deeds into the audit trail."""
    if answers.new:
        rows = [
            (key.api_key, key.key, key.fingerprint, answer.status, answer.body, answer.content_type, lasting)
            for key, answer, lasting in answers.new
        ]
        await fetch(connection, INSERT, *zip(*rows, strict=True), now)
    if answers.deeds:
        await audit.record_all(connection, answers.deeds)
