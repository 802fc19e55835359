"""The catalogue of rewards, and what customers claim of it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("redemption", sa.Column("claim_id", sa.Text(), comment="of the reward that it paid for"))
    _add_rewards()
    _add_claims()


def _add_rewards() -> None:
    op.create_table(
        "reward",
        sa.Column("reward_id", sa.Text(), nullable=False),
        sa.Column("document", JSONB(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("claimed", sa.BigInteger(), server_default="0", nullable=False, comment="and not cancelled"),
        sa.Column("retired_at", INSTANT),
        sa.CheckConstraint(
            "claimed >= 0 AND claimed <= coalesce((document ->> 'stock')::bigint, claimed)", name=op.f("reward_claimed")
        ),
        sa.PrimaryKeyConstraint("reward_id"),
        comment="the catalogue; after accounts and budgets its rows are locked by whoever claims or frees one",
    )


def _add_claims() -> None:
    op.create_table(
        "reward_claim",
        sa.Column("claim_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("reward_id", sa.Text(), nullable=False),
        sa.Column("redemption_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("claimed_at", INSTANT, nullable=False),
        sa.Column("code", sa.Text()),
        sa.Column("valid_until", INSTANT),
        sa.Column("member_number", sa.Text(), comment="the customer's, with the partner"),
        sa.Column("units", sa.BigInteger(), comment="what the partner gives"),
        sa.Column("ended_at", INSTANT, comment="fulfilled or cancelled"),
        sa.Column("reason", sa.Text()),
        sa.CheckConstraint(
            "status IN ('claimed', 'cancelling', 'cancelled', 'fulfilled')", name=op.f("reward_claim_status")
        ),
        sa.CheckConstraint(
            "(status IN ('cancelled', 'fulfilled')) = (ended_at IS NOT NULL)", name=op.f("reward_claim_ended")
        ),
        sa.CheckConstraint(
            "(kind IN ('free_article', 'percentage_voucher', 'money_voucher', 'shipping')) = (code IS NOT NULL)",
            name=op.f("reward_claim_code"),
        ),
        sa.CheckConstraint(
            "(kind = 'partner_transfer') = (member_number IS NOT NULL AND units IS NOT NULL)",
            name=op.f("reward_claim_partner"),
        ),
        sa.PrimaryKeyConstraint("claim_id"),
    )
    for name, columns, is_unique in (
        ("reward_claim_by_code", ["code"], True),
        ("reward_claim_of_redemption", ["redemption_id"], True),
        ("reward_claim_of_customer", ["customer_id", "number"], False),
        ("reward_claim_of_reward", ["reward_id", "number"], False),
    ):
        op.create_index(name, "reward_claim", columns, unique=is_unique)
