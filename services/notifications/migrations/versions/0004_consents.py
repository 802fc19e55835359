"""What customers agreed to, and addresses that messages came back from."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "consent",
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("asked_how", sa.Text(), nullable=True),
        sa.Column("asked_text", sa.Text(), nullable=True, comment="what they agreed to, or no longer do"),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmed_how", sa.Text(), nullable=True),
        sa.Column("confirmed_text", sa.Text(), nullable=True, comment="what they agreed to, or no longer do"),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_how", sa.Text(), nullable=True),
        sa.Column("withdrawn_text", sa.Text(), nullable=True, comment="what they agreed to, or no longer do"),
        sa.CheckConstraint("purpose IN ('offers', 'account')", name=op.f("consent_purpose")),
        sa.CheckConstraint("state IN ('asked', 'given', 'withdrawn')", name=op.f("consent_state")),
        sa.PrimaryKeyConstraint("customer_id", "channel", "purpose"),
    )
    op.create_table(
        "address",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("soft_bounces", sa.Integer(), server_default="0", nullable=False, comment="in a row"),
        sa.Column("bounced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("complained_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("channel", "address"),
        comment="where messages came back from; of all others there is no row",
    )
