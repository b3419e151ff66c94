"""Machines that ask for work over HTTPS, and which of them judged a run"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "runners",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("hint", sa.String(16), nullable=False),
        sa.Column("targets", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("trusted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("drained", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("session", sa.Uuid(), nullable=True),
        sa.Column("poll", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "announcement",
            postgresql.JSONB(),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("trouble", sa.Text(), server_default="", nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_runners"),
        sa.UniqueConstraint("digest", name="uq_runners_digest"),
        sa.UniqueConstraint("session", name="uq_runners_session"),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name="fk_runners_created_by"),
    )
    op.create_index(
        "uq_runners_live_name",
        "runners",
        [sa.text("lower(name)")],
        unique=True,
        postgresql_where=sa.text("revoked_at IS NULL"),
    )
    op.add_column("runs", sa.Column("runner_id", sa.BigInteger(), nullable=True))
    op.add_column("runs", sa.Column("device_ids", postgresql.ARRAY(sa.Text()), nullable=True))
    op.create_foreign_key("fk_runs_runner_id", "runs", "runners", ["runner_id"], ["id"])
    op.create_index(
        "ix_runs_runner",
        "runs",
        ["runner_id", "id"],
        postgresql_where=sa.text("runner_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_runs_runner", table_name="runs")
    op.drop_constraint("fk_runs_runner_id", "runs", type_="foreignkey")
    op.drop_column("runs", "device_ids")
    op.drop_column("runs", "runner_id")
    op.drop_table("runners")
