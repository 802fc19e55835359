"""Coupons, the purchases that named them, and what of those was taken back."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "coupon",
        sa.Column("coupon_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True, comment="none where it was void before it was heard of"),
        sa.Column("value", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("titles", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "valid_until", sa.DateTime(timezone=True), nullable=True, comment="the first instant at which it is over"
        ),
        sa.Column("reservation", sa.Text(), nullable=True, comment="the basket that has it"),
        sa.Column("reserved_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("shop_id", sa.Text(), nullable=True),
        sa.Column("invoice_number", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint("(code IS NULL) <= (status = 'voided')", name=op.f("coupon_code")),
        sa.CheckConstraint("(status = 'redeemed') <= (invoice_number IS NOT NULL)", name=op.f("coupon_redeemed")),
        sa.CheckConstraint("(status = 'reserved') = (reserved_until IS NOT NULL)", name=op.f("coupon_reserved")),
        sa.CheckConstraint("origin IN ('reward', 'referral', 'pair', 'hand')", name=op.f("coupon_origin")),
        sa.CheckConstraint(
            "status IN ('issued', 'reserved', 'redeemed', 'voided', 'expired')", name=op.f("coupon_status")
        ),
        sa.PrimaryKeyConstraint("coupon_id"),
        sa.UniqueConstraint("code"),
    )
    op.create_index("coupon_customer", "coupon", ["customer_id", "issued_at"], unique=False)
    op.create_index(
        "coupon_invoice",
        "coupon",
        ["shop_id", "invoice_number"],
        unique=False,
        postgresql_where=sa.text("invoice_number IS NOT NULL"),
    )
    op.create_index(
        "coupon_over",
        "coupon",
        ["valid_until", "coupon_id"],
        unique=False,
        postgresql_where=sa.text("valid_until IS NOT NULL AND status IN ('issued', 'reserved')"),
    )
    op.create_table(
        "coupon_use",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("shop_id", sa.Text(), nullable=False),
        sa.Column("invoice_number", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('redeemed', 'conflict', 'unknown', 'freed')", name=op.f("coupon_use_status")),
        sa.PrimaryKeyConstraint("code", "shop_id", "invoice_number"),
        comment="purchases that named a code: each once, whatever became of it",
    )
    op.create_index("coupon_use_invoice", "coupon_use", ["shop_id", "invoice_number"], unique=False)
    op.create_table(
        "customer",
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("event_sequence", sa.BigInteger(), server_default="0", nullable=False, comment="of the last event"),
        sa.PrimaryKeyConstraint("customer_id"),
    )
    op.create_table(
        "refund",
        sa.Column("shop_id", sa.Text(), nullable=False),
        sa.Column("invoice_number", sa.Text(), nullable=False),
        sa.Column("refund_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "invoice_number", "refund_id"),
    )
    op.create_table(
        "sale",
        sa.Column("shop_id", sa.Text(), nullable=False),
        sa.Column("invoice_number", sa.Text(), nullable=False),
        sa.Column("total", sa.Numeric(precision=18, scale=4), nullable=True, comment="none: only refunds have come"),
        sa.Column("refunded", sa.Numeric(precision=18, scale=4), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "invoice_number"),
        comment="purchases that named codes, and whatever was refunded",
    )
