"""Which end of a freeze was announced last, so that each is announced once"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("leaderboards", sa.Column("revealed", sa.DateTime(timezone=True), nullable=True))
    # What ended before this version came is news to nobody.
    op.execute("UPDATE leaderboards SET revealed = frozen_until WHERE frozen_until <= now()")


def downgrade() -> None:
    op.drop_column("leaderboards", "revealed")
