"""Why and when code was taken off a leaderboard or put back, for its owner to read"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# What was decided before this version came is in the audit log: about a submission's code, or a person.
FROM_THE_LOG = """
    UPDATE entries e SET reason = said.reason, decided_at = said.created_at
    FROM (
        SELECT DISTINCT ON (d.leaderboard_id, d.gpu, d.user_id, d.code_digest)
               d.leaderboard_id, d.gpu, d.user_id, d.code_digest,
               coalesce(a.detail->>'reason', '') AS reason, a.created_at
        FROM entries d
        JOIN submissions s ON s.user_id = d.user_id AND s.leaderboard_id = d.leaderboard_id
                          AND s.code_digest = d.code_digest
        JOIN audit_log a ON (a.action = 'submission.void' AND a.target = 'submission:' || s.id)
                         OR (a.action = 'user.ban' AND a.target = 'user:' || d.user_id
                             AND (a.detail->>'void')::boolean)
        WHERE d.void
        ORDER BY d.leaderboard_id, d.gpu, d.user_id, d.code_digest, a.id DESC
    ) said
    WHERE e.void AND e.leaderboard_id = said.leaderboard_id AND e.gpu = said.gpu
      AND e.user_id = said.user_id AND e.code_digest = said.code_digest
"""


def upgrade() -> None:
    op.add_column("entries", sa.Column("reason", sa.Text(), server_default="", nullable=False))
    op.add_column("entries", sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(FROM_THE_LOG)


def downgrade() -> None:
    op.drop_column("entries", "decided_at")
    op.drop_column("entries", "reason")
