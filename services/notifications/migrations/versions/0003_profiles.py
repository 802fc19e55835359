"""Who customers are: profiles, days and categories of their own, cards, and segments of them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("customer", sa.Column("salutation", sa.Text(), nullable=True))
    op.add_column("customer", sa.Column("given_name", sa.Text(), nullable=True))
    op.add_column("customer", sa.Column("family_name", sa.Text(), nullable=True))
    op.add_column("customer", sa.Column("language", sa.Text(), nullable=True))
    op.add_column("customer", sa.Column("time_zone", sa.Text(), nullable=True))
    op.add_column("customer", sa.Column("birthday", sa.Date(), nullable=True))
    op.add_column("customer", sa.Column("birthday_entered_on", sa.Date(), nullable=True, comment="or last changed"))
    op.add_column("customer", sa.Column("joined_on", sa.Date(), nullable=True))
    op.add_column("customer", sa.Column("email", sa.Text(), nullable=True))
    op.add_column("customer", sa.Column("phone", sa.Text(), nullable=True))
    op.add_column("customer", sa.Column("preferred_channel", sa.Text(), nullable=True))
    op.add_column(
        "customer",
        sa.Column("preferences", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
    )
    op.add_column(
        "customer",
        sa.Column(
            "profile_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the latest word on the profile, by when it was said",
        ),
    )
    op.add_column("customer", sa.Column("tier", sa.Text(), nullable=True))
    op.add_column("customer", sa.Column("available", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("customer", sa.Column("pending", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column(
        "customer",
        sa.Column(
            "points_sequence", sa.BigInteger(), server_default="0", nullable=False, comment="of points' last event"
        ),
    )
    op.add_column("customer", sa.Column("purchases", sa.Integer(), server_default="0", nullable=False))
    op.add_column(
        "customer",
        sa.Column(
            "turnover",
            sa.Numeric(precision=18, scale=4),
            server_default="0",
            nullable=False,
            comment="in the programme's currency, less refunds",
        ),
    )
    op.add_column("customer", sa.Column("first_purchase_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("customer", sa.Column("last_purchase_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("customer", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "customer_birthday",
        "customer",
        [sa.literal_column("extract(month FROM birthday)"), sa.literal_column("extract(day FROM birthday)")],
        unique=False,
    )
    op.create_index(
        "customer_joined",
        "customer",
        [sa.literal_column("extract(month FROM joined_on)"), sa.literal_column("extract(day FROM joined_on)")],
        unique=False,
    )
    op.create_table(
        "own_date",
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("entered_on", sa.Date(), nullable=False, comment="or last changed"),
        sa.PrimaryKeyConstraint("customer_id", "name"),
        comment="days of a customer's own beside the birthday",
    )
    op.create_table(
        "bought",
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("purchases", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "category"),
    )
    op.create_table(
        "card",
        sa.Column("card_number", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("card_number"),
    )
    op.create_index("card_customer", "card", ["customer_id"], unique=False)
    op.create_table(
        "segment",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("filter", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("saved_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
