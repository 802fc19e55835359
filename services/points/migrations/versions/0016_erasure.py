"""Customers can be erased: their account ends, and what is kept of them beside its entries is deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
ENTRIES = (
    "'award', 'activation', 'expiry', 'clawback', 'write_off', 'adjustment', 'transfer_out', 'transfer_in',"
    " 'hold', 'release', 'redemption', 'restoration', 'grant', 'revocation', 'erasure'"
)
STATUSES = "'active', 'blocked', 'closed', 'merged', 'erased'"
COUPONS = "'free_article', 'percentage_voucher', 'money_voucher', 'shipping'"


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
    op.drop_constraint(op.f("entry_kind"), "entry")
    op.create_check_constraint(op.f("entry_kind"), "entry", f"kind IN ({ENTRIES})")
    op.drop_constraint(op.f("account_status"), "account")
    op.create_check_constraint(op.f("account_status"), "account", f"status IN ({STATUSES})")
    op.alter_column("account", "card_number", nullable=True, comment="none where the customer was erased")
    for name, condition in (
        ("code", f"code IS NULL OR kind IN ({COUPONS})"),
        ("partner", "(kind = 'partner_transfer') = (units IS NOT NULL)"),
    ):
        op.drop_constraint(op.f(f"reward_claim_{name}"), "reward_claim")
        op.create_check_constraint(op.f(f"reward_claim_{name}"), "reward_claim", condition)
    op.create_check_constraint(
        op.f("reward_claim_member"), "reward_claim", "member_number IS NULL OR units IS NOT NULL"
    )
    # a reason may name whom it is about: it can be taken away, and nothing else of a deed be changed
    op.execute("DROP TRIGGER audit_is_immutable ON audit")
    op.execute(
        "CREATE TRIGGER audit_is_immutable"
        " BEFORE UPDATE OF id, at, actor, action, subject, request_id OR TRUNCATE ON audit"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER audit_reason_is_immutable BEFORE UPDATE OF reason ON audit"
        " FOR EACH ROW WHEN (new.reason IS NOT NULL) EXECUTE FUNCTION refuse_change()"
    )
    op.execute("GRANT UPDATE (reason) ON audit TO CURRENT_USER")
