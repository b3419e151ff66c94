"""What people want to hear of, and where."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.storage.tables import preferences


async def one(connection: AsyncConnection, user_id: int) -> Row[Any] | None:
    query = select(preferences).where(preferences.c.user_id == user_id)
    return (await connection.execute(query)).first()


async def change(connection: AsyncConnection, user_id: int, **values: Any) -> Row[Any]:
    result = await connection.execute(
        upsert(preferences)
        .values(user_id=user_id, **values)
        .on_conflict_do_update(index_elements=["user_id"], set_=values)
        .returning(preferences)
    )
    row: Row[Any] = result.one()
    return row
