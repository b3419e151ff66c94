"""Since when a run was judged: what it waits for a machine after it was claimed is nobody's use"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("judged_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE runs SET judged_at = started_at WHERE started_at IS NOT NULL")


def downgrade() -> None:
    op.drop_column("runs", "judged_at")
