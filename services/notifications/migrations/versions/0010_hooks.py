"""Web hooks that messages are delivered to, and what failed found again."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hook",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secrets", sa.ARRAY(sa.Text()), nullable=False, comment="all of them sign; the newest first"),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("ended", sa.Text(), nullable=True, comment="what it said when it would take no more"),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("saved_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("channel"),
    )
    op.create_index(
        "notification_failed",
        "notification",
        ["due_at", "notification_id"],
        unique=False,
        postgresql_where=sa.text("status = 'failed'"),
    )
