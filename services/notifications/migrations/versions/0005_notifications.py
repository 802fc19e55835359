"""What is to be said to whom, and how it is delivered."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_constraint(op.f("coupon_origin"), "coupon", type_="check")
    op.create_check_constraint(
        op.f("coupon_origin"), "coupon", "origin IN ('reward', 'referral', 'pair', 'hand', 'occasion')"
    )
    op.create_table(
        "notification",
        sa.Column("notification_id", sa.Uuid(), nullable=False, comment="made of customer, subject and reference"),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column(
            "subject", sa.Text(), nullable=False, comment="what it is about: a kind of message, or occasion:NAME"
        ),
        sa.Column("reference", sa.Text(), nullable=False, comment="which one of them: an event, a year"),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False, comment="not before"),
        sa.Column(
            "until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the first instant at which it means nothing any more",
        ),
        sa.Column("day", sa.Date(), nullable=True, comment="of an occasion: the local day it is about"),
        sa.Column(
            "content",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="{}",
            nullable=False,
            comment="what the template is told",
        ),
        sa.Column("coupon_id", sa.Text(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=True, comment="the one it was said on"),
        sa.Column(
            "reason",
            sa.Text(),
            nullable=True,
            comment="of a suppression or a failure, and what a planned one waits for",
        ),
        sa.Column(
            "said_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when it was requested: what counts for the frequency cap",
        ),
        sa.CheckConstraint(
            "(status IN ('requested', 'sent')) <= (said_at IS NOT NULL)", name=op.f("notification_said")
        ),
        sa.CheckConstraint("purpose IN ('offers', 'account', 'necessary')", name=op.f("notification_purpose")),
        sa.CheckConstraint(
            "status IN ('planned', 'requested', 'sent', 'suppressed', 'failed')", name=op.f("notification_status")
        ),
        sa.PrimaryKeyConstraint("notification_id"),
    )
    op.create_index("notification_customer", "notification", ["customer_id", "subject"], unique=False)
    op.create_index(
        "notification_due",
        "notification",
        ["due_at", "notification_id"],
        unique=False,
        postgresql_where=sa.text("status = 'planned'"),
    )
    op.create_index(
        "notification_said",
        "notification",
        ["customer_id", "said_at"],
        unique=False,
        postgresql_where=sa.text("said_at IS NOT NULL AND purpose <> 'necessary'"),
    )
    op.create_table(
        "dispatch",
        sa.Column("notification_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=True, comment="until it is over"),
        sa.Column(
            "message",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="as it is sent each time, until it is over",
        ),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True, comment="what the other side said last"),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(status = 'waiting') = (ended_at IS NULL)", name=op.f("dispatch_ended")),
        sa.CheckConstraint("(status = 'waiting') = (message IS NOT NULL)", name=op.f("dispatch_message")),
        sa.CheckConstraint("status IN ('waiting', 'sent', 'failed')", name=op.f("dispatch_status")),
        sa.PrimaryKeyConstraint("notification_id"),
        comment="messages that we deliver ourselves",
    )
    op.create_index("dispatch_customer", "dispatch", ["customer_id"], unique=False)
    op.create_index(
        "dispatch_due", "dispatch", ["channel", "due_at"], unique=False, postgresql_where=sa.text("status = 'waiting'")
    )
