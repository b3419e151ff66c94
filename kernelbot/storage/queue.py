"""The queue: PgQueuer in our own transactions, one entrypoint for each GPU.

PgQueuer keeps the places, the claims (``FOR UPDATE SKIP LOCKED``), the heartbeats and what a dead
worker held. Whose turn it is is decided elsewhere (``domain.fairness``), from who waits, runs and used how
much; here the places that were decided on are claimed. What PgQueuer lacks is fencing, so every claim also
gives the run a lease (``runs.lease``), and only the holder of the lease may say what became of it.

Whoever locks several things locks queue jobs first, then submissions, then runs, each by rising id,
and boards last (``standings.next_revision``): claims begin with the job because PgQueuer does, so
everybody else has to.
"""

from __future__ import annotations

import functools
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from pgqueuer.domain.settings import DBSettings
from pgqueuer.queries import Queries
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.storage.database import driver


@functools.cache
def channel() -> str:
    """The NOTIFY channel on which PgQueuer says that the queue changed."""
    return DBSettings().channel


def entrypoint(gpu: str) -> str:
    return f"gpu:{gpu}"


def is_end(notification: str) -> bool:
    """Whether a word on :func:`channel` says only that a job has ended, which is no work for anybody."""
    try:
        return bool(json.loads(notification)["operation"] == "delete")
    except (ValueError, KeyError, TypeError):
        return False


async def _queries(connection: AsyncConnection) -> Queries:
    return Queries.from_asyncpg_connection(await driver(connection))


async def enqueue(connection: AsyncConnection, gpus: Sequence[str], priority: int) -> list[int]:
    """Take a place in the queue of each GPU, in the caller's transaction; the places' ids."""
    queries = await _queries(connection)
    ids = await queries.enqueue(
        [entrypoint(gpu) for gpu in gpus], [None] * len(gpus), [priority] * len(gpus)
    )
    return [int(queue_id) for queue_id in ids]


# PgQueuer's own dequeue, but of the places that were decided on.
CLAIMED = """
    claimed AS (
        UPDATE pgqueuer SET status = 'picked', updated = now(),
               heartbeat = now() - make_interval(secs => :aged), queue_manager_id = :worker
        WHERE id IN (SELECT id FROM picked) RETURNING id, status, entrypoint, priority
    ), logged AS (
        INSERT INTO pgqueuer_log (job_id, status, entrypoint, priority)
        SELECT id, status, entrypoint, priority FROM claimed
    )
"""
# What a machine may have that nobody vouches for: not what is to confirm another such one's.
FOR_WORKER = """
    NOT (EXISTS (SELECT FROM runners WHERE session = :worker AND NOT trusted)
         AND EXISTS (SELECT FROM runs r JOIN confirmations c ON c.run_id = r.id
                     WHERE r.queue_id = q.id AND r.status IN ('queued', 'running')))
"""
# What an organizer has paused together with what waits: nothing of it begins until it is resumed.
HELD = """
    EXISTS (SELECT FROM pauses WHERE holds AND (gpu = '' OR 'gpu:' || gpu = q.entrypoint))
"""
TAKE = text(
    f"""
    WITH wanted AS (
        SELECT place, nth FROM unnest(CAST(:places AS bigint[])) WITH ORDINALITY AS w(place, nth)
    ), picked AS (
        SELECT q.id FROM wanted JOIN pgqueuer q ON q.id = wanted.place
        WHERE q.status = 'queued' AND q.execute_after <= clock_timestamp() AND {FOR_WORKER}
              AND NOT {HELD}
        ORDER BY wanted.nth LIMIT :most FOR UPDATE OF q SKIP LOCKED
    ), {CLAIMED}
    SELECT claimed.id FROM claimed JOIN wanted ON wanted.place = claimed.id ORDER BY wanted.nth
    """  # noqa: S608
)
RECLAIM = text(
    f"""
    WITH picked AS (
        SELECT id FROM pgqueuer q
        WHERE status = 'picked' AND entrypoint = :entrypoint
          AND heartbeat < now() - make_interval(secs => :lease)
          AND execute_after <= clock_timestamp() AND {FOR_WORKER} AND NOT {HELD}
        ORDER BY priority DESC, id LIMIT :most FOR UPDATE OF q SKIP LOCKED
    ), {CLAIMED}
    SELECT id FROM claimed ORDER BY priority DESC, id
    """  # noqa: S608
)


ANY_FROM = text(
    """
    SELECT EXISTS (SELECT FROM pgqueuer WHERE status = 'queued' AND priority >= :priority
                   AND entrypoint = :entrypoint AND execute_after <= now())
    """
)


async def any_from(connection: AsyncConnection, gpu: str, priority: int) -> bool:
    """Whether anything of this priority or a higher one may start now."""
    values = {"priority": priority, "entrypoint": entrypoint(gpu)}
    return bool((await connection.execute(ANY_FROM, values)).scalar_one())


async def take(
    connection: AsyncConnection,
    places: Sequence[int],
    most: int,
    worker_id: uuid.UUID,
    aged_s: float = 0.0,
) -> list[int]:
    """Claim the first ``most`` of these places that still wait and that nobody else is claiming. ``aged_s``: as if
    their last sign of life lay so far back, for a first lease that is short."""
    values = {"places": list(places), "most": most, "worker": worker_id, "aged": aged_s}
    return [int(row.id) for row in await connection.execute(TAKE, values)]


DUE = text(
    f"""
    WITH asked AS (
        SELECT array_agg(entrypoint) AS entrypoints
        FROM unnest(CAST(:entrypoints AS text[])) q(entrypoint) WHERE NOT {HELD}
    )
    SELECT EXISTS (SELECT FROM pgqueuer WHERE entrypoint = ANY((SELECT entrypoints FROM asked)::text[])
                   AND status = 'queued' AND execute_after <= clock_timestamp()) AS waits,
           EXISTS (SELECT FROM pgqueuer WHERE entrypoint = ANY((SELECT entrypoints FROM asked)::text[])
                   AND status = 'picked' AND heartbeat < now() - make_interval(secs => :lease)) AS "left"
    """  # noqa: S608
)


async def due(
    connection: AsyncConnection, gpus: Iterable[str], lease_s: float
) -> tuple[bool, bool]:
    """Whether anything waits for these GPUs, and whether anything was left by a worker that is silent; costs nothing
    but reading two indices."""
    values = {"entrypoints": [entrypoint(gpu) for gpu in gpus], "lease": lease_s}
    row = (await connection.execute(DUE, values)).one()
    return bool(row.waits), bool(row.left)


async def reclaim(
    connection: AsyncConnection,
    gpu: str,
    most: int,
    worker_id: uuid.UUID,
    lease_s: float,
    aged_s: float = 0.0,
) -> list[int]:
    """Claim what workers hold for this GPU that have been silent for so long."""
    values = {
        "entrypoint": entrypoint(gpu),
        "most": most,
        "worker": worker_id,
        "lease": lease_s,
        "aged": aged_s,
    }
    return [int(row.id) for row in await connection.execute(RECLAIM, values)]


LOCK = text(
    """
    SELECT id FROM pgqueuer WHERE id IN (SELECT queue_id FROM runs WHERE id = ANY(:runs))
    ORDER BY id FOR UPDATE
    """
)


async def lock(connection: AsyncConnection, run_ids: Iterable[int]) -> None:
    """Hold the jobs of these runs until the end of the transaction; before anything else is held."""
    await connection.execute(LOCK, {"runs": list(run_ids)})


# Of these runs those that are held under these leases live on, and their jobs, which are locked first. Which of
# its devices judge a run its holder says once; what was said first stays.
BEAT = text(
    """
    WITH said AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(CAST(:said AS jsonb)) AS s(id bigint, lease uuid, devices text[])
    ), jobs AS MATERIALIZED (
        SELECT id FROM pgqueuer WHERE id IN (SELECT queue_id FROM runs JOIN said USING (id))
        ORDER BY id FOR UPDATE
    ), alive AS (
        UPDATE runs SET heartbeat_at = now(), device_ids = coalesce(runs.device_ids, said.devices)
        FROM said
        WHERE runs.id = said.id AND runs.lease = said.lease AND runs.status = 'running'
          AND (SELECT count(*) FROM jobs) >= 0
        RETURNING runs.id, runs.queue_id, runs.cancel_requested
    ), beaten AS (
        UPDATE pgqueuer SET heartbeat = now() WHERE id IN (SELECT queue_id FROM alive)
    )
    SELECT id, cancel_requested FROM alive
    """
)


async def heartbeat(
    connection: AsyncConnection,
    held: Mapping[int, uuid.UUID],
    devices: Mapping[int, Sequence[str]] | None = None,
) -> dict[int, bool]:
    """A sign of life of the runs that are held under these leases, on these devices where they are known. Those that
    still are, each with whether it is to be cancelled."""
    if not held:
        return {}
    said = [
        {"id": run_id, "lease": str(lease), "devices": (devices or {}).get(run_id) or None}
        for run_id, lease in held.items()
    ]
    rows = await connection.execute(BEAT, {"said": json.dumps(said)})
    return {row.id: row.cancel_requested for row in rows}


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
