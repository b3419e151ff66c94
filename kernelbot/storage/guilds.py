"""Servers of Discord and what was chosen for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.storage.tables import guilds


async def one(connection: AsyncConnection, guild_id: int) -> Row[Any] | None:
    query = select(guilds).where(guilds.c.guild_id == guild_id)
    return (await connection.execute(query)).first()


async def every(connection: AsyncConnection) -> Sequence[Row[Any]]:
    return (await connection.execute(select(guilds).order_by(guilds.c.guild_id))).all()


async def change(
    connection: AsyncConnection, guild_id: int, changed_by: int, **values: Any
) -> Row[Any]:
    values |= {"changed_by": changed_by, "changed_at": func.now()}
    result = await connection.execute(
        upsert(guilds)
        .values(guild_id=guild_id, **values)
        .on_conflict_do_update(index_elements=["guild_id"], set_=values)
        .returning(guilds)
    )
    row: Row[Any] = result.one()
    return row


async def add(connection: AsyncConnection, guild_id: int) -> None:
    new = upsert(guilds).values(guild_id=guild_id)
    await connection.execute(new.on_conflict_do_nothing(index_elements=["guild_id"]))
