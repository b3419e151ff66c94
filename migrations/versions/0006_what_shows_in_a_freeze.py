"""What changes a leaderboard also while it is frozen, counted by itself"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "leaderboard_gpus",
        sa.Column("shown", sa.BigInteger(), server_default="0", nullable=False),
    )
    # Both rise together but for a freeze, after which the one lags behind the other.
    op.execute("UPDATE leaderboard_gpus SET shown = revision")


def downgrade() -> None:
    op.drop_column("leaderboard_gpus", "shown")
