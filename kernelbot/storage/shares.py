"""Who waits, who runs and who used how much: what the decision about the next run is made from."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

FORGOTTEN_S = 12 * 3600
"""What was used longer ago counts for next to nothing by then (a four thousandth)."""

# Alike runs of a person in one row. Those that are put back after a failure of ours wait out their pause.
WAITING = text(
    """
    SELECT user_id, leaderboard_id, mode, priority, array_agg(queue_id ORDER BY queue_id) AS places,
           extract(epoch FROM clock_timestamp() - min(created_at)) AS waited_s,
           count(*) FILTER (WHERE created_at > now() - make_interval(secs => :sent)) AS fresh
    FROM runs r
    WHERE gpu = :gpu AND status = 'queued' AND queue_id IS NOT NULL
      AND (attempt = 0 OR EXISTS (SELECT FROM pgqueuer q WHERE q.id = r.queue_id
                                  AND q.execute_after <= clock_timestamp()))
    GROUP BY user_id, leaderboard_id, mode, priority
    """
)
RUNNING = text(
    """
    SELECT user_id, leaderboard_id, mode, priority,
           greatest(0, extract(epoch FROM clock_timestamp() - started_at)) AS so_far_s,
           created_at > now() - make_interval(secs => :sent) AS fresh
    FROM runs WHERE gpu = :gpu AND status = 'running'
    """
)
USED = text(
    """
    SELECT user_id, used_s, extract(epoch FROM clock_timestamp() - as_of) AS age_s FROM shares
    WHERE gpu = :gpu AND as_of > now() - make_interval(secs => :forgotten)
    """
)
ENDED = text(
    """
    SELECT user_id, sum(took) AS took, coalesce(sum(took) FILTER (WHERE mode = 'test'), 0) AS tests,
           coalesce(sum(took) FILTER (WHERE priority <= :again), 0) AS again,
           coalesce(sum(took) FILTER (WHERE created_at > now() - make_interval(secs => :sent)), 0)
               AS fresh
    FROM (SELECT *, greatest(0, extract(epoch FROM finished_at - judged_at)) AS took
          FROM runs
          WHERE finished_at > now() - make_interval(secs => :lately) AND gpu = :gpu
            AND judged_at IS NOT NULL) ended
    GROUP BY user_id
    """
)
WEIGHTS = text(
    """
    SELECT l.id, CAST(c.document->>'queue_weight' AS float) AS weight
    FROM competitions c JOIN leaderboards l ON l.competition_id = c.id
    WHERE CAST(c.document->>'queue_weight' AS float) <> 1
    """
)


async def waiting(connection: AsyncConnection, gpu: str, sent_s: float) -> Sequence[Row[Any]]:
    """What may start now, by person, leaderboard, mode and priority; ``fresh`` of it came within ``sent_s``."""
    return (await connection.execute(WAITING, {"gpu": gpu, "sent": sent_s})).all()


async def running(connection: AsyncConnection, gpu: str, sent_s: float) -> Sequence[Row[Any]]:
    return (await connection.execute(RUNNING, {"gpu": gpu, "sent": sent_s})).all()


async def used(connection: AsyncConnection, gpu: str) -> Sequence[Row[Any]]:
    """What people used lately: (user_id, used_s as of ``age_s`` ago)."""
    return (await connection.execute(USED, {"gpu": gpu, "forgotten": FORGOTTEN_S})).all()


async def ended(
    connection: AsyncConnection, gpu: str, lately_s: float, sent_s: float, again: int
) -> Sequence[Row[Any]]:
    """Wall seconds of the runs that ended within ``lately_s``, by person: all, tests, those measured again
    (up to the priority ``again``), those sent within ``sent_s``."""
    values = {"gpu": gpu, "lately": lately_s, "sent": sent_s, "again": again}
    return (await connection.execute(ENDED, values)).all()


async def weights(connection: AsyncConnection) -> dict[int, float]:
    """Of the leaderboards whose competition does not weigh 1."""
    return {row.id: row.weight for row in await connection.execute(WEIGHTS)}


# Rejudged runs that this worker, or another process on its host, has judged before; young ones only.
JUDGED_BEFORE = text(
    """
    SELECT again.queue_id
    FROM runs again
    JOIN submissions s ON s.id = again.submission_id AND s.channel = 'rejudge'
    WHERE again.gpu = :gpu AND again.status = 'queued'
      AND again.created_at > now() - make_interval(secs => :patience)
      AND EXISTS (
          SELECT FROM runs o LEFT JOIN workers theirs ON theirs.id = o.worker_id
          LEFT JOIN workers mine ON mine.id = :worker
          WHERE o.leaderboard_id = again.leaderboard_id AND o.gpu = again.gpu
            AND o.user_id = again.user_id AND o.code_digest = again.code_digest
            AND o.mode = 'ranked' AND o.verdict = 'passed' AND o.note = ''
            AND (o.worker_id = :worker OR theirs.host = mine.host))
      AND EXISTS (
          SELECT FROM workers other LEFT JOIN workers mine ON mine.id = :worker
          WHERE other.id <> :worker AND other.host IS DISTINCT FROM mine.host
            AND other.slots ? :gpu
            AND other.heartbeat_at > now() - make_interval(secs => :alive))
    """
)


async def judged_before(
    connection: AsyncConnection, gpu: str, worker_id: uuid.UUID, patience_s: float, alive_s: float
) -> set[int]:
    """Places of what is judged again and another worker, which is alive, should have: this one judged it
    the first time. After ``patience_s`` anybody may."""
    values = {"gpu": gpu, "worker": worker_id, "patience": patience_s, "alive": alive_s}
    return {row.queue_id for row in await connection.execute(JUDGED_BEFORE, values)}


# Confirmations, for a worker that nobody vouches for: the claim leaves them out too (``queue.FOR_WORKER``).
NOT_ITS_TO_CONFIRM = text(
    """
    SELECT r.queue_id FROM confirmations c JOIN runs r ON r.id = c.run_id
    WHERE r.gpu = :gpu AND r.status = 'queued'
      AND EXISTS (SELECT FROM runners WHERE session = :worker AND NOT trusted)
    """
)


async def not_its_to_confirm(
    connection: AsyncConnection, gpu: str, worker_id: uuid.UUID
) -> set[int]:
    """Places of what is to confirm somebody's place and this worker may not have."""
    values = {"gpu": gpu, "worker": worker_id}
    return {row.queue_id for row in await connection.execute(NOT_ITS_TO_CONFIRM, values)}


# --- what was used -------------------------------------------------------------------------------

# The same decay as domain.fairness.decayed, in the row so that two runs that end at once both count.
CHARGE = text(
    """
    WITH share AS (
        INSERT INTO shares AS s (gpu, user_id, used_s, as_of) VALUES (:gpu, :user, :used, now())
        ON CONFLICT (gpu, user_id) DO UPDATE
        SET used_s = s.used_s
                     * power(0.5, greatest(0, extract(epoch FROM now() - s.as_of)) / :half_life)
                     + excluded.used_s,
            as_of = greatest(s.as_of, now())
        RETURNING user_id
    )
    INSERT INTO spent AS s (competition_id, user_id, gpu, hour, gpu_s)
    SELECT l.competition_id, share.user_id, :gpu, date_trunc('hour', now(), 'UTC'), :gpu_s
    FROM share, leaderboards l WHERE l.id = :board
    ON CONFLICT (user_id, competition_id, gpu, hour) DO UPDATE
    SET gpu_s = s.gpu_s + excluded.gpu_s
    """
)


async def charge(
    connection: AsyncConnection, run: Row[Any], gpu_s: float, weight: float, half_life_s: float
) -> None:
    """Write down what a run cost its owner, in GPU-seconds. Nobody else's rows are locked by it."""
    if not gpu_s:
        return
    values = {
        "gpu": run.gpu,
        "user": run.user_id,
        "board": run.leaderboard_id,
        "gpu_s": gpu_s,
        "used": gpu_s / weight,
        "half_life": half_life_s,
    }
    await connection.execute(CHARGE, values)


SPENT = text(
    """
    SELECT competition_id, gpu, hour, gpu_s FROM spent
    WHERE user_id = :user AND competition_id = ANY(:competitions)
      AND hour > now() - make_interval(secs => :window) ORDER BY hour
    """
)
# What we repeat costs nothing.
OPEN = text(
    """
    SELECT l.competition_id, r.gpu, r.leaderboard_id, r.mode, count(*) AS runs
    FROM runs r JOIN leaderboards l ON l.id = r.leaderboard_id
    JOIN submissions s ON s.id = r.submission_id
    WHERE r.user_id = :user AND r.status IN ('queued', 'running') AND s.repeats IS NULL
      AND NOT s.refunded
      AND l.competition_id = ANY(:competitions)
    GROUP BY 1, 2, 3, 4
    """
)


async def spent(
    connection: AsyncConnection, user_id: int, competitions: Sequence[int], window_s: float
) -> dict[tuple[int, str], list[tuple[datetime, float]]]:
    """GPU-seconds by competition and GPU, hour by hour, the oldest first."""
    values = {"user": user_id, "competitions": list(competitions), "window": window_s}
    found: dict[tuple[int, str], list[tuple[datetime, float]]] = {}
    for row in await connection.execute(SPENT, values):
        found.setdefault((row.competition_id, row.gpu), []).append((row.hour, row.gpu_s))
    return found


async def open_runs(
    connection: AsyncConnection, user_id: int, competitions: Sequence[int]
) -> Sequence[Row[Any]]:
    """What a person has waiting or running: (competition_id, gpu, leaderboard_id, mode, runs)."""
    values = {"user": user_id, "competitions": list(competitions)}
    return (await connection.execute(OPEN, values)).all()


async def forget(connection: AsyncConnection, days: int) -> None:
    """Shares that count for nothing any more. What was spent stays, for the accounts."""
    await connection.execute(
        text("DELETE FROM shares WHERE as_of < now() - make_interval(days => :days)"),
        {"days": days},
    )


# With the place in the queue, by whose priority what is measured again is told apart.
PUT_FIRST = text(
    """
    WITH first AS (
        UPDATE runs SET priority = :priority
        WHERE submission_id = :submission AND status = 'queued' RETURNING id, queue_id
    ), placed AS (
        UPDATE pgqueuer SET priority = :priority WHERE id IN (SELECT queue_id FROM first)
    )
    SELECT id FROM first
    """
)


async def put_first(connection: AsyncConnection, submission_id: int, priority: int) -> int:
    """How many waiting runs of a submission got this priority. The caller has locked their jobs and it."""
    values = {"submission": submission_id, "priority": priority}
    return len((await connection.execute(PUT_FIRST, values)).all())


def decoded(rows: Sequence[Row[Any]]) -> Mapping[int, tuple[float, float]]:
    """``used`` by person."""
    return {row.user_id: (float(row.used_s), float(row.age_s)) for row in rows}
