"""Points are spent: at once or out of a hold, allocated to their lots and given back to them."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
ENTRIES = (
    "'award', 'activation', 'expiry', 'clawback', 'write_off', 'adjustment', 'transfer_out', 'transfer_in',"
    " 'hold', 'release', 'redemption', 'restoration'"
)


def upgrade() -> None:
    _widen_the_ledger()
    _add_redemptions()
    _let_purchases_be_paid()


def _widen_the_ledger() -> None:
    op.add_column("account", sa.Column("held", sa.BigInteger(), server_default="0", nullable=False))
    op.create_check_constraint(op.f("account_held"), "account", "held >= 0")
    op.add_column("entry", sa.Column("held_after", sa.BigInteger(), server_default="0", nullable=False))
    op.drop_constraint(op.f("entry_kind"), "entry")
    op.create_check_constraint(op.f("entry_kind"), "entry", f"kind IN ({ENTRIES})")
    graced: sa.Column[bool] = sa.Column(
        "graced", sa.Boolean(), server_default="false", nullable=False, comment="came back after its end, once"
    )
    op.add_column("lot", graced)
    op.alter_column("allocation", "points", comment="below zero: given back to the lot")
    op.drop_constraint(op.f("allocation_points"), "allocation")
    op.create_check_constraint(op.f("allocation_points"), "allocation", "points <> 0")


def _add_redemptions() -> None:
    op.create_table(
        "redemption",
        sa.Column("redemption_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False, comment="as they were asked for"),
        sa.Column("sequence", sa.BigInteger(), nullable=False, comment="of the entry that took them"),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("hold_until", INSTANT),
        sa.Column("held", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("captured", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("restored", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("shop_id", sa.Text()),
        sa.Column("invoice_number", sa.Text()),
        sa.Column(
            "paid_purchase", sa.Boolean(), server_default="false", nullable=False, comment="that purchase named it"
        ),
        sa.CheckConstraint(
            "status IN ('held', 'captured', 'released', 'timed_out', 'reversed')", name=op.f("redemption_status")
        ),
        sa.CheckConstraint("(status = 'held') = (held > 0)", name=op.f("redemption_held")),
        sa.CheckConstraint(
            "held >= 0 AND captured >= 0 AND held + captured <= points", name=op.f("redemption_captured")
        ),
        sa.CheckConstraint("restored BETWEEN 0 AND captured", name=op.f("redemption_restored")),
        sa.PrimaryKeyConstraint("redemption_id"),
    )
    op.create_index("redemption_held", "redemption", ["customer_id"], postgresql_where=sa.text("held > 0"))
    op.create_index("redemption_of", "redemption", ["customer_id", "sequence"])
    op.create_index(
        "redemption_paid", "redemption", ["shop_id", "invoice_number"], postgresql_where=sa.text("paid_purchase")
    )
    op.create_table(
        "redemption_lot",
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("redemption_id", sa.Text(), nullable=False),
        sa.Column("lot_sequence", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=False),
        sa.Column("captured", sa.BigInteger(), nullable=False),
        sa.Column("restored", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "held >= 0 AND captured >= 0 AND restored BETWEEN 0 AND captured", name=op.f("redemption_lot_parts")
        ),
        sa.PrimaryKeyConstraint("customer_id", "redemption_id", "lot_sequence"),
    )


def _let_purchases_be_paid() -> None:
    for name, comment in (
        ("redeemed", "points that paid for it"),
        ("unpaid", "points that should have, and did not"),
        ("restored", "of those redeemed, by refunds"),
    ):
        op.add_column("purchase", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False, comment=comment))
    op.create_check_constraint(op.f("purchase_restored"), "purchase", "restored BETWEEN 0 AND redeemed")
