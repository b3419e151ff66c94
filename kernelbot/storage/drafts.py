"""Files that were sent and wait: an organizer's definitions until they are applied, a kernel until it is said where to."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Row, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.storage.tables import drafts


async def add(connection: AsyncConnection, user_id: int, name: str, content: bytes) -> int:
    values = {"user_id": user_id, "name": name, "content": content}
    query = insert(drafts).values(**values).returning(drafts.c.id)
    return int((await connection.execute(query)).scalar_one())


async def one(connection: AsyncConnection, draft_id: int, user_id: int) -> Row[Any] | None:
    query = select(drafts).where(drafts.c.id == draft_id, drafts.c.user_id == user_id)
    return (await connection.execute(query)).first()


async def remove(connection: AsyncConnection, draft_id: int) -> None:
    await connection.execute(drafts.delete().where(drafts.c.id == draft_id))


async def forget(connection: AsyncConnection, user_id: int, age: timedelta, most: int) -> None:
    """Those that are older, and of one person all but the latest."""
    await connection.execute(
        text(
            """
            DELETE FROM drafts WHERE created_at < now() - CAST(:age AS interval)
               OR id IN (SELECT id FROM drafts WHERE user_id = :user ORDER BY id DESC OFFSET :most)
            """
        ),
        {"age": age, "user": user_id, "most": most},
    )
