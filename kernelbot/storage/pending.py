"""What somebody is about to do, until they confirm it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, func, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.storage.tables import pending_acts


async def add(
    connection: AsyncConnection, user_id: int, act: str, detail: Mapping[str, Any]
) -> int:
    values = {"user_id": user_id, "act": act, "detail": dict(detail)}
    query = insert(pending_acts).values(**values).returning(pending_acts.c.id)
    return int((await connection.execute(query)).scalar_one())


async def locked(connection: AsyncConnection, pending_id: int, user_id: int) -> Row[Any] | None:
    """With ``age_s`` since it was asked and ``taken_s`` since somebody began to do it."""
    query = text(
        """
        SELECT *, extract(epoch FROM now() - created_at) AS age_s,
               extract(epoch FROM now() - taken_at) AS taken_s
        FROM pending_acts WHERE id = :id AND user_id = :user FOR UPDATE
        """
    )
    return (await connection.execute(query, {"id": pending_id, "user": user_id})).first()


async def mark(connection: AsyncConnection, pending_id: int, *, taken: bool) -> None:
    values = {"taken_at": func.now() if taken else None, "ended_at": None}
    await connection.execute(
        pending_acts.update().where(pending_acts.c.id == pending_id).values(**values)
    )


async def say(connection: AsyncConnection, pending_id: int, detail: Mapping[str, Any]) -> None:
    await connection.execute(
        pending_acts.update().where(pending_acts.c.id == pending_id).values(detail=dict(detail))
    )


async def end(connection: AsyncConnection, pending_id: int, outcome: str) -> None:
    values = {"ended_at": func.now(), "outcome": outcome}
    await connection.execute(
        pending_acts.update().where(pending_acts.c.id == pending_id).values(**values)
    )


async def forget(connection: AsyncConnection, age: timedelta) -> None:
    await connection.execute(
        text("DELETE FROM pending_acts WHERE created_at < now() - CAST(:age AS interval)"),
        {"age": age},
    )
