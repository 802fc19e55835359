"""A purchase says who booked it: the audit trail of what is written most."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "purchase",
        sa.Column("recorded_by", sa.Text(), nullable=True, comment="the name of the API key that it came with"),
    )
