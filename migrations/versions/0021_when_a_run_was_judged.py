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
    # Of those before a month ago nobody asks often enough to write a large table anew; of those that were not judged
    # it says nothing.
    op.execute(
        """
        UPDATE runs SET judged_at = started_at
        WHERE started_at IS NOT NULL AND (status = 'running' OR (
            status = 'done' AND verdict <> 'judge_failed' AND finished_at > now() - interval '31 days'))
        """
    )


def downgrade() -> None:
    op.drop_column("runs", "judged_at")
