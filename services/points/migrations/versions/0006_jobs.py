"""Jobs: their last runs, and indexes of exactly the rows that they look for."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "job_run",
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("items", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), comment="what was left undone, and why"),
        sa.PrimaryKeyConstraint("job"),
    )
    op.drop_index("account_due", "account")
    due = sa.text("due_at IS NOT NULL")
    op.create_index("account_due", "account", ["due_at", "customer_id"], postgresql_where=due)
    _tell_answers_apart()
    claimable = sa.text("status = 'unclaimed' AND document IS NOT NULL")
    op.create_index("purchase_claimable", "purchase", ["occurred_at"], postgresql_where=claimable)


def _tell_answers_apart() -> None:
    # what the answers of before were about is not known, so they stay
    lasting: sa.Column[bool] = sa.Column(
        "lasting", sa.Boolean(), server_default="true", nullable=False, comment="about points that moved"
    )
    op.add_column("stored_answer", lasting)
    op.alter_column("stored_answer", "lasting", server_default=None)
    op.create_index("stored_answer_passing", "stored_answer", ["answered_at"], postgresql_where=sa.text("NOT lasting"))
