"""Ranked runs without a decision, by leaderboard: whose they are keeps the place of an earlier version"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_runs_undecided",
        "runs",
        ["leaderboard_id", "gpu"],
        postgresql_where=sa.text("mode = 'ranked' AND verdict IN ('quarantined', 'judge_failed')"),
    )


def downgrade() -> None:
    op.drop_index("ix_runs_undecided", "runs")
