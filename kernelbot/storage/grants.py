"""GPU-seconds that people may use beyond what a competition allows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.storage.tables import competitions, grants, users

MOST_LISTED = 500
IN_FORCE = grants.c.ends_at > func.now()


async def add(
    connection: AsyncConnection,
    user_id: int,
    competition_id: int,
    gpu: str,
    gpu_s: float,
    reason: str,
    ends_at: datetime,
) -> Row[Any]:
    values = {
        "user_id": user_id,
        "competition_id": competition_id,
        "gpu": gpu,
        "gpu_s": gpu_s,
        "reason": reason,
        "ends_at": ends_at,
    }
    made: Row[Any] = (
        await connection.execute(insert(grants).values(**values).returning(grants))
    ).one()
    return made


# The audit log knows who granted what, and when.
TWIN = text(
    """
    SELECT g.id FROM audit_log a JOIN grants g ON g.id = (a.detail->>'grant')::bigint
    WHERE a.target = :target AND a.action = 'grant.create' AND a.actor_id = :actor
      AND g.user_id = :user AND g.competition_id = :competition AND g.gpu = :gpu
      AND g.gpu_s = :gpu_s AND g.reason = :reason
      AND g.created_at > now() - CAST(:within AS interval) AND g.ends_at > now()
    ORDER BY g.id DESC LIMIT 1
    """
)


async def twin(
    connection: AsyncConnection,
    actor_id: int,
    user_id: int,
    competition_id: int,
    gpu: str,
    gpu_s: float,
    reason: str,
    within: timedelta,
) -> int | None:
    """One in force that is equal and that this administrator made just now."""
    values = {
        "target": f"user:{user_id}",
        "actor": actor_id,
        "user": user_id,
        "competition": competition_id,
        "gpu": gpu,
        "gpu_s": gpu_s,
        "reason": reason,
        "within": within,
    }
    found: int | None = (await connection.execute(TWIN, values)).scalar()
    return found


async def granted(
    connection: AsyncConnection, user_id: int, competition_ids: Sequence[int]
) -> dict[tuple[int, str], float]:
    """GPU-seconds by competition and GPU that are granted now."""
    query = (
        select(grants.c.competition_id, grants.c.gpu, func.sum(grants.c.gpu_s).label("gpu_s"))
        .where(grants.c.user_id == user_id, IN_FORCE, grants.c.competition_id.in_(competition_ids))
        .group_by(grants.c.competition_id, grants.c.gpu)
    )
    rows = await connection.execute(query)
    return {(row.competition_id, row.gpu): float(row.gpu_s) for row in rows}


async def of_person(connection: AsyncConnection, user_id: int, limit: int) -> Sequence[Row[Any]]:
    """Those in force, the newest first."""
    query = (
        select(grants, competitions.c.name.label("competition"))
        .join(competitions, competitions.c.id == grants.c.competition_id)
        .where(grants.c.user_id == user_id, IN_FORCE)
        .order_by(grants.c.id.desc())
        .limit(limit)
    )
    return (await connection.execute(query)).all()


async def in_force(connection: AsyncConnection, grant_id: int | None = None) -> Sequence[Row[Any]]:
    """With ``competition`` and ``user_name``, the newest first; or one of them."""
    query = (
        select(grants, competitions.c.name.label("competition"), users.c.name.label("user_name"))
        .join(competitions, competitions.c.id == grants.c.competition_id)
        .join(users, users.c.id == grants.c.user_id)
        .where(IN_FORCE)
        .order_by(grants.c.id.desc())
        .limit(MOST_LISTED)
    )
    if grant_id is not None:
        query = query.where(grants.c.id == grant_id)
    return (await connection.execute(query)).all()


async def end(connection: AsyncConnection, grant_id: int) -> Row[Any] | None:
    """End it now; None where there is none in force."""
    query = (
        update(grants)
        .where(grants.c.id == grant_id, IN_FORCE)
        .values(ends_at=func.now())
        .returning(grants)
    )
    found: Row[Any] | None = (await connection.execute(query)).first()
    return found
