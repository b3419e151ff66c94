"""Devices one by one: what they are, how their runs ended, their canaries, whether they may judge."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain.canary import OUTCOMES
from kernelbot.storage.database import storable

OWN = "coalesce(d.runner_id, 0) = coalesce(CAST(:runner AS bigint), 0)"

PUT = text(
    """
    INSERT INTO devices AS d (runner_id, device, kind, name, host, gpus)
    VALUES (:runner, :device, :kind, :name, :host, :gpus)
    ON CONFLICT (coalesce(runner_id, 0), device) DO UPDATE
    SET kind = :kind, name = coalesce(nullif(:name, ''), d.name), host = :host, gpus = :gpus, seen_at = now()
    """
)
# The last canary of each of these devices, how long ago it last ended anything, and whether ranked work waits.
PAST = text(
    f"""
    SELECT d.id, d.device, d.gpus, d.quarantined_at IS NOT NULL AS out,
           extract(epoch FROM now() - c.started_at) AS canary_s, past.busy_s,
           CASE WHEN c.id IS NOT NULL AND c.finished_at IS NULL THEN false ELSE c.good END AS good,
           c.finished_at IS NULL AND c.due_by > now() AS under_way,
           -- Asked of idle devices only: it may have to look through a whole queue of tests.
           CASE WHEN past.busy_s < :idle_s THEN false
                ELSE EXISTS (SELECT FROM runs r WHERE r.status = 'queued' AND r.gpu = ANY(d.gpus)
                             AND r.mode = 'ranked') END AS waits
    FROM devices d
    LEFT JOIN LATERAL (SELECT * FROM canaries WHERE device_id = d.id ORDER BY id DESC LIMIT 1) c ON true
    CROSS JOIN LATERAL (
        SELECT extract(epoch FROM now() - greatest(d.last_run_at, c.finished_at)) AS busy_s) past
    WHERE {OWN} AND d.device = ANY(:devices)
    ORDER BY c.started_at NULLS FIRST
    """  # noqa: S608  made of constants
)
# Of two who find it due one begins it.
BEGIN = text(
    """
    WITH held AS (SELECT id FROM devices WHERE id = :device FOR NO KEY UPDATE SKIP LOCKED)
    INSERT INTO canaries (device_id, gpu, lease, due_by)
    SELECT held.id, :gpu, :lease, now() + make_interval(secs => :seconds) FROM held
    WHERE NOT EXISTS (SELECT FROM canaries WHERE device_id = held.id AND finished_at IS NULL
                      AND due_by > now())
    RETURNING id
    """
)
HELD = text(
    f"""
    SELECT c.id, c.gpu, c.device_id, d.device FROM canaries c JOIN devices d ON d.id = c.device_id
    WHERE c.id = :id AND c.lease = :lease AND c.finished_at IS NULL AND {OWN}
    """  # noqa: S608  made of constants
)
DROP = text("DELETE FROM canaries WHERE id = :id AND lease = :lease AND finished_at IS NULL")
NAMED = text(
    "SELECT * FROM devices WHERE coalesce(runner_id, 0) = 0 AND device = :device FOR NO KEY UPDATE"
)
LOCK = text("SELECT * FROM devices WHERE id = :id FOR NO KEY UPDATE")
FINISH = text(
    """
    UPDATE canaries SET finished_at = now(), verdict = :verdict, good = :good,
           reason = :reason, setting = :setting, seconds = CAST(:seconds AS jsonb),
           errors = CAST(:errors AS jsonb), sm_mhz = :sm_mhz, watts = :watts, judge_digest = :judge
    WHERE id = :id AND lease = :lease AND finished_at IS NULL RETURNING id
    """
)
GOOD_OF = text(
    """
    SELECT d.id AS device_id, g.seconds, g.errors, g.sm_mhz
    FROM unnest(CAST(:devices AS bigint[]), CAST(:settings AS text[])) AS asked(id, setting)
    JOIN devices d ON d.id = asked.id
    CROSS JOIN LATERAL (
        SELECT c.* FROM canaries c
        WHERE c.device_id = d.id AND c.good AND c.setting = asked.setting AND c.started_at >= d.band_from
        ORDER BY c.id DESC LIMIT :limit) g
    ORDER BY d.id, g.id DESC
    """
)
# Of one that is out, those since: good ones of before say nothing about what took it out.
FLAGS = text(
    """
    SELECT c.good FROM canaries c JOIN devices d ON d.id = c.device_id
    WHERE c.device_id = :device AND c.good IS NOT NULL
      AND c.started_at >= coalesce(d.quarantined_at, d.band_from)
    ORDER BY c.id DESC LIMIT :limit
    """
)
TAKE_OUT = text(
    """
    UPDATE devices SET quarantined_at = now(), reason = :reason, by_hand = :by_hand,
           quarantines = quarantines + 1
    WHERE id = :id AND quarantined_at IS NULL RETURNING *
    """
)
LET_IN = text(
    """
    UPDATE devices SET quarantined_at = NULL, reason = '', by_hand = false, outcomes = '',
           fault_of = NULL, fault_users = '{}',
           band_from = CASE WHEN CAST(:anew AS boolean) THEN now() ELSE band_from END
    WHERE id = :id AND quarantined_at IS NOT NULL RETURNING *
    """
)
RESTART_BAND = text("UPDATE devices SET band_from = now() WHERE id = :id")
TOLD = text(
    """
    SELECT reason FROM (SELECT * FROM canaries WHERE device_id = :id ORDER BY id DESC LIMIT 500) last
    WHERE lease = :lease AND finished_at IS NOT NULL
    """
)
# One submission that fails again and again is one failure: it may be the submission's.
ENDED = text(
    f"""
    UPDATE devices d SET last_run_at = now(), fault_of = coalesce(:fault_of, fault_of),
           outcomes = CASE WHEN CAST(:fault_of AS bigint) IS NOT NULL AND fault_of = :fault_of THEN outcomes
                           ELSE right(outcomes || :mark, {OUTCOMES}) END,
           fault_users = CASE
               WHEN CAST(:fault_of AS bigint) IS NOT NULL AND fault_of = :fault_of THEN fault_users
               ELSE (fault_users || CASE WHEN CAST(:fault_of AS bigint) IS NULL THEN 0 ELSE r.user_id END)
                    [greatest(1, cardinality(fault_users) + 2 - {OUTCOMES}):] END
    FROM runs r
    WHERE r.id = :run AND d.device = ANY(r.device_ids)
      AND coalesce(d.runner_id, 0) = coalesce(r.runner_id, 0)
    RETURNING d.id, d.outcomes, d.fault_users, d.quarantined_at
    """  # noqa: S608  made of constants
)
# Those that are out and of which nobody has been told.
UNTOLD = text(
    """
    SELECT d.*, coalesce((SELECT max(c.started_at) FROM canaries c
                          WHERE c.device_id = d.id AND c.good AND c.finished_at < d.quarantined_at),
                         d.created_at) AS since
    FROM devices d
    WHERE d.quarantined_at IS NOT NULL
      AND NOT EXISTS (SELECT FROM outbox WHERE key = 'device:' || d.id || ':' || d.quarantines)
      -- What it was judging then may still come to count.
      AND NOT EXISTS (SELECT FROM runs r
                      WHERE r.status = 'running' AND r.gpu = ANY(d.gpus) AND d.device = ANY(r.device_ids)
                        AND coalesce(r.runner_id, 0) = coalesce(d.runner_id, 0))
    ORDER BY d.id
    """
)
SEEN_AND_SHUT = text(
    f"""
    WITH alive AS (
        UPDATE devices d SET seen_at = now()
        WHERE {OWN} AND device = ANY(:devices) AND seen_at < now() - interval '20 seconds'
    )
    SELECT device, reason FROM devices d WHERE {OWN} AND quarantined_at IS NOT NULL
    """  # noqa: S608  made of constants
)
SUSPECTS = text(
    """
    SELECT r.id, r.submission_id, r.gpu FROM runs r
    WHERE r.finished_at > :since AND r.mode = 'ranked'
      AND r.verdict = 'passed' AND r.note = '' AND :device = ANY(r.device_ids)
      AND coalesce(r.runner_id, 0) = coalesce(CAST(:runner AS bigint), 0)
    ORDER BY r.id
    """
)
DOUBT = text(
    """
    UPDATE runs SET doubted = true
    WHERE id IN (SELECT id FROM runs WHERE id = ANY(:runs) ORDER BY id FOR NO KEY UPDATE)
    """
)
OUT_OF_SERVICE = text(
    """
    SELECT gpu, count(*) AS devices FROM devices CROSS JOIN unnest(gpus) AS gpu
    WHERE quarantined_at IS NOT NULL AND seen_at > now() - interval '1 day'
    GROUP BY gpu
    """
)
ALL = text(
    """
    SELECT d.*, r.name AS runner, r.revoked_at IS NOT NULL AS revoked,
           extract(epoch FROM now() - d.seen_at) AS silent_s,
           c.started_at AS canary_at, c.good AS canary_good, c.reason AS canary_reason,
           c.seconds AS canary_seconds, c.sm_mhz AS canary_mhz, c.setting AS canary_setting,
           extract(epoch FROM now() - c.finished_at) AS canary_age_s,
           (SELECT max(g.started_at) FROM canaries g WHERE g.device_id = d.id AND g.good) AS good_at
    FROM devices d
    LEFT JOIN runners r ON r.id = d.runner_id
    LEFT JOIN LATERAL (SELECT * FROM canaries WHERE device_id = d.id AND finished_at IS NOT NULL
                       ORDER BY id DESC LIMIT 1) c ON true
    WHERE (CAST(:id AS bigint) IS NULL OR d.id = :id)
    ORDER BY d.id
    """
)
SERIES = text(
    """
    SELECT * FROM canaries WHERE device_id = :device AND finished_at IS NOT NULL
    ORDER BY id DESC LIMIT :limit
    """
)
FORGET = text("DELETE FROM canaries WHERE started_at < now() - make_interval(days => :days)")
# Those that are gone, with theirs: a container's processor is another one at each start.
GONE = "seen_at < now() - make_interval(days => :days) AND quarantined_at IS NULL"
FORGET_OF_GONE = text(
    f"DELETE FROM canaries WHERE device_id IN (SELECT id FROM devices WHERE {GONE})"  # noqa: S608  made of constants
)
FORGET_GONE = text(f"DELETE FROM devices WHERE {GONE}")  # noqa: S608  made of constants


async def put(connection: AsyncConnection, runner_id: int | None, **values: Any) -> None:
    """A device is there: ``device``, ``kind``, ``name``, ``host``, ``gpus``."""
    await connection.execute(PUT, {"runner": runner_id, **storable(values)})


async def count(connection: AsyncConnection, runner_id: int) -> int:
    """How many devices a machine has or had."""
    query = text("SELECT count(*) FROM devices WHERE runner_id = :runner")
    return int((await connection.execute(query, {"runner": runner_id})).scalar_one())


async def named(connection: AsyncConnection, device: str) -> Row[Any]:
    """A device that workers have or reach, held."""
    return (await connection.execute(NAMED, {"device": device})).one()


async def seen(
    connection: AsyncConnection, runner_id: int | None, devices: Sequence[str]
) -> dict[str, str]:
    """A sign of life of these devices of a machine, or of workers; its devices that take no runs, each with the
    reason."""
    values = {"runner": runner_id, "devices": list(devices)}
    rows = await connection.execute(SEEN_AND_SHUT, values)
    return {row.device: row.reason for row in rows}


async def past(
    connection: AsyncConnection,
    runner_id: int | None,
    devices: Sequence[str],
    idle_s: float,
) -> Sequence[Row[Any]]:
    """What these devices have been through, those first that had no canary for the longest time."""
    values = {"runner": runner_id, "devices": list(devices), "idle_s": idle_s}
    return (await connection.execute(PAST, values)).all()


async def begin(
    connection: AsyncConnection, device_id: int, gpu: str, lease: uuid.UUID, seconds: float
) -> int | None:
    """A canary of this device, for the holder of the lease to bring in within these seconds; None when somebody
    has begun one."""
    values = {"device": device_id, "gpu": gpu, "lease": lease, "seconds": seconds}
    found: int | None = (await connection.execute(BEGIN, values)).scalar()
    return found


async def held(
    connection: AsyncConnection, runner_id: int | None, canary_id: int, lease: uuid.UUID
) -> Row[Any] | None:
    values = {"id": canary_id, "lease": lease, "runner": runner_id}
    return (await connection.execute(HELD, values)).first()


async def drop(connection: AsyncConnection, canary_id: int, lease: uuid.UUID) -> None:
    """As if it had never been begun."""
    await connection.execute(DROP, {"id": canary_id, "lease": lease})


async def lock(connection: AsyncConnection, device_id: int) -> Row[Any]:
    return (await connection.execute(LOCK, {"id": device_id})).one()


async def finish(
    connection: AsyncConnection, canary_id: int, lease: uuid.UUID, **values: Any
) -> bool:
    """What it showed; False when the lease is over."""
    values = {**storable(values), "id": canary_id, "lease": lease}
    return (await connection.execute(FINISH, values)).first() is not None


async def good_of(
    connection: AsyncConnection, settings: Mapping[int, str], limit: int
) -> Sequence[Row[Any]]:
    """The last good canaries of these devices that compare with each other, each device's within its setting, the
    newest first."""
    values = {"devices": list(settings), "settings": list(settings.values()), "limit": limit}
    return (await connection.execute(GOOD_OF, values)).all()


async def restart_band(connection: AsyncConnection, device_id: int) -> None:
    """What it is compared with begins now."""
    await connection.execute(RESTART_BAND, {"id": device_id})


async def told(connection: AsyncConnection, device_id: int, lease: uuid.UUID) -> str | None:
    """Why one of its last canaries, which had this lease, was not good, or ""; None where there is none."""
    found: str | None = (await connection.execute(TOLD, {"id": device_id, "lease": lease})).scalar()
    return found


async def flags(connection: AsyncConnection, device_id: int, limit: int) -> list[bool]:
    """Whether its last canaries were good, the newest first."""
    rows = await connection.execute(FLAGS, {"device": device_id, "limit": limit})
    return [row.good for row in rows]


async def take_out(
    connection: AsyncConnection, device_id: int, reason: str, *, by_hand: bool
) -> Row[Any] | None:
    """It takes no more runs; None when it took none before."""
    values = {"id": device_id, "reason": storable(reason)[:500], "by_hand": by_hand}
    return (await connection.execute(TAKE_OUT, values)).first()


async def let_in(connection: AsyncConnection, device_id: int, *, anew: bool) -> Row[Any] | None:
    """It takes runs again; ``anew``: and its band begins now. None when it did already."""
    return (await connection.execute(LET_IN, {"id": device_id, "anew": anew})).first()


async def ended(
    connection: AsyncConnection, run_id: int, mark: str, fault_of: int | None
) -> Sequence[Row[Any]]:
    """A run has ended on its devices, with our fault in this submission's run perhaps; what they are now."""
    values = {"run": run_id, "mark": mark, "fault_of": fault_of}
    return (await connection.execute(ENDED, values)).all()


async def untold(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """Those out whose results nobody has had judged again yet; ``since``: of its last good canary."""
    return (await connection.execute(UNTOLD)).all()


async def suspects(
    connection: AsyncConnection,
    runner_id: int | None,
    device: str,
    since: datetime,
) -> Sequence[Row[Any]]:
    """The ranked runs that a device has passed since and that count: (id, submission_id, gpu)."""
    values = {"runner": runner_id, "device": device, "since": since}
    return (await connection.execute(SUSPECTS, values)).all()


async def doubt(connection: AsyncConnection, runs: Sequence[int]) -> None:
    """These compare with nothing from now on, and count until another run of their code does."""
    await connection.execute(DOUBT, {"runs": list(runs)})


async def out_of_service(connection: AsyncConnection) -> Mapping[str, int]:
    """By GPU how many devices are quarantined, of those that somebody has had in the last day."""
    return {row.gpu: int(row.devices) for row in await connection.execute(OUT_OF_SERVICE)}


async def every(connection: AsyncConnection, device_id: int | None = None) -> Sequence[Row[Any]]:
    """All of them, or one, each with its last canary."""
    return (await connection.execute(ALL, {"id": device_id})).all()


async def series(connection: AsyncConnection, device_id: int, limit: int) -> Sequence[Row[Any]]:
    """Its canaries, the newest first."""
    return (await connection.execute(SERIES, {"device": device_id, "limit": limit})).all()


RECENT = text(
    """
    SELECT d.id AS device_id, c.seconds, c.good
    FROM devices d CROSS JOIN LATERAL (
        SELECT * FROM canaries WHERE device_id = d.id AND finished_at IS NOT NULL
        ORDER BY id DESC LIMIT :limit) c
    ORDER BY d.id, c.id
    """
)
MACHINES = text(
    """
    SELECT w.id, w.host, w.slots, w.device, w.judge_digest, w.heartbeat_at,
           extract(epoch FROM now() - w.heartbeat_at) AS silent_s,
           (SELECT count(*) FROM runs r WHERE r.status = 'running' AND r.worker_id = w.id) AS running
    FROM workers w WHERE NOT EXISTS (SELECT FROM runners m WHERE m.session = w.id)
    ORDER BY w.host, w.id
    """
)


async def recent(connection: AsyncConnection, limit: int) -> Sequence[Row[Any]]:
    """The last canaries of every device, the oldest first: (device_id, seconds, good)."""
    return (await connection.execute(RECENT, {"limit": limit})).all()


async def machines(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """The workers that are no agents."""
    return (await connection.execute(MACHINES)).all()


async def forget(connection: AsyncConnection, days: int, gone_days: int) -> None:
    """Canaries that are older, and devices that nobody has offered for so long."""
    await connection.execute(FORGET, {"days": days})
    await connection.execute(FORGET_OF_GONE, {"days": gone_days})
    await connection.execute(FORGET_GONE, {"days": gone_days})
