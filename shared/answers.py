"""Answers under an `Idempotency-Key`, stored with their effect in each service's own database."""

import sqlalchemy as sa


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
