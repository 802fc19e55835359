"""The four tables that every service keeps for its messages, in its own database."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB


def outbox_table(metadata: sa.MetaData) -> sa.Table:
    """Events owed to the world, in the order of their ids; `delivered_to` names in-process consumers that have it."""
    return sa.Table(
        "outbox",
        metadata,
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("delivered_to", sa.ARRAY(sa.Text), nullable=False, server_default="{}"),
    )


def outbox_sent_table(metadata: sa.MetaData) -> sa.Table:
    """Events that have left, in partitions of a day each, kept for a re-publish."""
    return sa.Table(
        "outbox_sent",
        metadata,
        sa.Column("id", sa.BigInteger, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        postgresql_partition_by="RANGE (sent_at)",
    )


def kafka_offset_table(metadata: sa.MetaData) -> sa.Table:
    """How far each consumer group has come: written in the effect's transaction, the truth and the fence."""
    return sa.Table(
        "kafka_offset",
        metadata,
        sa.Column("consumer", sa.Text, primary_key=True),
        sa.Column("topic", sa.Text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
        sa.Column("topic_id", sa.Text, comment="the broker's own; another one: the topic was made anew"),
    )


def dead_letter_table(metadata: sa.MetaData) -> sa.Table:
    """Records that can never work, as they came; `relayed_at` says when one stood on `<topic>.dlt`."""
    return sa.Table(
        "dead_letter",
        metadata,
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("consumer", sa.Text, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("partition", sa.Integer),
        sa.Column("record_offset", sa.BigInteger),
        sa.Column("key", sa.LargeBinary),
        sa.Column("value", sa.LargeBinary),
        sa.Column("headers", JSONB, nullable=False, server_default="[]"),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("status", sa.Text, nullable=False, server_default="open"),
        sa.Column("settled_at", sa.DateTime(timezone=True)),
        sa.Column("relayed_at", sa.DateTime(timezone=True)),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("status IN ('open', 'replayed', 'dropped')", name="dead_letter_status"),
        sa.Index("dead_letter_unrelayed", "id", postgresql_where=sa.text("relayed_at IS NULL")),
        sa.UniqueConstraint(
            "consumer",
            "topic",
            "partition",
            "record_offset",
            "digest",
            name="dead_letter_once",
            postgresql_nulls_not_distinct=True,
        ),
    )
