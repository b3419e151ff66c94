"""Devices that were taken out by hand, and whose runs failed on a device"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "devices",
        sa.Column("by_hand", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.add_column(
        "devices",
        sa.Column(
            "fault_users", sa.ARRAY(sa.BigInteger()), server_default=sa.text("'{}'"), nullable=False
        ),
    )


def downgrade() -> None:
    op.drop_column("devices", "fault_users")
    op.drop_column("devices", "by_hand")
