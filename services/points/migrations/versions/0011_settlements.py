"""A past purchase is paid with points."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

MONEY = sa.Numeric(18, 4)


def upgrade() -> None:
    settled = sa.Column("settled", MONEY, server_default="0", nullable=False, comment="paid with points afterwards")
    op.add_column("purchase", settled)
    op.create_table(
        "settlement",
        sa.Column("redemption_id", sa.Text(), nullable=False),
        sa.Column("shop_id", sa.Text(), nullable=False),
        sa.Column("invoice_number", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", MONEY, nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("clawed_back", sa.BigInteger(), nullable=False),
        sa.Column("clawed_back_expired", sa.BigInteger(), nullable=False, comment="had ended already"),
        sa.Column("entry_sequence", sa.BigInteger(), comment="of the clawback"),
        sa.CheckConstraint("amount > 0 AND points > 0", name=op.f("settlement_amount")),
        sa.PrimaryKeyConstraint("redemption_id"),
        comment="what was paid of a past purchase with points",
    )
    op.create_index("settlement_of", "settlement", ["shop_id", "invoice_number"])
