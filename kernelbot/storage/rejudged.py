"""Entries that are judged again at an organizer's wish, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain.scoring import Score

# What submissions' code stands for on the version that their board poses, with the submission that a run of
# it repeats: the first of its code.
ENTRIES = text(
    """
    SELECT asked.id AS asked, e.leaderboard_id, l.name AS leaderboard, l.problem_id, e.gpu, e.user_id,
           u.name AS user_name, e.code_digest, coalesce(first.repeats, first.id) AS submission_id,
           e.seconds, e.error, e.runs
    FROM submissions asked
    JOIN leaderboards l ON l.id = asked.leaderboard_id
    JOIN problems posed ON posed.id = l.problem_id
    JOIN entries e ON e.leaderboard_id = l.id AND e.user_id = asked.user_id
                  AND e.code_digest = asked.code_digest AND e.problem_digest = posed.digest
                  AND NOT e.void
    JOIN submissions first ON first.id = e.submission_id
    JOIN users u ON u.id = e.user_id
    WHERE asked.id = ANY(:ids) AND NOT l.retired AND (CAST(:gpu AS text) IS NULL OR lower(e.gpu) = lower(:gpu))
    ORDER BY e.leaderboard_id, e.gpu, e.seconds, e.submission_id
    """
)

# The run of this code that is under way already, if there is one.
UNDER_WAY = text(
    """
    SELECT r.id FROM runs r JOIN submissions s ON s.id = r.submission_id
    WHERE s.repeats = :submission AND s.channel = 'rejudge' AND r.gpu = :gpu
      AND r.status IN ('queued', 'running')
    ORDER BY r.id LIMIT 1
    """
)

COUNTED = text(
    """
    SELECT o.seconds, o.error
    FROM runs r
    JOIN runs o ON o.leaderboard_id = r.leaderboard_id AND o.gpu = r.gpu AND o.user_id = r.user_id
               AND o.code_digest = r.code_digest AND o.problem_digest = r.problem_digest
               AND o.mode = 'ranked' AND o.verdict = 'passed' AND o.note = '' AND NOT o.doubted
               AND o.id <> r.id
    WHERE r.id = :run ORDER BY o.id
    """
)

# ``earlier`` are the runs of the same code that counted and were queued before, less those in doubt.
RUNS = text(
    """
    SELECT r.id AS run_id, r.submission_id AS rejudge_id, s.repeats AS submission_id, r.gpu,
           l.name AS leaderboard, u.name AS user_name, r.status, r.verdict, r.note, r.seconds, r.error,
           coalesce(r.device, '') AS device, s.created_at, r.finished_at,
           coalesce(v.document->>'rule', '') AS rule, coalesce(v.document->>'evidence', '') AS evidence,
           v.decision, coalesce(v.reason, '') AS reason, posed.digest = r.problem_digest AS current,
           earlier.seconds AS earlier_seconds, earlier.errors AS earlier_errors, earlier.devices,
           r.worker_id = ANY(earlier.workers) AS same_worker
    FROM submissions s
    JOIN runs r ON r.submission_id = s.id
    JOIN leaderboards l ON l.id = s.leaderboard_id
    JOIN problems posed ON posed.id = l.problem_id
    JOIN users u ON u.id = s.user_id
    LEFT JOIN verdicts v ON v.run_id = r.id
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(o.seconds ORDER BY o.id), '{}') AS seconds,
               coalesce(array_agg(o.error ORDER BY o.id), '{}') AS errors,
               array_agg(o.worker_id) AS workers,
               coalesce(array_agg(DISTINCT o.device) FILTER (WHERE o.device <> ''), '{}') AS devices
        FROM runs o
        WHERE o.leaderboard_id = r.leaderboard_id AND o.gpu = r.gpu AND o.user_id = r.user_id
          AND o.code_digest = r.code_digest AND o.problem_digest = r.problem_digest
          AND o.mode = 'ranked' AND o.verdict = 'passed' AND o.note = '' AND NOT o.doubted AND o.id < r.id
    ) earlier
    WHERE s.repeats IS NOT NULL AND s.channel = 'rejudge' AND r.id < :before
      AND (CAST(:runs AS bigint[]) IS NULL OR r.id = ANY(:runs))
      AND (CAST(:leaderboard AS text) IS NULL OR lower(l.name) = lower(:leaderboard))
      AND (CAST(:submission AS bigint) IS NULL
           OR EXISTS (SELECT FROM submissions asked
                      WHERE asked.id = :submission AND asked.leaderboard_id = s.leaderboard_id
                        AND asked.user_id = s.user_id AND asked.code_digest = s.code_digest))
    ORDER BY r.id DESC LIMIT :limit
    """
)

OF_SUBMISSIONS = text(
    """
    SELECT s.repeats, r.gpu, max(s.id) AS rejudge_id
    FROM submissions s JOIN runs r ON r.submission_id = s.id
    WHERE s.repeats = ANY(:ids) AND s.channel = 'rejudge' GROUP BY 1, 2
    """
)


async def entries(
    connection: AsyncConnection, ids: Sequence[int], gpu: str | None
) -> Sequence[Row[Any]]:
    """What these submissions' code stands for now, on each GPU or on one, less what is void."""
    return (await connection.execute(ENTRIES, {"ids": list(ids), "gpu": gpu})).all()


async def under_way(connection: AsyncConnection, submission_id: int, gpu: str) -> int | None:
    """The run that judges this submission again on this GPU and has not ended. The caller has locked it."""
    values = {"submission": submission_id, "gpu": gpu}
    found: int | None = (await connection.execute(UNDER_WAY, values)).scalar()
    return found


async def counted(connection: AsyncConnection, run_id: int) -> list[Score]:
    """The other runs of a run's code on the same version of the problem, those that count and are not in doubt."""
    rows = await connection.execute(COUNTED, {"run": run_id})
    return [Score(seconds=row.seconds, error=row.error) for row in rows]


async def runs(
    connection: AsyncConnection,
    *,
    of: Sequence[int] | None = None,
    leaderboard: str | None = None,
    submission_id: int | None = None,
    before: int,
    limit: int,
) -> Sequence[Row[Any]]:
    """The runs that judge again, the newest first: these, a leaderboard's, those of one submission's code."""
    values = {
        "runs": None if of is None else list(of),
        "leaderboard": leaderboard,
        "submission": submission_id,
        "before": before,
        "limit": limit,
    }
    return (await connection.execute(RUNS, values)).all()


async def of_submissions(
    connection: AsyncConnection, ids: Sequence[int]
) -> dict[tuple[int, str], int]:
    """By submission and GPU the latest submission that judges it again."""
    rows = await connection.execute(OF_SUBMISSIONS, {"ids": list(ids)})
    return {(row.repeats, row.gpu): row.rejudge_id for row in rows}
