"""Points that other services owe customers are booked once each, and taken back."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
ENTRIES = (
    "'award', 'activation', 'expiry', 'clawback', 'write_off', 'adjustment', 'transfer_out', 'transfer_in',"
    " 'hold', 'release', 'redemption', 'restoration', 'grant', 'revocation'"
)


def upgrade() -> None:
    op.drop_constraint(op.f("entry_kind"), "entry")
    op.create_check_constraint(op.f("entry_kind"), "entry", f"kind IN ({ENTRIES})")
    op.create_table(
        "points_grant",
        sa.Column("source", sa.Text(), nullable=False, comment="the service that owes the points"),
        sa.Column("reward_id", sa.Text(), nullable=False, comment="its name for them, for ever"),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), comment="what they are for"),
        sa.Column("points", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("occurred_at", INSTANT),
        sa.Column("entry_sequence", sa.BigInteger()),
        sa.Column("qualifying", sa.Boolean(), server_default="false", nullable=False, comment="counted towards tiers"),
        sa.Column("revoked_at", INSTANT),
        sa.Column("revoked_expired", sa.BigInteger(), server_default="0", nullable=False, comment="had ended already"),
        sa.Column("revocation_sequence", sa.BigInteger(), comment="of the entry that took them back"),
        sa.CheckConstraint("status IN ('awaited', 'granted', 'revoked')", name=op.f("points_grant_status")),
        sa.CheckConstraint("(status = 'awaited') = (points = 0)", name=op.f("points_grant_points")),
        sa.CheckConstraint("(status = 'granted') = (revoked_at IS NULL)", name=op.f("points_grant_revoked")),
        sa.CheckConstraint("revoked_expired BETWEEN 0 AND points", name=op.f("points_grant_expired")),
        sa.PrimaryKeyConstraint("source", "reward_id"),
        comment="points that other services owe customers; awaited ones were taken back before they came",
    )
