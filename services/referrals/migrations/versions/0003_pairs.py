"""Offers for two, the pairs that took them up, and what both got."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _keep_offers()
    _keep_pairs()
    _keep_rewards()


def _keep_offers() -> None:
    op.create_table(
        "offer",
        sa.Column("offer_id", sa.Text(), nullable=False),
        sa.Column("document", JSONB(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column(
            "reserved",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="pairs that were accepted and stand",
        ),
        sa.Column("retired_at", INSTANT),
        sa.CheckConstraint(
            "reserved >= 0 AND reserved <= coalesce((document ->> 'budget')::bigint, reserved)",
            name=op.f("offer_reserved"),
        ),
        sa.PrimaryKeyConstraint("offer_id"),
        comment="for two; its rows are locked after customers",
    )


def _keep_pairs() -> None:
    op.create_table(
        "pair",
        sa.Column("pair_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("offer_id", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("referrer_id", sa.Text(), nullable=False),
        sa.Column("friend_id", sa.Text()),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("minimum", sa.Numeric(18, 4), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("new_friends_only", sa.Boolean(), nullable=False),
        sa.Column("benefit", JSONB(), nullable=False),
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("invited_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("accepted_at", INSTANT),
        sa.Column("completed_at", INSTANT),
        sa.Column("referrer_shop_id", sa.Text()),
        sa.Column("referrer_invoice_number", sa.Text()),
        sa.Column("friend_shop_id", sa.Text()),
        sa.Column("friend_invoice_number", sa.Text()),
        sa.Column("round", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reason", sa.Text()),
        sa.CheckConstraint("kind IN ('joint_basket', 'each_buys')", name=op.f("pair_kind")),
        sa.CheckConstraint(
            "status IN ('invited', 'accepted', 'completed', 'expired', 'cancelled')", name=op.f("pair_status")
        ),
        sa.CheckConstraint(
            "(status IN ('accepted', 'completed')) <= (accepted_at IS NOT NULL)", name=op.f("pair_accepted")
        ),
        sa.CheckConstraint("(accepted_at IS NOT NULL) <= (friend_id IS NOT NULL)", name=op.f("pair_friend")),
        sa.CheckConstraint(
            "(status = 'completed') = (referrer_invoice_number IS NOT NULL AND friend_invoice_number IS NOT NULL)",
            name=op.f("pair_purchases"),
        ),
        sa.PrimaryKeyConstraint("pair_id"),
    )
    op.create_index("pair_code", "pair", ["code"], unique=True)
    op.create_index("pair_number", "pair", ["number"], unique=True)
    op.create_index("pair_status", "pair", ["status", "number"])
    op.create_index("pair_offer", "pair", ["offer_id", "number"])
    op.create_index("pair_referrer", "pair", ["referrer_id", "number"])
    op.create_index("pair_friend", "pair", ["friend_id", "number"], postgresql_where=sa.text("friend_id IS NOT NULL"))
    op.create_index(
        "pair_due",
        "pair",
        ["expires_at", "pair_id"],
        postgresql_where=sa.text("status IN ('invited', 'accepted')"),
    )


def _keep_rewards() -> None:
    op.create_table(
        "pair_reward",
        sa.Column("reward_id", sa.Text(), nullable=False),
        sa.Column("pair_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("decided_at", INSTANT, nullable=False),
        sa.CheckConstraint("side IN ('referrer', 'friend')", name=op.f("pair_reward_side")),
        sa.CheckConstraint("status IN ('given', 'reversed')", name=op.f("pair_reward_status")),
        sa.PrimaryKeyConstraint("reward_id"),
        comment="what each of a pair got: a row for every time that both did what was asked",
    )
    op.create_index("pair_reward_round", "pair_reward", ["pair_id", "side", "round"], unique=True)
