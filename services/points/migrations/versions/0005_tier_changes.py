"""Every change of a tier is kept: reports tell who rose and fell."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tier_change",
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("event_sequence", sa.BigInteger(), nullable=False, comment="of the event that told it"),
        sa.Column("on", sa.Date(), nullable=False),
        sa.Column("left", sa.Text(), nullable=False),
        sa.Column("reached", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "event_sequence"),
    )
