"""An account knows under which programme it was settled, so that publishing another one touches no account."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

IN_FORCE = "SELECT version FROM programme WHERE valid_from <= now() ORDER BY valid_from DESC, version DESC LIMIT 1"


def upgrade() -> None:
    # what this programme brings, and what those bring that are published by now, is due by the dates of the accounts; a
    # constant is written to none of them
    in_force = op.get_bind().execute(sa.text(IN_FORCE)).scalar_one()
    column: sa.Column[int] = sa.Column(
        "settled_under",
        sa.Integer(),
        server_default=str(in_force),
        nullable=False,
        comment="the programme by which due_at holds",
    )
    op.add_column("account", column)
    # whoever does not know the column yet opens accounts that are looked at once
    op.alter_column("account", "settled_under", server_default="1")
    settled = sa.text("status <> 'merged'")
    op.create_index("account_settled", "account", ["settled_under", "customer_id"], postgresql_where=settled)
