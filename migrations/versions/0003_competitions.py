"""Invites, freezes, opening of code, where competitions come from, and measuring again"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name, kind in (("source", sa.Text()), ("pinned", sa.String(length=64))):
        op.add_column("competitions", sa.Column(name, kind, server_default="", nullable=False))
    op.add_column("competitions", _moment("public_from"))
    for name in ("frozen_from", "frozen_until", "code_opens_at"):
        op.add_column("leaderboards", _moment(name))
    op.add_column("submissions", sa.Column("repeats", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_submissions_repeats_submissions"),
        "submissions",
        "submissions",
        ["repeats"],
        ["id"],
    )
    op.create_index(
        "ix_submissions_repeats",
        "submissions",
        ["repeats"],
        postgresql_where=sa.text("repeats IS NOT NULL"),
    )
    op.create_index(
        "ix_submissions_repeating",
        "submissions",
        ["leaderboard_id"],
        postgresql_where=sa.text("repeats IS NOT NULL AND status IN ('queued', 'running')"),
    )
    op.create_table(
        "invites",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("competition_id", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("hint", sa.String(length=16), nullable=False),
        sa.Column("most", sa.Integer(), nullable=True),
        sa.Column("joined", sa.Integer(), server_default="0", nullable=False),
        _moment("expires_at"),
        _moment("revoked_at"),
        _now("created_at"),
        sa.ForeignKeyConstraint(
            ["competition_id"],
            ["competitions.id"],
            name=op.f("fk_invites_competition_id_competitions"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invites")),
        sa.UniqueConstraint("digest", name=op.f("uq_invites_digest")),
    )
    op.create_index(op.f("ix_invites_competition_id"), "invites", ["competition_id"])
    op.create_table(
        "members",
        sa.Column("competition_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("invite_id", sa.BigInteger(), nullable=True),
        _now("joined_at"),
        sa.ForeignKeyConstraint(
            ["competition_id"],
            ["competitions.id"],
            name=op.f("fk_members_competition_id_competitions"),
        ),
        sa.ForeignKeyConstraint(
            ["invite_id"], ["invites.id"], name=op.f("fk_members_invite_id_invites")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_members_user_id_users")),
        sa.PrimaryKeyConstraint("competition_id", "user_id", name=op.f("pk_members")),
    )
    op.create_index("ix_members_user", "members", ["user_id"])


def downgrade() -> None:
    op.drop_table("members")
    op.drop_table("invites")
    op.drop_index("ix_submissions_repeating", "submissions")
    op.drop_column("submissions", "repeats")
    for name in ("frozen_from", "frozen_until", "code_opens_at"):
        op.drop_column("leaderboards", name)
    for name in ("source", "pinned", "public_from"):
        op.drop_column("competitions", name)


def _moment(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=True)


def _now(name: str) -> sa.Column[object]:
    moment = sa.DateTime(timezone=True)
    return sa.Column(name, moment, server_default=sa.text("now()"), nullable=False)
