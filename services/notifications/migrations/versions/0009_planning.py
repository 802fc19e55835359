"""How far occasions were planned, what a digest counts, and which coupons were said to end soon."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sweep",
        sa.Column("occasion", sa.Text(), nullable=False),
        sa.Column("season", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("programme_version", sa.Integer(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("passed", sa.Text(), nullable=True, comment="the customer it has come to; none: all of them"),
        sa.PrimaryKeyConstraint("occasion", "season"),
        comment="how far the customers were gone through for a season of a campaign",
    )
    op.create_index(
        "own_date_day",
        "own_date",
        ["name", sa.literal_column("extract(month FROM date)"), sa.literal_column("extract(day FROM date)")],
        unique=False,
    )
    op.add_column(
        "customer",
        sa.Column(
            "digest_sequence",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="of points' last event that a digest counts",
        ),
    )
    op.create_index(
        "notification_season",
        "notification",
        ["subject", "reference", "status"],
        unique=False,
        postgresql_where=sa.text("day IS NOT NULL"),
    )
    op.create_index(
        "notification_digest",
        "notification",
        ["customer_id"],
        unique=True,
        postgresql_where=sa.text("status = 'planned' AND subject = 'points_digest'"),
    )
    op.add_column(
        "coupon",
        sa.Column("announced", sa.Boolean(), server_default="false", nullable=False, comment="that it ends soon"),
    )
    op.create_index(
        "coupon_unannounced",
        "coupon",
        ["valid_until", "coupon_id"],
        unique=False,
        postgresql_where=sa.text("valid_until IS NOT NULL AND status IN ('issued', 'reserved') AND NOT announced"),
    )
