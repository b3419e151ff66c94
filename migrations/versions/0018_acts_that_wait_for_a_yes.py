"""What administrators are about to do in Discord, and GPU-seconds that they grant"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pending_acts",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("act", sa.String(32), nullable=False),
        sa.Column("detail", JSONB(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.Column("taken_at", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("outcome", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_pending_acts"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_pending_acts_user_id"),
    )
    op.create_index("ix_pending_acts_created_at", "pending_acts", ["created_at"])
    op.create_table(
        "grants",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("competition_id", sa.BigInteger(), nullable=False),
        sa.Column("gpu", sa.Text(), nullable=False),
        sa.Column("gpu_s", sa.Float(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_grants"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_grants_user_id"),
        sa.ForeignKeyConstraint(
            ["competition_id"], ["competitions.id"], name="fk_grants_competition_id"
        ),
    )
    op.create_index("ix_grants_user_id", "grants", ["user_id", "ends_at"])


def downgrade() -> None:
    op.drop_table("grants")
    op.drop_table("pending_acts")
