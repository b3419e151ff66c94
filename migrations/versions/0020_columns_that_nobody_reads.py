"""Columns that nobody reads: what a single run was charged, and how many were"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_column("spent", "runs")
    op.drop_column("runs", "gpu_s")


def downgrade() -> None:
    op.add_column("runs", sa.Column("gpu_s", sa.Float(), nullable=True))
    op.add_column("spent", sa.Column("runs", sa.Integer(), server_default="0", nullable=False))
    op.alter_column("spent", "runs", server_default=None)
