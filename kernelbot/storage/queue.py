"""The queue: PgQueuer in our own transactions, one entrypoint for each GPU.

PgQueuer keeps the order, the claims (``FOR UPDATE SKIP LOCKED``), the heartbeats and the
redelivery of what a dead worker held. What it lacks is fencing, so every claim also gives the run a
lease (``runs.lease``), and only the holder of the lease may say what became of it.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pgqueuer.domain.settings import DBSettings
from pgqueuer.ports.repository import EntrypointExecutionParameter
from pgqueuer.queries import Queries
from pgqueuer.types import JobId, QueueManagerId
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.storage.database import driver


@dataclass(frozen=True)
class Claim:
    """A run that a worker has taken from the queue."""

    queue_id: int
    run_id: int


@functools.cache
def channel() -> str:
    """The NOTIFY channel on which PgQueuer says that the queue changed."""
    return DBSettings().channel


def entrypoint(gpu: str) -> str:
    return f"gpu:{gpu}"


async def _queries(connection: AsyncConnection) -> Queries:
    return Queries.from_asyncpg_connection(await driver(connection))


async def enqueue(
    connection: AsyncConnection, runs: Sequence[tuple[int, str, int]]
) -> dict[int, int]:
    """Queue runs (id, gpu, priority) in the caller's transaction; run id to queue id."""
    queries = await _queries(connection)
    ids = await queries.enqueue(
        [entrypoint(gpu) for _, gpu, _ in runs],
        [str(run_id).encode() for run_id, _, _ in runs],
        [priority for _, _, priority in runs],
    )
    return {run_id: int(queue_id) for (run_id, _, _), queue_id in zip(runs, ids, strict=True)}


async def claim(
    connection: AsyncConnection, free: Mapping[str, int], worker_id: uuid.UUID, lease_s: float
) -> list[Claim]:
    """Take what is next for each GPU with free slots, and what silent workers left behind."""
    queries = await _queries(connection)
    claims: list[Claim] = []
    for gpu, slots in free.items():
        jobs = await queries.dequeue(
            batch_size=slots,
            entrypoints={entrypoint(gpu): EntrypointExecutionParameter(concurrency_limit=0)},  # type: ignore[dict-item]
            queue_manager_id=QueueManagerId(worker_id),
            global_concurrency_limit=None,
            heartbeat_timeout=timedelta(seconds=lease_s),
        )
        claims += [Claim(int(job.id), int((job.payload or b"0").decode())) for job in jobs]
    return claims


async def heartbeat(connection: AsyncConnection, queue_ids: Iterable[int]) -> None:
    """Say that these are still being worked on."""
    queries = await _queries(connection)
    await queries.update_heartbeat([JobId(queue_id) for queue_id in queue_ids])


async def finish(connection: AsyncConnection, queue_id: int, status: str) -> None:
    """Take a job off the queue; ``status`` is PgQueuer's word: successful, exception, canceled."""
    queries = await _queries(connection)
    await queries.driver.execute(queries.qbq.build_log_job_query(), [queue_id], [status], [None])


async def retry(connection: AsyncConnection, queue_id: int, delay_s: float) -> None:
    """Put a job back, to be taken no sooner than ``delay_s`` from now."""
    queries = await _queries(connection)
    await queries.driver.execute(
        queries.qbq.build_retry_job_query(), queue_id, timedelta(seconds=delay_s), None
    )


async def fold_log(connection: AsyncConnection) -> None:
    """PgQueuer's own housekeeping: fold its log into its statistics."""
    await (await _queries(connection)).aggregate_logs()


AHEAD = text(
    """
    SELECT other.leaderboard_id, other.mode, count(*) AS runs
    FROM pgqueuer job JOIN runs other ON other.queue_id = job.id
    WHERE job.entrypoint = :entrypoint AND job.status = 'queued' AND other.status = 'queued'
      AND (job.priority > :priority OR (job.priority = :priority AND job.id < :queue_id))
    GROUP BY other.leaderboard_id, other.mode
    """
)


async def ahead(
    connection: AsyncConnection, gpu: str, queue_id: int, priority: int
) -> list[tuple[int, str, int]]:
    """What waits before this one: (leaderboard, mode, how many)."""
    rows = await connection.execute(
        AHEAD, {"entrypoint": entrypoint(gpu), "priority": priority, "queue_id": queue_id}
    )
    return [(row.leaderboard_id, row.mode, row.runs) for row in rows]
