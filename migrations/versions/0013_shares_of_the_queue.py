"""Who used how much of a GPU kind: fair shares of the queue, and allowances in GPU-seconds"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("gpu_s", sa.Float(), nullable=True))
    op.create_index(
        "ix_runs_waiting",
        "runs",
        ["gpu", "user_id", "leaderboard_id", "mode", "priority", "queue_id"],
        postgresql_where=sa.text("status = 'queued'"),
    )
    op.create_index(
        "ix_runs_open",
        "runs",
        ["user_id"],
        postgresql_where=sa.text("status IN ('queued', 'running')"),
    )
    op.create_table(
        "shares",
        sa.Column("gpu", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("used_s", sa.Float(), nullable=False),
        sa.Column(
            "as_of", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_shares_user_id"),
        sa.PrimaryKeyConstraint("gpu", "user_id", name="pk_shares"),
    )
    op.create_index("ix_shares_lately", "shares", ["gpu", "as_of"])
    op.create_table(
        "spent",
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("competition_id", sa.BigInteger(), nullable=False),
        sa.Column("gpu", sa.Text(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("gpu_s", sa.Float(), nullable=False),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_spent_user_id"),
        sa.ForeignKeyConstraint(
            ["competition_id"], ["competitions.id"], name="fk_spent_competition_id"
        ),
        sa.PrimaryKeyConstraint("user_id", "competition_id", "gpu", "hour", name="pk_spent"),
    )


def downgrade() -> None:
    op.drop_table("spent")
    op.drop_index("ix_shares_lately", table_name="shares")
    op.drop_table("shares")
    op.drop_index("ix_runs_open", table_name="runs")
    op.drop_index("ix_runs_waiting", table_name="runs")
    op.drop_column("runs", "gpu_s")
