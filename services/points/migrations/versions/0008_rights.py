"""Whoever owns the tables gives up the right to change what is written for good, beside the triggers that refuse it."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("REVOKE UPDATE, DELETE, TRUNCATE ON entry FROM CURRENT_USER")
    op.execute("REVOKE UPDATE, TRUNCATE ON audit FROM CURRENT_USER")
