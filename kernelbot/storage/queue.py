"""The queue: PgQueuer in our own transactions, one entrypoint for each GPU.

PgQueuer keeps the order, the claims (``FOR UPDATE SKIP LOCKED``), the heartbeats and the
redelivery of what a dead worker held. What it lacks is fencing, so every claim also gives the run a
lease (``runs.lease``), and only the holder of the lease may say what became of it.

Whoever locks several things locks queue jobs first, then submissions, then runs, each by rising id,
and boards last (``standings.next_revision``): claims begin with the job because PgQueuer does, so
everybody else has to.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from pgqueuer.domain.settings import DBSettings
from pgqueuer.ports.repository import EntrypointExecutionParameter
from pgqueuer.queries import Queries
from pgqueuer.types import JobId, QueueEntrypoint, QueueManagerId
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.storage.database import driver


@functools.cache
def channel() -> str:
    """The NOTIFY channel on which PgQueuer says that the queue changed."""
    return DBSettings().channel


def entrypoint(gpu: str) -> str:
    return f"gpu:{gpu}"


async def _queries(connection: AsyncConnection) -> Queries:
    return Queries.from_asyncpg_connection(await driver(connection))


async def enqueue(connection: AsyncConnection, gpus: Sequence[str], priority: int) -> list[int]:
    """Take a place in the queue of each GPU, in the caller's transaction; the places' ids."""
    queries = await _queries(connection)
    ids = await queries.enqueue(
        [entrypoint(gpu) for gpu in gpus], [None] * len(gpus), [priority] * len(gpus)
    )
    return [int(queue_id) for queue_id in ids]


async def claim(
    connection: AsyncConnection, free: Mapping[str, int], worker_id: uuid.UUID, lease_s: float
) -> list[int]:
    """Take what is next for each GPU with free slots, and what silent workers left behind."""
    queries = await _queries(connection)
    claimed: list[int] = []
    for gpu, slots in free.items():
        jobs = await queries.dequeue(
            batch_size=slots,
            entrypoints={
                QueueEntrypoint(entrypoint(gpu)): EntrypointExecutionParameter(concurrency_limit=0)
            },
            queue_manager_id=QueueManagerId(worker_id),
            global_concurrency_limit=None,
            heartbeat_timeout=timedelta(seconds=lease_s),
        )
        claimed += [int(job.id) for job in jobs]
    return claimed


LOCK = text(
    """
    SELECT id FROM pgqueuer WHERE id IN (SELECT queue_id FROM runs WHERE id = ANY(:runs))
    ORDER BY id FOR UPDATE
    """
)


async def lock(connection: AsyncConnection, run_ids: Iterable[int]) -> None:
    """Hold the jobs of these runs until the end of the transaction; before anything else is held."""
    await connection.execute(LOCK, {"runs": list(run_ids)})


async def heartbeat(connection: AsyncConnection, queue_ids: Iterable[int]) -> None:
    """Say that these are still being worked on."""
    queries = await _queries(connection)
    await queries.update_heartbeat([JobId(queue_id) for queue_id in queue_ids])


AGE = text(
    "UPDATE pgqueuer SET heartbeat = heartbeat - make_interval(secs => :seconds) WHERE id = ANY(:ids)"
)


async def age(connection: AsyncConnection, queue_ids: Sequence[int], seconds: float) -> None:
    """Have the last sign of life of these lie so much further back, for a first lease that is short."""
    await connection.execute(AGE, {"ids": list(queue_ids), "seconds": max(0.0, seconds)})


SILENT = text(
    """
    UPDATE pgqueuer SET heartbeat = now()
    WHERE id IN (SELECT id FROM pgqueuer
                 WHERE status = 'picked' AND heartbeat < now() - make_interval(secs => :lease)
                 ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED)
    RETURNING id
    """
)


async def silent(connection: AsyncConnection, lease_s: float, limit: int) -> list[int]:
    """Hold jobs of whatever GPU whose worker has said nothing for ``lease_s``; whoever claims has to wait as
    long again."""
    rows = await connection.execute(SILENT, {"lease": lease_s, "limit": limit})
    return sorted(int(row.id) for row in rows)


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
    """PgQueuer's own housekeeping: fold its log into its statistics, forget what was folded."""
    # One statement first, so that the others are inside this transaction.
    await connection.execute(FORGET_LOG)
    await (await _queries(connection)).aggregate_logs()


FORGET_LOG = text(
    "DELETE FROM pgqueuer_log WHERE aggregated AND created < now() - interval '7 days'"
)


# Only the index is read, however much waits.
AHEAD = text(
    """
    SELECT count(*) FROM pgqueuer
    WHERE entrypoint = :entrypoint AND status = 'queued'
      AND (priority > :priority OR (priority = :priority AND id < :queue_id))
    """
)
MIX = text(
    """
    SELECT run.leaderboard_id, run.mode, count(*) AS runs
    FROM (SELECT id FROM pgqueuer WHERE entrypoint = :entrypoint AND status = 'queued'
          ORDER BY priority DESC, id LIMIT :limit) job
    JOIN runs run ON run.queue_id = job.id AND run.status IN ('queued', 'running')
    GROUP BY 1, 2
    """
)


async def ahead(connection: AsyncConnection, gpu: str, queue_id: int, priority: int) -> int:
    """How many wait before this one."""
    values = {"entrypoint": entrypoint(gpu), "priority": priority, "queue_id": queue_id}
    return int((await connection.execute(AHEAD, values)).scalar_one())


async def mix(connection: AsyncConnection, gpu: str, limit: int) -> list[tuple[int, str, int]]:
    """What the first ``limit`` in the queue are: (leaderboard, mode, how many)."""
    rows = await connection.execute(MIX, {"entrypoint": entrypoint(gpu), "limit": limit})
    return [(row.leaderboard_id, row.mode, row.runs) for row in rows]
