"""Customers can be erased: what is kept of them beside the bare id is deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "erasure",
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("erased_at", INSTANT, nullable=False),
        sa.Column("forgotten_at", INSTANT),
        sa.PrimaryKeyConstraint("customer_id"),
        comment="customers who were erased, under the bare id: what comes of them later is skipped",
    )
    op.create_index(
        "erasure_waiting", "erasure", ["erased_at", "customer_id"], postgresql_where=sa.text("forgotten_at IS NULL")
    )
