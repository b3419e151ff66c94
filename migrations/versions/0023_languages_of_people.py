"""The language that the bot speaks to a person, also when they ask nothing"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "preferences", sa.Column("locale", sa.Text(), server_default="en", nullable=False)
    )


def downgrade() -> None:
    op.drop_column("preferences", "locale")
