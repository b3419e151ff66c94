"""The runs that ended within the hour, in numbers. An index answers that, however many there ever were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain.submission import REPEAT_PRIORITY

# Of first attempts, and without what is measured again, which waits until nobody else does.
WAITS = text(
    """
    SELECT gpu, what, width_bucket(took, CAST(:bounds AS float[])) AS bucket, count(*) AS runs, sum(took) AS seconds
    FROM (SELECT gpu, extract(epoch FROM started_at - created_at)::float AS waited,
                 extract(epoch FROM judged_at - started_at)::float AS began
          FROM runs WHERE finished_at > now() - interval '1 hour' AND attempt = 1 AND started_at IS NOT NULL
                      AND priority > :again) ended
    CROSS JOIN LATERAL (VALUES ('wait', greatest(0, waited)), ('start', greatest(0, began))) AS told(what, took)
    WHERE what = 'wait' OR began IS NOT NULL GROUP BY 1, 2, 3
    """
)
# An attempt follows a fault of ours, which is written down, or a worker of which nothing was heard any more; what was
# given back in order counts as no attempt.
REDELIVERED = text(
    """
    SELECT gpu, sum(faults) AS faults, sum(greatest(0, attempt - 1 - faults)) AS gone
    FROM (SELECT r.gpu, r.attempt,
                 (SELECT count(*) FROM run_events e
                  WHERE e.submission_id = r.submission_id AND e.run_id = r.id AND e.kind = 'retry'
                    AND e.data->>'why' = 'a fault of ours') AS faults
          FROM runs r WHERE r.finished_at > now() - interval '1 hour' AND r.attempt > 1) again
    GROUP BY 1
    """
)
FAULTS = text(
    """
    SELECT r.gpu, coalesce(v.document->>'fault', '') AS fault, count(*) AS runs
    FROM runs r JOIN verdicts v ON v.run_id = r.id
    WHERE r.finished_at > now() - interval '1 hour' AND r.verdict = 'judge_failed' GROUP BY 1, 2
    """
)


async def waits(connection: AsyncConnection, bounds: Sequence[float]) -> Sequence[Row[Any]]:
    """By GPU and what (``wait`` for a machine, ``start`` of the judge) how many runs took how long: in bucket n those
    below the bound n, and at least the one before it."""
    values = {"bounds": list(bounds), "again": REPEAT_PRIORITY}
    return (await connection.execute(WAITS, values)).all()


async def redelivered(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """By GPU how many more attempts there were after a fault of ours (``faults``) and after a lease that was lost
    (``gone``)."""
    return (await connection.execute(REDELIVERED)).all()


async def faults(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """By GPU and what the judge said of it the runs that ended by our fault."""
    return (await connection.execute(FAULTS)).all()
