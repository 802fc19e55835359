"""The books of the points service, with a first programme: one point per EUR, GBP, USD or CHF."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("card_number", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="active", nullable=False),
        sa.Column("sequence", sa.BigInteger(), server_default="0", nullable=False, comment="of the last entry"),
        sa.Column("event_sequence", sa.BigInteger(), server_default="0", nullable=False, comment="of the last event"),
        sa.Column("available", sa.BigInteger(), server_default="0", nullable=False, comment="below zero: a debt"),
        sa.Column(
            "lifetime_points", sa.BigInteger(), server_default="0", nullable=False, comment="awards less clawbacks"
        ),
        sa.Column("enrolled_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('active')", name=op.f("account_status")),
        sa.PrimaryKeyConstraint("customer_id"),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_table(
        "adjustment",
        sa.Column("adjustment_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("entry_sequence", sa.BigInteger(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("adjustment_id"),
    )
    op.create_table(
        "allocation",
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("debit_sequence", sa.BigInteger(), nullable=False),
        sa.Column("lot_sequence", sa.BigInteger(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("points > 0", name=op.f("allocation_points")),
        sa.PrimaryKeyConstraint("customer_id", "debit_sequence", "lot_sequence"),
    )
    op.create_table(
        "card",
        sa.Column("card_number", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=True, comment="none: purchases of this card wait for its owner"),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("card_number"),
    )
    op.create_table(
        "dead_letter",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=True),
        sa.Column("record_offset", sa.BigInteger(), nullable=True),
        sa.Column("key", sa.LargeBinary(), nullable=True),
        sa.Column("value", sa.LargeBinary(), nullable=True),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("status", sa.Text(), server_default="open", nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("relayed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("status IN ('open', 'replayed', 'dropped')", name=op.f("dead_letter_dead_letter_status")),
        sa.PrimaryKeyConstraint("id"),
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
    op.create_index(
        "dead_letter_unrelayed", "dead_letter", ["id"], unique=False, postgresql_where=sa.text("relayed_at IS NULL")
    )
    op.create_table(
        "entry",
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("available_after", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('award', 'clawback', 'write_off', 'adjustment')", name=op.f("entry_kind")),
        sa.CheckConstraint("points <> 0", name=op.f("entry_points")),
        sa.PrimaryKeyConstraint("customer_id", "sequence"),
    )
    op.create_table(
        "event",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("source", "id"),
        comment="every event that was booked, for ever: the same pair again is the same event",
    )
    op.create_table(
        "kafka_offset",
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.Column(
            "topic_id", sa.Text(), nullable=True, comment="the broker's own; another one: the topic was made anew"
        ),
        sa.PrimaryKeyConstraint("consumer", "topic", "partition"),
    )
    op.create_table(
        "lot",
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False, comment="of the entry that brought the points"),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("remaining", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("remaining BETWEEN 0 AND points", name=op.f("lot_remaining")),
        sa.PrimaryKeyConstraint("customer_id", "sequence"),
        postgresql_with={"fillfactor": "90"},
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("delivered_to", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "outbox_sent",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        postgresql_partition_by="RANGE (sent_at)",
    )
    op.create_table(
        "programme",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("document", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("version"),
    )
    op.create_table(
        "purchase",
        sa.Column("shop_id", sa.Text(), nullable=False),
        sa.Column("invoice_number", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("card_number", sa.Text(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("total", sa.Numeric(precision=18, scale=4), nullable=True),
        sa.Column("shipping", sa.Numeric(precision=18, scale=4), nullable=True),
        sa.Column("gift_cards", sa.Numeric(precision=18, scale=4), nullable=True),
        sa.Column("points_paid", sa.Numeric(precision=18, scale=4), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "points", sa.BigInteger(), server_default="0", nullable=False, comment="as awarded, before clawbacks"
        ),
        sa.Column(
            "entry_sequence",
            sa.BigInteger(),
            nullable=True,
            comment="of the award and its lot; none where nothing was earned",
        ),
        sa.Column(
            "award",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="what every later clawback is computed from",
        ),
        sa.Column("refunded", sa.Numeric(precision=18, scale=4), server_default="0", nullable=False),
        sa.Column(
            "refunded_eligible",
            sa.Numeric(precision=18, scale=4),
            server_default="0",
            nullable=False,
            comment="the part that counts as earn base",
        ),
        sa.Column("refunded_points_paid", sa.Numeric(precision=18, scale=4), server_default="0", nullable=False),
        sa.Column("clawed_back", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "document",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="the purchase as it came, while it waits for its customer",
        ),
        sa.CheckConstraint("status = 'awaited' OR total IS NOT NULL", name=op.f("purchase_known")),
        sa.CheckConstraint("status IN ('awaited', 'unclaimed', 'parked', 'booked')", name=op.f("purchase_status")),
        sa.CheckConstraint("clawed_back BETWEEN 0 AND points", name=op.f("purchase_clawed_back")),
        sa.CheckConstraint("refunded <= total", name=op.f("purchase_refunded")),
        sa.PrimaryKeyConstraint("shop_id", "invoice_number"),
    )
    op.create_index(
        "purchase_parked", "purchase", ["card_number"], unique=False, postgresql_where=sa.text("status = 'parked'")
    )
    op.create_index(
        "purchase_unsettled",
        "purchase",
        ["status", "shop_id", "invoice_number"],
        unique=False,
        postgresql_where=sa.text("status <> 'booked'"),
    )
    op.create_table(
        "refund",
        sa.Column("shop_id", sa.Text(), nullable=False),
        sa.Column("invoice_number", sa.Text(), nullable=False),
        sa.Column("refund_id", sa.Text(), nullable=False),
        sa.Column("arrival", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=4), nullable=False),
        sa.Column("shipping", sa.Numeric(precision=18, scale=4), nullable=False),
        sa.Column("gift_cards", sa.Numeric(precision=18, scale=4), nullable=False),
        sa.Column("points_paid", sa.Numeric(precision=18, scale=4), nullable=True, comment="as it was said"),
        sa.Column(
            "points_paid_part",
            sa.Numeric(precision=18, scale=4),
            server_default="0",
            nullable=False,
            comment="as it was booked",
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("points", sa.BigInteger(), server_default="0", nullable=False, comment="clawed back by it"),
        sa.Column("entry_sequence", sa.BigInteger(), nullable=True),
        sa.Column("refused_code", sa.Text(), nullable=True, comment="why a refund that had waited was refused"),
        sa.CheckConstraint("status IN ('waiting', 'booked', 'refused')", name=op.f("refund_status")),
        sa.PrimaryKeyConstraint("shop_id", "invoice_number", "refund_id"),
    )
    op.create_index(
        "refund_waiting", "refund", ["received_at"], unique=False, postgresql_where=sa.text("status = 'waiting'")
    )
    op.create_table(
        "stored_answer",
        sa.Column("api_key", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("api_key", "idempotency_key"),
        comment="answers under an Idempotency-Key, stored with their effect",
    )
    op.execute("CREATE SEQUENCE card_serial AS bigint INCREMENT BY 100 MAXVALUE 999999900")
    op.execute(
        """
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          RAISE EXCEPTION 'entries are corrected by adding, never changed' USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER entry_is_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON entry"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        """
        INSERT INTO programme (version, valid_from, document, published_at, published_by)
        VALUES (1, '0001-01-01 00:00:00+00',
          '{"rates": {"EUR": "1", "GBP": "1", "USD": "1", "CHF": "1"}}', now(), 'migration 0001')
        """
    )
