"""Names of artefacts stay when their content has expired, with when"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("artefacts", sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_index("ix_artefacts_created_at", table_name="artefacts")
    op.create_index(
        "ix_artefacts_created_at",
        "artefacts",
        ["created_at"],
        postgresql_where=sa.text("gone_at IS NULL"),
    )


def downgrade() -> None:
    op.execute("DELETE FROM artefacts WHERE gone_at IS NOT NULL")
    op.drop_index("ix_artefacts_created_at", table_name="artefacts")
    op.create_index("ix_artefacts_created_at", "artefacts", ["created_at"])
    op.drop_column("artefacts", "gone_at")
