"""Decisions by their time, which a frozen leaderboard is read by"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_verdicts_decided_at",
        "verdicts",
        ["decided_at"],
        postgresql_where=sa.text("decided_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_verdicts_decided_at", "verdicts")
