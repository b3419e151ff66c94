"""Command lines that wait to be let in, by the code that they show."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

FORGET = text("DELETE FROM logins WHERE expires_at <= now()")
MAKE_ROOM = text(
    """
    DELETE FROM logins WHERE user_id IS NULL
        AND id <= (SELECT id FROM logins ORDER BY id DESC OFFSET :most - 1 LIMIT 1)
    """
)
ADD = text(
    """
    INSERT INTO logins (digest, code, client, expires_at) VALUES (:digest, :code, :client, :ends)
    ON CONFLICT (code) DO NOTHING RETURNING id
    """
)
BY_CODE = text("SELECT * FROM logins WHERE code = :code AND expires_at > now()")
APPROVE = text(
    """
    UPDATE logins SET user_id = :user, as_admin = :as_admin
    WHERE code = :code AND expires_at > now() AND user_id IS NULL RETURNING *
    """
)
BY_DIGEST = text("SELECT * FROM logins WHERE digest = :digest AND expires_at > now()")
TAKE = text("DELETE FROM logins WHERE digest = :digest AND user_id IS NOT NULL RETURNING *")


async def make_room(connection: AsyncConnection, most: int) -> None:
    """For one more: without those that have expired, and of ``most`` without the oldest that nobody has let in."""
    await connection.execute(FORGET)
    await connection.execute(MAKE_ROOM, {"most": most})


async def add(
    connection: AsyncConnection, digest: bytes, code: str, client: str, ends: datetime
) -> bool:
    """False: the code is taken."""
    values = {"digest": digest, "code": code, "client": client, "ends": ends}
    return (await connection.execute(ADD, values)).first() is not None


async def by_code(connection: AsyncConnection, code: str) -> Row[Any] | None:
    return (await connection.execute(BY_CODE, {"code": code})).first()


async def approve(
    connection: AsyncConnection, code: str, user_id: int, *, as_admin: bool
) -> Row[Any] | None:
    """Once; None: there is no such code that waits."""
    values = {"code": code, "user": user_id, "as_admin": as_admin}
    return (await connection.execute(APPROVE, values)).first()


async def by_digest(connection: AsyncConnection, digest: bytes) -> Row[Any] | None:
    return (await connection.execute(BY_DIGEST, {"digest": digest})).first()


async def take(connection: AsyncConnection, digest: bytes) -> Row[Any] | None:
    """One that was let in: it can be taken once."""
    return (await connection.execute(TAKE, {"digest": digest})).first()
