"""Codes that let people into a competition, and who has come in."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.storage.tables import competitions, invites, members

# Whoever comes at the same time with this code waits, and finds it as it is then.
FOR_ONE_MORE = text(
    """
    SELECT id FROM invites
    WHERE digest = :digest AND competition_id = :competition AND revoked_at IS NULL
      AND (expires_at IS NULL OR expires_at > now()) AND (most IS NULL OR joined < most)
    FOR UPDATE
    """
)
JOIN = text(
    """
    WITH joined AS (
        INSERT INTO members (competition_id, user_id, invite_id)
        VALUES (:competition, :user, :invite) ON CONFLICT DO NOTHING RETURNING invite_id
    )
    UPDATE invites SET joined = invites.joined + 1 FROM joined WHERE id = invite_id
    """
)


async def add(
    connection: AsyncConnection,
    competition_id: int,
    digest: bytes,
    hint: str,
    most: int | None,
    expires_at: datetime | None,
) -> Row[Any]:
    values = {
        "competition_id": competition_id,
        "digest": digest,
        "hint": hint,
        "most": most,
        "expires_at": expires_at,
    }
    made = await connection.execute(insert(invites).values(**values).returning(invites))
    row: Row[Any] = made.one()
    return row


async def of_competition(connection: AsyncConnection, competition_id: int) -> Sequence[Row[Any]]:
    query = select(invites).where(invites.c.competition_id == competition_id)
    return (await connection.execute(query.order_by(invites.c.id.desc()).limit(1000))).all()


async def revoke(connection: AsyncConnection, competition_id: int, invite_id: int) -> bool:
    """False when this competition has no such live code. Who came in with it stays in."""
    found = await connection.execute(
        update(invites)
        .where(
            invites.c.id == invite_id,
            invites.c.competition_id == competition_id,
            invites.c.revoked_at.is_(None),
        )
        .values(revoked_at=func.now())
    )
    return bool(found.rowcount)


async def for_one_more(
    connection: AsyncConnection, competition_id: int, digest: bytes
) -> int | None:
    """The code that lets one more in, which the transaction holds from now on; None when none does."""
    values = {"digest": digest, "competition": competition_id}
    found: int | None = (await connection.execute(FOR_ONE_MORE, values)).scalar()
    return found


async def leads_to(connection: AsyncConnection, digest: bytes) -> str | None:
    """The name of the competition that a code lets people into, or let in once."""
    query = (
        select(competitions.c.name)
        .join(invites, invites.c.competition_id == competitions.c.id)
        .where(invites.c.digest == digest)
    )
    found: str | None = (await connection.execute(query)).scalar()
    return found


async def join(
    connection: AsyncConnection, competition_id: int, user_id: int, invite_id: int
) -> bool:
    """Let somebody in and count them; False, and nothing is counted, when they were in already."""
    values = {"competition": competition_id, "user": user_id, "invite": invite_id}
    return bool((await connection.execute(JOIN, values)).rowcount)


async def joined_by(connection: AsyncConnection, user_id: int) -> Collection[int]:
    """The competitions that a person has joined."""
    query = select(members.c.competition_id).where(members.c.user_id == user_id)
    return set((await connection.execute(query)).scalars())
