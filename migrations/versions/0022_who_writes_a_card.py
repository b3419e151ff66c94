"""Who writes a card, how often that failed, and when a server was last heard to have changed"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("desks", sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "desk_things",
        sa.Column(
            "held_until",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
    )
    op.add_column(
        "desk_things", sa.Column("failures", sa.Integer(), server_default="0", nullable=False)
    )


def downgrade() -> None:
    op.drop_column("desk_things", "failures")
    op.drop_column("desk_things", "held_until")
    op.drop_column("desks", "changed_at")
