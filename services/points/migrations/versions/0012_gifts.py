"""Points are given to others, and households spend together."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("account", sa.Column("pool_id", sa.Text(), comment="the household that it spends with"))
    op.create_index("account_pool", "account", ["pool_id"], postgresql_where=sa.text("pool_id IS NOT NULL"))
    op.create_table(
        "gift",
        sa.Column("gift_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("recipient_id", sa.Text(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("entry_sequence", sa.BigInteger(), nullable=False, comment="of the giver's entry"),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("points > 0", name=op.f("gift_points")),
        sa.PrimaryKeyConstraint("gift_id"),
    )
