"""What a person decided about a quarantined run, for its owner to read"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("verdicts", sa.Column("decision", sa.String(length=16), nullable=True))
    op.add_column("verdicts", sa.Column("reason", sa.Text(), nullable=True))
    op.add_column("verdicts", sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    for column in ("decided_at", "reason", "decision"):
        op.drop_column("verdicts", column)
