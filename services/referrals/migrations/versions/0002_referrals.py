"""Customers, their codes, what friends claimed with them, and what is due for it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _keep_programmes()
    _keep_customers()
    _keep_purchases()
    _keep_codes()
    _keep_referrals()


def _keep_programmes() -> None:
    op.create_table(
        "programme",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("document", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("version"),
    )
    op.execute(
        "INSERT INTO programme (version, valid_from, document, published_at, published_by)"
        " VALUES (1, '0001-01-01 00:00:00+00', '{}', now(), 'loyalty')"
    )


def _keep_customers() -> None:
    op.create_table(
        "customer",
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("event_sequence", sa.BigInteger(), server_default="0", nullable=False, comment="of the last event"),
        sa.Column(
            "first_purchase_at", sa.DateTime(timezone=True), nullable=True, comment="the earliest, by when it happened"
        ),
        sa.Column("tier", sa.Text(), nullable=True),
        sa.Column("email_hash", sa.LargeBinary(), nullable=True),
        sa.Column("phone_hash", sa.LargeBinary(), nullable=True),
        sa.Column("merged_into", sa.Text(), nullable=True, comment="the customer that this one goes on as"),
        sa.PrimaryKeyConstraint("customer_id"),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index(
        "customer_merged",
        "customer",
        ["merged_into"],
        unique=False,
        postgresql_where=sa.text("merged_into IS NOT NULL"),
    )
    op.create_table(
        "card",
        sa.Column("card_number", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("card_number"),
    )


def _keep_purchases() -> None:
    op.create_table(
        "purchase",
        sa.Column("shop_id", sa.Text(), nullable=False),
        sa.Column("invoice_number", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("card_number", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("total", sa.Numeric(precision=18, scale=4), server_default="0", nullable=False),
        sa.Column("points_paid", sa.Numeric(precision=18, scale=4), server_default="0", nullable=False),
        sa.Column(
            "amount",
            sa.Numeric(precision=18, scale=4),
            server_default="0",
            nullable=False,
            comment="what of the total counts",
        ),
        sa.Column(
            "refunded", sa.Numeric(precision=18, scale=4), server_default="0", nullable=False, comment="of the total"
        ),
        sa.Column(
            "taken_back", sa.Numeric(precision=18, scale=4), server_default="0", nullable=False, comment="of the amount"
        ),
        sa.Column("companion_id", sa.Text(), nullable=True),
        sa.Column("referral_code", sa.Text(), nullable=True),
        sa.CheckConstraint("refunded <= total OR status = 'awaited'", name=op.f("purchase_refunded")),
        sa.CheckConstraint("status <> 'booked' OR customer_id IS NOT NULL", name=op.f("purchase_customer")),
        sa.CheckConstraint("status IN ('awaited', 'unclaimed', 'parked', 'booked')", name=op.f("purchase_status")),
        sa.PrimaryKeyConstraint("shop_id", "invoice_number"),
    )
    op.create_index("purchase_customer", "purchase", ["customer_id", "occurred_at"], unique=False)
    op.create_index(
        "purchase_parked", "purchase", ["card_number"], unique=False, postgresql_where=sa.text("status = 'parked'")
    )
    op.create_table(
        "refund",
        sa.Column("shop_id", sa.Text(), nullable=False),
        sa.Column("invoice_number", sa.Text(), nullable=False),
        sa.Column("refund_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=4), nullable=False),
        sa.Column("shipping", sa.Numeric(precision=18, scale=4), nullable=False),
        sa.Column("gift_cards", sa.Numeric(precision=18, scale=4), nullable=False),
        sa.Column(
            "points_paid", sa.Numeric(precision=18, scale=4), nullable=True, comment="none: the purchase's share"
        ),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("arrival", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.CheckConstraint("status IN ('waiting', 'booked', 'refused')", name=op.f("refund_status")),
        sa.PrimaryKeyConstraint("shop_id", "invoice_number", "refund_id"),
    )


def _keep_codes() -> None:
    op.create_table(
        "code",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("partner_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('generated', 'vanity', 'partner')", name=op.f("code_kind")),
        sa.CheckConstraint("(customer_id IS NULL) <> (partner_id IS NULL)", name=op.f("code_owner")),
        sa.PrimaryKeyConstraint("code"),
    )
    op.create_index(
        "code_generated",
        "code",
        ["customer_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'generated' AND retired_at IS NULL"),
    )
    op.create_index(
        "code_vanity",
        "code",
        ["customer_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'vanity' AND retired_at IS NULL"),
    )
    op.create_table(
        "share",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("on", sa.Date(), nullable=False),
        sa.Column("shares", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("code", "channel", "on"),
    )


def _keep_referrals() -> None:
    op.create_table(
        "referral",
        sa.Column("referral_id", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("friend_id", sa.Text(), nullable=False),
        sa.Column("referrer_id", sa.Text(), nullable=True),
        sa.Column("partner_id", sa.Text(), nullable=True),
        sa.Column("programme_version", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("address_hash", sa.LargeBinary(), nullable=True),
        sa.Column("qualifies_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("review_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("shop_id", sa.Text(), nullable=True),
        sa.Column("invoice_number", sa.Text(), nullable=True),
        sa.Column("qualified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hold_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("round", sa.Integer(), server_default="0", nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True, comment="nothing is to be done about it before"),
        sa.CheckConstraint(
            "(status IN ('qualified', 'rewarded')) <= (invoice_number IS NOT NULL)", name=op.f("referral_purchase")
        ),
        sa.CheckConstraint("source IN ('rest', 'purchase', 'customer')", name=op.f("referral_source")),
        sa.CheckConstraint(
            "status IN ('review', 'claimed', 'qualified', 'rewarded', 'rejected')", name=op.f("referral_status")
        ),
        sa.PrimaryKeyConstraint("referral_id"),
    )
    op.create_index(
        "referral_address",
        "referral",
        ["address_hash", "received_at"],
        unique=False,
        postgresql_where=sa.text("address_hash IS NOT NULL"),
    )
    op.create_index(
        "referral_due",
        "referral",
        ["due_at", "referral_id"],
        unique=False,
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index("referral_friend", "referral", ["friend_id", "claimed_at"], unique=False)
    op.create_index(
        "referral_live", "referral", ["friend_id"], unique=True, postgresql_where=sa.text("status <> 'rejected'")
    )
    op.create_index(
        "referral_partner",
        "referral",
        ["partner_id", "received_at"],
        unique=False,
        postgresql_where=sa.text("partner_id IS NOT NULL"),
    )
    op.create_index("referral_referrer", "referral", ["referrer_id", "received_at"], unique=False)
    op.create_index("referral_status", "referral", ["status", "received_at", "referral_id"], unique=False)
    op.create_table(
        "reward",
        sa.Column("reward_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("referral_id", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("benefit", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("month", sa.Date(), nullable=False, comment="whose cap it counts in"),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rung", sa.Integer(), nullable=True, comment="of the ladder"),
        sa.CheckConstraint("side IN ('referrer', 'friend')", name=op.f("reward_side")),
        sa.CheckConstraint(
            "status IN ('held', 'given', 'cancelled', 'reversed', 'capped')", name=op.f("reward_status")
        ),
        sa.PrimaryKeyConstraint("reward_id"),
    )
    op.create_index("reward_customer", "reward", ["customer_id", "month"], unique=False)
    op.create_index("reward_referral", "reward", ["referral_id"], unique=False)
