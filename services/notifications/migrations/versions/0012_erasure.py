"""Customers can be erased: what is kept of them beside the bare id is deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "erasure",
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("erased_at", INSTANT, nullable=False),
        sa.Column("forgotten_at", INSTANT),
        sa.PrimaryKeyConstraint("customer_id"),
        comment="customers who were erased, under the bare id: what comes of them later is skipped",
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
    op.create_index(
        "erasure_waiting", "erasure", ["erased_at", "customer_id"], postgresql_where=sa.text("forgotten_at IS NULL")
    )
