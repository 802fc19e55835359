"""Partners: their terms, what the sales of their customers earn them, and their statements."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _keep_partners()
    _keep_commissions()
    _keep_statements()
    _link_referrals()
    _guard()


def _keep_partners() -> None:
    op.create_table(
        "partner",
        sa.Column("partner_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_sequence", sa.BigInteger(), server_default="0", nullable=False, comment="of the last event"),
        sa.Column("line_number", sa.BigInteger(), server_default="0", nullable=False, comment="of the last line"),
        sa.Column(
            "paid", sa.Numeric(precision=18, scale=4), server_default="0", nullable=False, comment="in all payouts"
        ),
        sa.Column("paid_through", sa.Date(), nullable=True, comment="the month of the last payout"),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("partner_id"),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_table(
        "partner_terms",
        sa.Column("partner_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("document", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("partner_id", "version"),
    )


def _keep_commissions() -> None:
    op.create_table(
        "commission",
        sa.Column("referral_id", sa.Text(), nullable=False),
        sa.Column("shop_id", sa.Text(), nullable=False),
        sa.Column("invoice_number", sa.Text(), nullable=False),
        sa.Column("partner_id", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hold_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=4), nullable=False),
        sa.Column("sold", sa.Numeric(precision=18, scale=4), nullable=False, comment="what counts of the sale"),
        sa.Column("refunded", sa.Numeric(precision=18, scale=4), nullable=False, comment="of it"),
        sa.Column("round", sa.Integer(), nullable=False, comment="the last in which it became due"),
        sa.Column("month", sa.Date(), nullable=True, comment="of the statement with its last line"),
        sa.CheckConstraint("amount >= 0 AND (status = 'reversed') = (amount = 0)", name=op.f("commission_amount")),
        sa.CheckConstraint("status <> 'due' OR month IS NOT NULL", name=op.f("commission_month")),
        sa.CheckConstraint("status IN ('held', 'due', 'reversed')", name=op.f("commission_status")),
        sa.PrimaryKeyConstraint("referral_id", "shop_id", "invoice_number"),
    )
    op.create_index(
        "commission_partner",
        "commission",
        ["partner_id", "occurred_at", "referral_id", "shop_id", "invoice_number"],
        unique=False,
    )
    op.create_index(
        "commission_sale",
        "commission",
        ["shop_id", "invoice_number"],
        unique=True,
        postgresql_where=sa.text("status <> 'reversed'"),
    )


def _keep_statements() -> None:
    op.create_table(
        "statement_line",
        sa.Column("partner_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=4), nullable=False),
        sa.Column("referral_id", sa.Text(), nullable=False),
        sa.Column("shop_id", sa.Text(), nullable=False),
        sa.Column("invoice_number", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("sold", sa.Numeric(precision=18, scale=4), nullable=False, comment="what counted of the sale"),
        sa.Column(
            "refunded", sa.Numeric(precision=18, scale=4), nullable=False, comment="of it, when the line was written"
        ),
        sa.Column("booked_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount <> 0", name=op.f("statement_line_amount")),
        sa.PrimaryKeyConstraint("partner_id", "number"),
    )
    op.create_index(
        "statement_line_commission", "statement_line", ["referral_id", "shop_id", "invoice_number"], unique=False
    )
    op.create_index("statement_line_month", "statement_line", ["partner_id", "month", "number"], unique=False)
    op.create_table(
        "payout",
        sa.Column("partner_id", sa.Text(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=4), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paid_by", sa.Text(), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("payout_amount")),
        sa.PrimaryKeyConstraint("partner_id", "month"),
    )


def _link_referrals() -> None:
    op.create_index(
        "code_partner", "code", ["partner_id"], unique=False, postgresql_where=sa.text("partner_id IS NOT NULL")
    )
    op.add_column("referral", sa.Column("terms_version", sa.Integer(), nullable=True, comment="of the partner's terms"))
    op.add_column(
        "referral",
        sa.Column(
            "commissions_due_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the first hold of a commission is over then",
        ),
    )
    op.create_check_constraint(op.f("referral_terms"), "referral", "(partner_id IS NULL) = (terms_version IS NULL)")


def _guard() -> None:
    for table in ("partner_terms", "statement_line", "payout"):
        op.execute(
            f"CREATE TRIGGER {table}_is_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        op.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM CURRENT_USER")
