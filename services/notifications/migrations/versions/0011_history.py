"""What customers bought: purchases with their customers, and the customers that two of them became."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "customer",
        sa.Column(
            "tier_sequence", sa.BigInteger(), server_default="0", nullable=False, comment="of the one that said it"
        ),
    )
    op.add_column(
        "customer",
        sa.Column("merged_into", sa.Text(), nullable=True, comment="the customer that this one goes on as"),
    )
    op.create_index(
        "customer_merged",
        "customer",
        ["merged_into"],
        unique=False,
        postgresql_where=sa.text("merged_into IS NOT NULL"),
    )
    op.add_column(
        "sale",
        sa.Column(
            "customer_id",
            sa.Text(),
            nullable=True,
            comment="as the purchase or the card says; none: nobody's until that is known",
        ),
    )
    op.add_column("sale", sa.Column("card_number", sa.Text(), nullable=True))
    op.add_column("sale", sa.Column("currency", sa.Text(), nullable=True))
    op.add_column("sale", sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "sale",
        sa.Column("categories", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
    )
    op.add_column(
        "sale",
        sa.Column(
            "is_turnover",
            sa.Boolean(),
            server_default="false",
            nullable=False,
            comment="in the currency of the programme of its day",
        ),
    )
    op.create_index(
        "sale_customer",
        "sale",
        ["customer_id"],
        unique=False,
        postgresql_where=sa.text("customer_id IS NOT NULL"),
    )
    op.create_index(
        "sale_parked",
        "sale",
        ["card_number"],
        unique=False,
        postgresql_where=sa.text("customer_id IS NULL AND card_number IS NOT NULL"),
    )
    op.create_table_comment(
        "sale",
        "purchases, and those of which only refunds have come",
        existing_comment="purchases that named codes, and whatever was refunded",
    )
