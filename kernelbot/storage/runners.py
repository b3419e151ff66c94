"""Machines that ask for work over HTTPS: their tokens, their processes, what they said of themselves."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain.submission import REPEAT_PRIORITY
from kernelbot.storage import queue
from kernelbot.storage.database import Database, storable
from kernelbot.storage.tables import runners

# The lookup of every request of an agent: one statement, one index.
DIGEST_LOOKUP = """
    SELECT id, name, targets, session, announcement->>'tree' AS tree, revoked_at
    FROM runners WHERE digest = $1
"""


@dataclass(frozen=True)
class Known:
    """A machine, as its token finds it."""

    id: int
    name: str
    targets: Sequence[str]
    session: uuid.UUID | None
    tree: str | None  # digest of what its latest process runs
    revoked_at: datetime | None


async def by_token(database: Database, digest: bytes) -> Known | None:
    records = await database.ask(DIGEST_LOOKUP, digest)
    return Known(**records[0]) if records else None


async def is_revoked(connection: AsyncConnection, runner_id: int) -> bool:
    query = select(runners.c.revoked_at.is_not(None)).where(runners.c.id == runner_id)
    return bool(await connection.scalar(query))


async def add(connection: AsyncConnection, **values: Any) -> Row[Any] | None:
    """A new machine; None when a live one has its name."""
    found = await by_name(connection, values["name"])
    if found is not None:
        return None
    made = await connection.execute(insert(runners).values(**values).returning(runners))
    row: Row[Any] = made.one()
    return row


BY_NAME = text(
    "SELECT * FROM runners WHERE lower(name) = lower(:name) AND revoked_at IS NULL FOR NO KEY UPDATE"
)
ALL = text(
    """
    SELECT r.*, extract(epoch FROM now() - r.last_seen_at) AS silent_s,
           (SELECT count(*) FROM runs
            WHERE runner_id = r.id AND status = 'running' AND worker_id = r.session) AS running,
           (SELECT count(*) FROM runs WHERE runner_id = r.id AND status = 'done') AS judged
    FROM runners r WHERE r.revoked_at IS NULL OR :revoked ORDER BY r.id
    """
)
SIGNS = text(
    """
    SELECT r.name, r.drained, r.trouble, extract(epoch FROM now() - r.last_seen_at) AS silent_s,
           (SELECT count(*) FROM runs WHERE status = 'running' AND worker_id = r.session) AS running
    FROM runners r WHERE r.revoked_at IS NULL AND r.announced_at IS NOT NULL ORDER BY r.id
    """
)
REVOKE = text("UPDATE runners SET revoked_at = now(), session = NULL WHERE id = :id")
DRAIN = text(
    "UPDATE runners SET drained = :drained WHERE id = :id AND drained <> :drained RETURNING id"
)
TRUST = text("UPDATE runners SET trusted = :trusted WHERE id = :id")
POLL = text(
    """
    UPDATE runners SET poll = :poll, last_seen_at = now()
    WHERE id = :id AND session = :session AND poll < :poll AND revoked_at IS NULL
    RETURNING announcement->'units' AS units
    """
)
# Not what is to confirm what it or another machine has measured that nobody vouches for (queue.FOR_WORKER).
FOR_IT = f"""
    (m.trusted OR q.priority > {REPEAT_PRIORITY} OR NOT EXISTS (
        SELECT FROM runs r JOIN confirmations c ON c.run_id = r.id
        WHERE r.queue_id = q.id AND r.status IN ('queued', 'running')))
"""
# How many wait is counted up to a hundred: whoever asks wants to know whether any do.
LOOK = text(
    f"""
    SELECT m.session = :session AND m.poll = :poll AS is_latest, m.drained, m.revoked_at IS NOT NULL AS revoked,
           (SELECT coalesce(jsonb_object_agg(device, reason), '{{}}') FROM devices d
            WHERE coalesce(d.runner_id, 0) = m.id AND d.quarantined_at IS NOT NULL) AS shut,
           (SELECT coalesce(jsonb_object_agg(substr(e.entrypoint, 5), few.queued), '{{}}')
            FROM unnest(CAST(:entrypoints AS text[])) AS e(entrypoint), LATERAL (
                SELECT count(*) AS queued FROM (
                    SELECT FROM pgqueuer q
                    WHERE q.entrypoint = e.entrypoint AND q.status = 'queued' AND q.execute_after <= now()
                          AND NOT {queue.HELD} AND {FOR_IT}
                    LIMIT 100) any_hundred) few
            WHERE few.queued > 0) AS waiting
    FROM runners m WHERE m.id = :id
    """  # noqa: S608  made of constants
)
# Requests of a machine come one after the other (POLL), so what it holds has not changed while this waited.
MAY_HOLD = text(
    """
    SELECT announcement->'slots' AS slots,
           (SELECT coalesce(jsonb_object_agg(gpu, held), '{}') FROM (
                SELECT gpu, count(*) AS held FROM runs
                WHERE worker_id = :session AND status = 'running' GROUP BY gpu) h) AS holds
    FROM runners
    WHERE id = :id AND session = :session AND poll = :poll AND NOT drained AND revoked_at IS NULL
    FOR NO KEY UPDATE
    """
)
LOST = text(
    """
    SELECT * FROM runs
    WHERE worker_id = :session AND status = 'running' AND lease <> ALL(CAST(:leases AS uuid[])) ORDER BY id
    """
)
SEEN = text(
    """
    UPDATE runners SET last_seen_at = now(), trouble = :trouble
    WHERE id = :id AND session = :session RETURNING drained, announcement
    """
)
LEAVE = text("UPDATE runners SET session = NULL WHERE id = :id AND session = :session RETURNING id")
HELD = text(
    """
    SELECT runs.*, s.problem_id, extract(epoch FROM now() - runs.started_at) AS held_s,
           m.announcement->'units' AS units
    FROM unnest(CAST(:ids AS bigint[]), CAST(:leases AS uuid[])) AS said(id, lease)
    JOIN runs ON runs.id = said.id AND runs.lease = said.lease
    JOIN submissions s ON s.id = runs.submission_id
    JOIN runners m ON m.session = runs.worker_id
    WHERE runs.worker_id = :session AND runs.status = 'running'
    """
)
NAME_DEVICES = text(
    """
    UPDATE runs SET device_ids = :devices
    WHERE id = :id AND lease = :lease AND status = 'running' AND device_ids IS NULL
    """
)


async def by_name(connection: AsyncConnection, name: str) -> Row[Any] | None:
    """The live machine of this name, locked."""
    return (await connection.execute(BY_NAME, {"name": name})).first()


async def every(connection: AsyncConnection, *, revoked: bool) -> Sequence[Row[Any]]:
    return (await connection.execute(ALL, {"revoked": revoked})).all()


async def signs(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """Of those that have announced themselves: (name, drained, trouble, silent_s, running)."""
    return (await connection.execute(SIGNS)).all()


async def revoke(connection: AsyncConnection, runner_id: int) -> None:
    await connection.execute(REVOKE, {"id": runner_id})


async def drain(connection: AsyncConnection, runner_id: int, *, drained: bool) -> bool:
    """Whether that changes anything."""
    made = await connection.execute(DRAIN, {"id": runner_id, "drained": drained})
    return made.first() is not None


async def trust(connection: AsyncConnection, runner_id: int, *, trusted: bool) -> None:
    await connection.execute(TRUST, {"id": runner_id, "trusted": trusted})


async def announce(
    connection: AsyncConnection,
    runner_id: int,
    session: uuid.UUID,
    announcement: Mapping[str, Any],
) -> bool:
    """Its latest process is this one; False when its token was revoked meanwhile."""
    query = (
        runners.update()
        .where(runners.c.id == runner_id, runners.c.revoked_at.is_(None))
        .values(
            session=session,
            poll=0,
            announcement=storable(dict(announcement)),
            trouble="",
            announced_at=func.now(),
            last_seen_at=func.now(),
        )
        .returning(runners.c.id)
    )
    return (await connection.execute(query)).first() is not None


async def announcement(connection: AsyncConnection, runner_id: int) -> dict[str, Any]:
    query = select(runners.c.announcement).where(runners.c.id == runner_id)
    return dict((await connection.execute(query)).scalar_one())


async def begin_poll(
    connection: AsyncConnection, runner_id: int, session: uuid.UUID, poll: int
) -> list[dict[str, Any]] | None:
    """This request for work is the latest: the devices that its machine has announced; None when there is a later one
    or another process."""
    values = {"id": runner_id, "session": session, "poll": poll}
    row = (await connection.execute(POLL, values)).first()
    return None if row is None else list(row.units or ())


async def look(
    connection: AsyncConnection,
    runner_id: int,
    session: uuid.UUID,
    poll: int,
    entrypoints: Iterable[str],
) -> Row[Any]:
    """Whether this request for work ``is_latest`` still, whether its machine is ``drained`` or ``revoked``, which of
    its devices are ``shut`` and why, and how many runs are ``waiting`` by GPU, a hundred at most; those that an organizer
    holds back wait for nobody, and what it may not have does not wait for it."""
    values = {
        "id": runner_id,
        "session": session,
        "poll": poll,
        "entrypoints": list(entrypoints),
    }
    return (await connection.execute(LOOK, values)).one()


async def may_hold(
    connection: AsyncConnection, runner_id: int, session: uuid.UUID, poll: int
) -> tuple[dict[str, int], dict[str, int]]:
    """The slots that its machine announced, and how many runs it holds, both by target; no slots when it is not the
    latest request for work any more, or may take nothing. Until the end of the transaction that stays so."""
    values = {"id": runner_id, "session": session, "poll": poll}
    row = (await connection.execute(MAY_HOLD, values)).first()
    return ({}, {}) if row is None else (dict(row.slots), dict(row.holds))


async def lost(
    connection: AsyncConnection, session: uuid.UUID, leases: Sequence[uuid.UUID]
) -> Sequence[Row[Any]]:
    """The runs that this process was given and that it has under none of these leases."""
    values = {"session": session, "leases": list(leases)}
    return (await connection.execute(LOST, values)).all()


async def seen(
    connection: AsyncConnection, runner_id: int, session: uuid.UUID, trouble: str
) -> Row[Any] | None:
    """A sign of life: whether the machine is ``drained``, and its ``announcement``; None when another process has
    come."""
    values = {"id": runner_id, "session": session, "trouble": storable(trouble)}
    return (await connection.execute(SEEN, values)).first()


async def leave(connection: AsyncConnection, runner_id: int, session: uuid.UUID) -> None:
    await connection.execute(LEAVE, {"id": runner_id, "session": session})


async def held(
    connection: AsyncConnection, session: uuid.UUID, leases: Mapping[int, uuid.UUID]
) -> Sequence[Row[Any]]:
    """Of these runs, those that this process holds under these leases, each with its ``problem_id``, since how
    many seconds (``held_s``) and the devices of its machine (``units``)."""
    values = {"ids": list(leases), "leases": list(leases.values()), "session": session}
    return (await connection.execute(HELD, values)).all()


async def name_devices(
    connection: AsyncConnection, run_id: int, lease: uuid.UUID, devices: Sequence[str]
) -> None:
    """Which of its devices judge a run; what was said first stays."""
    values = {"id": run_id, "lease": lease, "devices": list(devices)}
    await connection.execute(NAME_DEVICES, values)
