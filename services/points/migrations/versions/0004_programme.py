"""Points that wait and points that end, tiers and what counts towards them, campaigns with caps, accounts that merge."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ENTRIES = "'award', 'activation', 'expiry', 'clawback', 'write_off', 'adjustment', 'transfer_out', 'transfer_in'"
CHECKS = {
    "account": {
        "status": "status IN ('active', 'blocked', 'closed', 'merged')",
        "pending": "pending >= 0",
        "merged": "(status = 'merged') = (merged_into IS NOT NULL)",
    },
    "entry": {"kind": f"kind IN ({ENTRIES})"},
    "lot": {
        "expired": "expired BETWEEN 0 AND points - remaining",
        "pending": "NOT pending OR available_at IS NOT NULL",
        "expires": "(expires_on IS NULL) = (expires_at IS NULL)",
    },
}
WIDER = (("account", "status"), ("entry", "kind"))
"""These were narrower before."""


def upgrade() -> None:
    _add_tables()
    _add_to_accounts()
    _add_to_points()
    for table, name in WIDER:
        op.drop_constraint(op.f(f"{table}_{name}"), table)
    for table, checks in CHECKS.items():
        for name, check in checks.items():
            op.create_check_constraint(op.f(f"{table}_{name}"), table, check)
    _count_the_past()


def _add_tables() -> None:
    op.create_table(
        "campaign_budget",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("points", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("awards", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("campaign"),
        comment="what campaigns with a budget gave in all; its lock is the last that a batch takes",
    )
    op.create_table(
        "campaign_use",
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("awards", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "campaign"),
        comment="what campaigns gave to whom; clawbacks free none of it",
    )
    op.create_index("campaign_use_of", "campaign_use", ["campaign"])
    op.create_table(
        "progress",
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("on", sa.Date(), nullable=False, comment="the local day of the purchases"),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("spend", sa.Numeric(precision=18, scale=4), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "on"),
        comment="what purchases, less what was refunded of them, count towards tiers",
        postgresql_with={"fillfactor": "90"},
    )


def _add_to_accounts() -> None:
    for column in (
        sa.Column("pending", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("purchases", sa.BigInteger(), server_default="0", nullable=False, comment="that were booked"),
        sa.Column("due_at", sa.DateTime(timezone=True), comment="nothing is due on the account before"),
        sa.Column("inactive_on", sa.Date(), comment="the last day of points that end with inactivity"),
        sa.Column("inactivity_announced", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("tier", sa.Text()),
        sa.Column("tier_since", sa.Date()),
        sa.Column("tier_review_on", sa.Date()),
        sa.Column("tier_announced", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("tier_floor", sa.Text(), comment="given by hand"),
        sa.Column("tier_floor_until", sa.Date()),
        sa.Column("merged_into", sa.Text(), comment="the account that this one goes on in"),
    ):
        op.add_column("account", column)
    op.create_index("account_due", "account", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL"))
    op.create_index("account_merged", "account", ["merged_into"], postgresql_where=sa.text("merged_into IS NOT NULL"))


def _add_to_points() -> None:
    op.add_column("entry", sa.Column("pending_after", sa.BigInteger(), server_default="0", nullable=False))
    for column in (
        sa.Column("pending", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("available_at", sa.DateTime(timezone=True)),
        sa.Column("expires_on", sa.Date(), comment="the last local day on which they can be spent"),
        sa.Column("expires_at", sa.DateTime(timezone=True), comment="the instant at which that day is over"),
        sa.Column("lapses", sa.Boolean(), server_default="false", nullable=False, comment="ends with inactivity"),
        sa.Column("expired", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("announced", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("origin_customer_id", sa.Text(), comment="of the lot that it was before a merge"),
        sa.Column("origin_sequence", sa.BigInteger()),
    ):
        op.add_column("lot", column)
    op.add_column(
        "purchase",
        sa.Column(
            "promoted", sa.Boolean(), server_default="false", nullable=False, comment="said so, or with a coupon"
        ),
    )
    gone = sa.Column(
        "clawed_back_expired", sa.BigInteger(), server_default="0", nullable=False, comment="had ended already"
    )
    op.add_column("purchase", gone)
    ended = sa.Column(
        "points_expired", sa.BigInteger(), server_default="0", nullable=False, comment="that had ended already"
    )
    op.add_column("refund", ended)
    op.add_column("audit", sa.Column("reason", sa.Text()))


def _count_the_past() -> None:
    op.execute(
        """
        UPDATE account SET purchases = p.number
          FROM (SELECT customer_id, count(*) AS number FROM purchase WHERE status = 'booked' GROUP BY 1) p
         WHERE p.customer_id = account.customer_id
        """
    )
    op.execute(
        """
        INSERT INTO progress (customer_id, "on", points, spend)
        SELECT customer_id, (occurred_at AT TIME ZONE 'UTC')::date, sum(points - clawed_back),
            sum(greatest((award->>'gross')::numeric - refunded_eligible, 0))
          FROM purchase WHERE status = 'booked' AND award IS NOT NULL GROUP BY 1, 2
        """
    )
