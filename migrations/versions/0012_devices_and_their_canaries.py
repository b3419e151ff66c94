"""Devices one by one with their canaries, and places that wait for a trusted machine's word"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def _at(name: str, *, now: bool = False) -> sa.Column[object]:
    if now:
        return sa.Column(
            name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        )
    return sa.Column(name, sa.DateTime(timezone=True), nullable=True)


def upgrade() -> None:
    op.create_table(
        "devices",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("runner_id", sa.BigInteger(), nullable=True),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("gpus", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("outcomes", sa.String(32), server_default="", nullable=False),
        sa.Column("fault_of", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("quarantines", sa.Integer(), server_default="0", nullable=False),
        _at("quarantined_at"),
        _at("band_from", now=True),
        _at("last_run_at"),
        _at("created_at", now=True),
        _at("seen_at", now=True),
        sa.PrimaryKeyConstraint("id", name="pk_devices"),
        sa.ForeignKeyConstraint(["runner_id"], ["runners.id"], name="fk_devices_runner_id_runners"),
    )
    op.create_index(
        "uq_devices_device", "devices", [sa.text("coalesce(runner_id, 0)"), "device"], unique=True
    )
    op.create_table(
        "canaries",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("device_id", sa.BigInteger(), nullable=False),
        sa.Column("gpu", sa.Text(), nullable=False),
        sa.Column("lease", sa.Uuid(), nullable=True),
        sa.Column("verdict", sa.String(24), nullable=True),
        sa.Column("good", sa.Boolean(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("setting", sa.String(64), server_default="", nullable=False),
        sa.Column(
            "seconds", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column(
            "errors", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("sm_mhz", sa.Float(), server_default="0", nullable=False),
        sa.Column("watts", sa.Float(), server_default="0", nullable=False),
        sa.Column("judge_digest", sa.String(64), server_default="", nullable=False),
        _at("started_at", now=True),
        _at("due_by"),
        _at("finished_at"),
        sa.PrimaryKeyConstraint("id", name="pk_canaries"),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name="fk_canaries_device_id_devices"
        ),
    )
    op.create_index("ix_canaries_device", "canaries", ["device_id", sa.text("id DESC")])
    op.create_table(
        "confirmations",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("leaderboard_id", sa.BigInteger(), nullable=False),
        sa.Column("gpu", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("code_digest", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(16), server_default="waiting", nullable=False),
        sa.Column("announcement", postgresql.JSONB(), nullable=False),
        _at("created_at", now=True),
        _at("decided_at"),
        sa.PrimaryKeyConstraint("run_id", name="pk_confirmations"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_confirmations_run_id_runs"),
    )
    op.create_index(
        "ix_confirmations_open",
        "confirmations",
        ["leaderboard_id", "gpu", "user_id"],
        postgresql_where=sa.text("state <> 'confirmed'"),
    )


def downgrade() -> None:
    op.drop_table("confirmations")
    op.drop_table("canaries")
    op.drop_table("devices")
