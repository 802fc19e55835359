"""A sample of the purchases is kept whole, for a draft of the programme to be tried on."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column("sample", JSONB(), comment="of about one in sixteen: what decides its points, nothing personal")
    op.add_column("purchase", column)
    sampled = sa.text("sample IS NOT NULL")
    op.create_index("purchase_sample", "purchase", ["occurred_at"], postgresql_where=sampled)
