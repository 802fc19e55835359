"""Points by hand have kinds, dates of their own and a second key above a limit; points for actions; draws of surprises."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _widen_adjustments()
    _date_those_that_stand()
    _add_limits()
    _add_actions_and_draws()


def _widen_adjustments() -> None:
    op.alter_column("adjustment", "entry_sequence", nullable=True)
    for column in (
        sa.Column("kind", sa.Text(), server_default="correction", nullable=False),
        sa.Column("status", sa.Text(), server_default="booked", nullable=False),
        sa.Column(
            "expires_on", sa.Date(), comment="the last local day of its points, where they have one of their own"
        ),
        sa.Column("created_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.Column("on", sa.Date(), comment="the local day on which it was asked for"),
        sa.Column("decided_by", sa.Text(), comment="the name of the second API key, of one that had to be approved"),
        sa.Column("decided_at", INSTANT),
    ):
        op.add_column("adjustment", column)
    for name, condition in (
        ("kind", "kind IN ('goodwill', 'surprise', 'correction')"),
        ("status", "status IN ('booked', 'awaits_approval', 'rejected')"),
        ("booked", "(status = 'booked') = (entry_sequence IS NOT NULL)"),
        ("decided", "(decided_by IS NULL) = (decided_at IS NULL)"),
    ):
        op.create_check_constraint(op.f(f"adjustment_{name}"), "adjustment", condition)


def _date_those_that_stand() -> None:
    op.execute(
        "UPDATE adjustment SET created_at = e.recorded_at FROM entry e"
        " WHERE e.customer_id = adjustment.customer_id AND e.sequence = adjustment.entry_sequence"
    )
    op.create_index("adjustment_listed", "adjustment", ["created_at", "adjustment_id"])
    op.create_index(
        "adjustment_awaiting",
        "adjustment",
        ["created_at", "adjustment_id"],
        postgresql_where=sa.text("status = 'awaits_approval'"),
    )


def _add_limits() -> None:
    op.create_table(
        "credit_day",
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("on", sa.Date(), nullable=False, comment="a local day"),
        sa.Column("points", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("actor", "on"),
        comment="what each API key gave by hand without a second one; its lock keeps the limit",
    )


def _add_actions_and_draws() -> None:
    op.create_table(
        "action_given",
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("entry_sequence", sa.BigInteger(), nullable=False),
        sa.Column("programme_version", sa.Integer(), nullable=False),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.Column("reference", sa.Text()),
        sa.PrimaryKeyConstraint("customer_id", "action"),
        comment="points for what customers did, once each and for ever; an account has those of all merged into it",
    )
    op.create_table(
        "draw_secret",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("revealed_at", INSTANT, comment="since then nothing may be drawn by it"),
        sa.PrimaryKeyConstraint("campaign"),
        comment="decides which purchases a campaign with a share draws; its SHA-256 is public from the first day on",
    )
