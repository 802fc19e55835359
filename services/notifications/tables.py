"""The tables of the notifications service."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from shared.answers import stored_answer_table
from shared.api_keys import api_key_table
from shared.audit import audit_table
from shared.jobs import job_run_table
from shared.messaging.tables import dead_letter_table, kafka_offset_table, outbox_sent_table, outbox_table

metadata = sa.MetaData(
    naming_convention={"ck": "%(table_name)s_%(constraint_name)s", "fk": "%(table_name)s_%(column_0_name)s_fkey"}
)

MONEY = sa.Numeric(18, 4)
INSTANT = sa.DateTime(timezone=True)

customer = sa.Table(
    "customer",
    metadata,
    sa.Column("customer_id", sa.Text, primary_key=True),
    sa.Column("event_sequence", sa.BigInteger, nullable=False, server_default="0", comment="of the last event"),
)

coupon = sa.Table(
    "coupon",
    metadata,
    sa.Column("coupon_id", sa.Text, primary_key=True),
    sa.Column("customer_id", sa.Text, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("code", sa.Text, unique=True, comment="none where it was void before it was heard of"),
    sa.Column("value", JSONB),
    sa.Column("titles", JSONB, nullable=False, server_default="{}"),
    sa.Column("categories", JSONB, nullable=False, server_default="[]", comment="only lines of these count; none: all"),
    sa.Column("stacks", sa.Boolean, nullable=False, server_default="false"),
    sa.Column("issued_at", INSTANT, nullable=False),
    sa.Column("valid_until", INSTANT, comment="the first instant at which it is over"),
    sa.Column("reservation", sa.Text, comment="the basket that has it"),
    sa.Column("reserved_until", INSTANT),
    sa.Column("shop_id", sa.Text),
    sa.Column("invoice_number", sa.Text),
    sa.Column("ended_at", INSTANT),
    sa.Column("reason", sa.Text),
    sa.CheckConstraint("origin IN ('reward', 'referral', 'pair', 'hand')", name="origin"),
    sa.CheckConstraint("status IN ('issued', 'reserved', 'redeemed', 'voided', 'expired')", name="status"),
    sa.CheckConstraint("(status = 'reserved') = (reserved_until IS NOT NULL)", name="reserved"),
    sa.CheckConstraint("(status = 'redeemed') <= (invoice_number IS NOT NULL)", name="redeemed"),
    sa.CheckConstraint("(code IS NULL) <= (status = 'voided')", name="code"),
    sa.Index("coupon_customer", "customer_id", "issued_at"),
    sa.Index("coupon_reservation", "reservation", postgresql_where=sa.text("reservation IS NOT NULL")),
    sa.Index("coupon_invoice", "shop_id", "invoice_number", postgresql_where=sa.text("invoice_number IS NOT NULL")),
    sa.Index(
        "coupon_over",
        "valid_until",
        "coupon_id",
        postgresql_where=sa.text("valid_until IS NOT NULL AND status IN ('issued', 'reserved')"),
    ),
)

coupon_use = sa.Table(
    "coupon_use",
    metadata,
    sa.Column("code", sa.Text, primary_key=True),
    sa.Column("shop_id", sa.Text, primary_key=True),
    sa.Column("invoice_number", sa.Text, primary_key=True),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("occurred_at", INSTANT, nullable=False),
    sa.Column("customer_id", sa.Text),
    sa.Column("amount", MONEY, comment="what it took off, as far as a basket tells"),
    sa.Column("reason", sa.Text, comment="of a conflict"),
    sa.CheckConstraint("status IN ('redeemed', 'conflict', 'unknown', 'freed')", name="status"),
    sa.Index("coupon_use_invoice", "shop_id", "invoice_number"),
    sa.Index(
        "coupon_use_customer",
        "code",
        "customer_id",
        postgresql_where=sa.text("customer_id IS NOT NULL AND status = 'redeemed'"),
    ),
    comment="purchases that named a code: each once, whatever became of it",
)

shared_code = sa.Table(
    "shared_code",
    metadata,
    sa.Column("code", sa.Text, primary_key=True),
    sa.Column("value", JSONB, nullable=False),
    sa.Column("titles", JSONB, nullable=False, server_default="{}"),
    sa.Column("categories", JSONB, nullable=False, server_default="[]", comment="only lines of these count; none: all"),
    sa.Column("stacks", sa.Boolean, nullable=False, server_default="false"),
    sa.Column("refund_frees", sa.Boolean, nullable=False, comment="whether a full refund makes room for another use"),
    sa.Column("most_uses", sa.BigInteger),
    sa.Column("most_amount", MONEY),
    sa.Column("currency", sa.Text, comment="of most_amount"),
    sa.Column("most_per_customer", sa.Integer),
    sa.Column("uses", sa.BigInteger, nullable=False, server_default="0", comment="redeemed and reserved"),
    sa.Column("amount", MONEY, nullable=False, server_default="0", comment="of these"),
    sa.Column("valid_from", INSTANT),
    sa.Column("valid_until", INSTANT, comment="the first instant at which it is over"),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column("ended_at", INSTANT),
    sa.Column("reason", sa.Text, comment="why it was ended"),
    sa.CheckConstraint("uses >= 0 AND amount >= 0", name="used"),
    sa.CheckConstraint("uses <= most_uses", name="most_uses"),
    sa.CheckConstraint("amount <= most_amount", name="most_amount"),
    sa.CheckConstraint("(most_amount IS NULL) = (currency IS NULL)", name="currency"),
    comment="codes for everybody; their uses stand with those of all codes",
)

shared_reservation = sa.Table(
    "shared_reservation",
    metadata,
    sa.Column("code", sa.Text, primary_key=True),
    sa.Column("reservation", sa.Text, primary_key=True, comment="the basket that it is kept for"),
    sa.Column("customer_id", sa.Text),
    sa.Column("amount", MONEY),
    sa.Column("reserved_until", INSTANT, nullable=False),
    sa.Index("shared_reservation_basket", "reservation"),
    sa.Index("shared_reservation_customer", "code", "customer_id"),
    sa.Index("shared_reservation_over", "reserved_until", "code"),
    comment="uses of shared codes that are kept for a basket; gone when it is paid, released or over",
)

sale = sa.Table(
    "sale",
    metadata,
    sa.Column("shop_id", sa.Text, primary_key=True),
    sa.Column("invoice_number", sa.Text, primary_key=True),
    sa.Column("total", MONEY, comment="none: only refunds have come"),
    sa.Column("refunded", MONEY, nullable=False, server_default="0"),
    comment="purchases that named codes, and whatever was refunded",
)

refund = sa.Table(
    "refund",
    metadata,
    sa.Column("shop_id", sa.Text, primary_key=True),
    sa.Column("invoice_number", sa.Text, primary_key=True),
    sa.Column("refund_id", sa.Text, primary_key=True),
)

stored_answer = stored_answer_table(metadata, lasting="about coupons that were redeemed")

outbox = outbox_table(metadata)
outbox_sent = outbox_sent_table(metadata)
kafka_offset = kafka_offset_table(metadata)
dead_letter = dead_letter_table(metadata)

api_key = api_key_table(metadata)
audit = audit_table(metadata)
job_run = job_run_table(metadata)
