"""GPU kinds that take no submissions for a time, each with the reason that people are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.storage.tables import pauses, users


async def every(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """The pause of everything first, with the name of who paused."""
    query = (
        select(pauses, users.c.name.label("paused_by"))
        .join(users, users.c.id == pauses.c.user_id)
        .order_by(pauses.c.gpu)
    )
    return (await connection.execute(query)).all()


async def of_gpu(connection: AsyncConnection, gpu: str) -> Row[Any] | None:
    """The pause that a kind is under: one that holds before one that does not."""
    query = (
        select(pauses)
        .where(pauses.c.gpu.in_(("", gpu)))
        .order_by(pauses.c.holds.desc(), pauses.c.gpu.desc())
    )
    return (await connection.execute(query)).first()


async def put(
    connection: AsyncConnection, gpu: str, user_id: int, reason: str, *, holds: bool
) -> None:
    """Pause a kind, or say anew why it is paused; since when stays."""
    values = {"user_id": user_id, "reason": reason, "holds": holds}
    await connection.execute(
        upsert(pauses)
        .values(gpu=gpu, **values)
        .on_conflict_do_update(index_elements=["gpu"], set_=values)
    )


async def remove(connection: AsyncConnection, gpu: str) -> bool:
    """Whether it was paused."""
    query = pauses.delete().where(pauses.c.gpu == gpu).returning(pauses.c.gpu)
    return (await connection.execute(query)).first() is not None
