"""Codes for everybody, and what coupons ask of a basket."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "shared_code",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("value", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("titles", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column(
            "categories",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="[]",
            nullable=False,
            comment="only lines of these count; none: all",
        ),
        sa.Column("stacks", sa.Boolean(), server_default="false", nullable=False),
        sa.Column(
            "refund_frees", sa.Boolean(), nullable=False, comment="whether a full refund makes room for another use"
        ),
        sa.Column("most_uses", sa.BigInteger(), nullable=True),
        sa.Column("most_amount", sa.Numeric(precision=18, scale=4), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True, comment="of most_amount"),
        sa.Column("most_per_customer", sa.Integer(), nullable=True),
        sa.Column("uses", sa.BigInteger(), server_default="0", nullable=False, comment="redeemed and reserved"),
        sa.Column("amount", sa.Numeric(precision=18, scale=4), server_default="0", nullable=False, comment="of these"),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "valid_until", sa.DateTime(timezone=True), nullable=True, comment="the first instant at which it is over"
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it was ended"),
        sa.CheckConstraint("(most_amount IS NULL) = (currency IS NULL)", name=op.f("shared_code_currency")),
        sa.CheckConstraint("amount <= most_amount", name=op.f("shared_code_most_amount")),
        sa.CheckConstraint("uses <= most_uses", name=op.f("shared_code_most_uses")),
        sa.CheckConstraint("uses >= 0 AND amount >= 0", name=op.f("shared_code_used")),
        sa.PrimaryKeyConstraint("code"),
        comment="codes for everybody; their uses stand with those of all codes",
    )
    op.create_table(
        "shared_reservation",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("reservation", sa.Text(), nullable=False, comment="the basket that it is kept for"),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("amount", sa.Numeric(precision=18, scale=4), nullable=True),
        sa.Column("reserved_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("code", "reservation"),
        comment="uses of shared codes that are kept for a basket; gone when it is paid, released or over",
    )
    op.create_index("shared_reservation_basket", "shared_reservation", ["reservation"], unique=False)
    op.create_index("shared_reservation_customer", "shared_reservation", ["code", "customer_id"], unique=False)
    op.create_index("shared_reservation_over", "shared_reservation", ["reserved_until", "code"], unique=False)
    op.add_column(
        "coupon",
        sa.Column(
            "categories",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="[]",
            nullable=False,
            comment="only lines of these count; none: all",
        ),
    )
    op.add_column("coupon", sa.Column("stacks", sa.Boolean(), server_default="false", nullable=False))
    op.create_index(
        "coupon_reservation",
        "coupon",
        ["reservation"],
        unique=False,
        postgresql_where=sa.text("reservation IS NOT NULL"),
    )
    op.add_column("coupon_use", sa.Column("customer_id", sa.Text(), nullable=True))
    op.add_column(
        "coupon_use",
        sa.Column(
            "amount",
            sa.Numeric(precision=18, scale=4),
            nullable=True,
            comment="what it took off, as far as a basket tells",
        ),
    )
    op.add_column(
        "coupon_use",
        sa.Column("reason", sa.Text(), nullable=True, comment="of a conflict, or of a use that outlived its purchase"),
    )
    op.create_index(
        "coupon_use_customer",
        "coupon_use",
        ["code", "customer_id"],
        unique=False,
        postgresql_where=sa.text("customer_id IS NOT NULL AND status = 'redeemed'"),
    )
