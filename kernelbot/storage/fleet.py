"""Workers that are alive, how long runs take, and what the queues hold."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, func, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain.submission import REPEAT_PRIORITY
from kernelbot.domain.waiting import MEMORY, Duration
from kernelbot.storage.tables import durations, workers

ALIVE = "heartbeat_at > now() - make_interval(secs => :alive)"

SLOTS = text(
    f"""
    SELECT s.key AS gpu, sum(s.value::int) AS slots
    FROM workers, jsonb_each_text(slots) s WHERE {ALIVE} GROUP BY 1
    """  # noqa: S608
)
RUNNING = text(
    """
    SELECT leaderboard_id, mode, extract(epoch FROM now() - started_at) AS so_far
    FROM runs WHERE gpu = :gpu AND status = 'running'
    """
)
QUEUES = text(
    """
    SELECT substr(entrypoint, 5) AS gpu, count(*) AS queued,
           extract(epoch FROM now() - min(created)) AS oldest
    FROM pgqueuer WHERE status = 'queued' AND priority > :again GROUP BY 1
    """
)
READY = text(
    """
    SELECT substr(entrypoint, 5) AS gpu,
           extract(epoch FROM now() - min(greatest(created, execute_after))) AS waited
    FROM pgqueuer WHERE status = 'queued' AND execute_after <= now() GROUP BY 1
    """
)
RANKS_ON_A_PROCESSOR = text(
    """
    SELECT max(coalesce(
        (p.document->>'cpu_world_size')::int, (p.document->>'world_size')::int, 1
    ))
    FROM leaderboard_gpus g
    JOIN leaderboards l ON l.id = g.leaderboard_id
    JOIN problems p ON p.id = l.problem_id
    WHERE g.gpu = ANY(:kinds)
    """
)
RUNNING_COUNTS = text(
    "SELECT gpu, count(*) AS running FROM runs WHERE status = 'running' GROUP BY 1"
)


SILENT = text(
    """
    SELECT s.gpu, extract(epoch FROM now() - max(heartbeat_at)) AS silent
    FROM workers, jsonb_object_keys(slots) AS s(gpu) GROUP BY 1
    """
)
ENDED_LATELY = text(
    """
    SELECT coalesce(verdict, status) AS kind, count(*) AS runs,
           count(*) FILTER (WHERE attempt > 1) AS retried
    FROM runs WHERE finished_at > now() - interval '1 hour' GROUP BY 1
    """
)


async def register(
    connection: AsyncConnection,
    worker_id: uuid.UUID,
    host: str,
    slots: Mapping[str, int],
    device: Mapping[str, Any],
    judge_digest: str,
) -> None:
    """A worker says what it is; repeated as its heartbeat."""
    values = {
        "host": host,
        "slots": dict(slots),
        "device": dict(device),
        "judge_digest": judge_digest,
    }
    await connection.execute(
        upsert(workers)
        .values(id=worker_id, **values)
        .on_conflict_do_update(index_elements=["id"], set_={**values, "heartbeat_at": func.now()})
    )


async def seen(connection: AsyncConnection, worker_id: uuid.UUID, slots: Mapping[str, int]) -> bool:
    """A sign of life of a worker that has said what it is; False where nobody knows that any more."""
    query = (
        workers.update()
        .where(workers.c.id == worker_id)
        .values(slots=dict(slots), heartbeat_at=func.now())
        .returning(workers.c.id)
    )
    return (await connection.execute(query)).first() is not None


async def leave(connection: AsyncConnection, worker_id: uuid.UUID) -> None:
    await connection.execute(text("DELETE FROM workers WHERE id = :id"), {"id": worker_id})


async def forget_dead(connection: AsyncConnection) -> None:
    await connection.execute(
        text("DELETE FROM workers WHERE heartbeat_at < now() - interval '1 day'")
    )


async def slots(connection: AsyncConnection, alive_s: float) -> dict[str, int]:
    """How many runs at once, by GPU, over the workers heard of within ``alive_s``."""
    rows = await connection.execute(SLOTS, {"alive": alive_s})
    return {row.gpu: int(row.slots) for row in rows}


async def ranks_on_a_processor(connection: AsyncConnection, kinds: Sequence[str]) -> int:
    """The most that a run on one of these kinds, which are processors, has."""
    found = await connection.execute(RANKS_ON_A_PROCESSOR, {"kinds": list(kinds)})
    return found.scalar_one() or 1


async def running(connection: AsyncConnection, gpu: str) -> list[tuple[int, str, float]]:
    """Runs in progress on a GPU: leaderboard, mode, seconds so far."""
    rows = await connection.execute(RUNNING, {"gpu": gpu})
    return [(row.leaderboard_id, row.mode, float(row.so_far or 0)) for row in rows]


async def queues(connection: AsyncConnection) -> tuple[Sequence[Row[Any]], dict[str, int]]:
    queued = (await connection.execute(QUEUES, {"again": REPEAT_PRIORITY})).all()
    counts = await connection.execute(RUNNING_COUNTS)
    return queued, {row.gpu: int(row.running) for row in counts}


async def ready(connection: AsyncConnection) -> dict[str, float]:
    """By GPU how many seconds the first in the queue has waited that somebody could take."""
    return {row.gpu: float(row.waited) for row in await connection.execute(READY)}


async def silent(connection: AsyncConnection) -> dict[str, float]:
    """Seconds since any worker for a GPU was heard of, by GPU; of the last day."""
    return {row.gpu: float(row.silent) for row in await connection.execute(SILENT)}


async def ended_lately(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """Runs that ended within the hour: (kind of verdict or ``cancelled``, runs, retried)."""
    return (await connection.execute(ENDED_LATELY)).all()


async def durations_on(connection: AsyncConnection, gpu: str) -> dict[tuple[int, str], Duration]:
    """All measured durations on a GPU, by leaderboard and mode."""
    rows = await connection.execute(select(durations).where(durations.c.gpu == gpu))
    return {
        (row.leaderboard_id, row.mode): Duration(
            mean_s=row.mean_s, deviation_s=row.deviation_s, count=row.runs
        )
        for row in rows
    }


# As ``waiting.updated`` says, in one statement: many runs of a kind end at once.
REMEMBER = text(
    """
    INSERT INTO durations AS d (leaderboard_id, gpu, mode, mean_s, deviation_s, runs)
    VALUES (:leaderboard, :gpu, :mode, CAST(:seconds AS float), CAST(:seconds AS float) / 2, 1)
    ON CONFLICT (leaderboard_id, gpu, mode) DO UPDATE SET
        runs = d.runs + 1,
        mean_s = d.mean_s + (:seconds - d.mean_s) / least(d.runs + 1, :memory),
        deviation_s = sqrt((1 - 1.0 / least(d.runs + 1, :memory))
                           * (d.deviation_s ^ 2 + (:seconds - d.mean_s) ^ 2 / least(d.runs + 1, :memory)))
    """
)


async def remember_duration(
    connection: AsyncConnection, leaderboard_id: int, gpu: str, mode: str, seconds: float
) -> None:
    """One more run of this kind took so long."""
    values = {
        "leaderboard": leaderboard_id,
        "gpu": gpu,
        "mode": mode,
        "seconds": seconds,
        "memory": MEMORY,
    }
    await connection.execute(REMEMBER, values)


async def touch(connection: AsyncConnection, worker_id: uuid.UUID) -> None:
    await connection.execute(
        text("UPDATE workers SET heartbeat_at = now() WHERE id = :id"), {"id": worker_id}
    )


async def ping(connection: AsyncConnection) -> None:
    """Ask the database for an answer, any answer."""
    await connection.execute(text("SELECT 1"))


UNDER_WAY = text(
    """
    SELECT r.submission_id, r.gpu, r.mode, r.progress, l.name AS leaderboard, coalesce(n.name, w.host, '') AS machine,
           greatest(0, extract(epoch FROM clock_timestamp() - r.started_at)) AS so_far_s
    FROM runs r
    JOIN leaderboards l ON l.id = r.leaderboard_id
    LEFT JOIN runners n ON n.id = r.runner_id
    LEFT JOIN workers w ON w.id = r.worker_id
    WHERE r.status = 'running' AND (CAST(:machine AS text) IS NULL OR coalesce(n.name, w.host, '') = :machine)
    ORDER BY r.started_at LIMIT :most
    """
)


async def under_way(
    connection: AsyncConnection, most: int, machine: str | None = None
) -> Sequence[Row[Any]]:
    """The runs in progress, the longest first, with the machine that has each; those of one alone where it is named."""
    return (await connection.execute(UNDER_WAY, {"most": most, "machine": machine})).all()
