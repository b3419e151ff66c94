"""Which Discord message shows which submission, and whose thread is where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.storage.tables import cards, identities, submissions, threads


async def put(
    connection: AsyncConnection, submission_id: int, channel_id: int, user_subject: str
) -> None:
    values = {"channel_id": channel_id, "user_subject": user_subject}
    await connection.execute(
        upsert(cards)
        .values(submission_id=submission_id, **values)
        .on_conflict_do_update(index_elements=["submission_id"], set_=values)
    )


async def change(connection: AsyncConnection, submission_id: int, **values: Any) -> None:
    await connection.execute(
        update(cards).where(cards.c.submission_id == submission_id).values(**values)
    )


async def one(connection: AsyncConnection, submission_id: int) -> Row[Any] | None:
    query = select(cards).where(cards.c.submission_id == submission_id)
    return (await connection.execute(query)).first()


async def open_ones(connection: AsyncConnection) -> Sequence[Row[Any]]:
    query = select(cards).where(~cards.c.closed).order_by(cards.c.submission_id)
    return (await connection.execute(query)).all()


async def subject(connection: AsyncConnection, submission_id: int, provider: str) -> str | None:
    """The owner of a submission as a provider knows them."""
    query = (
        select(identities.c.subject)
        .join(submissions, submissions.c.user_id == identities.c.user_id)
        .where(submissions.c.id == submission_id, identities.c.provider == provider)
        .limit(1)
    )
    return (await connection.execute(query)).scalar()


async def thread(connection: AsyncConnection, user_id: int, channel_id: int) -> int | None:
    query = select(threads.c.thread_id).where(
        threads.c.user_id == user_id, threads.c.channel_id == channel_id
    )
    return (await connection.execute(query)).scalar()


async def put_thread(
    connection: AsyncConnection, user_id: int, channel_id: int, thread_id: int
) -> None:
    await connection.execute(
        upsert(threads)
        .values(user_id=user_id, channel_id=channel_id, thread_id=thread_id)
        .on_conflict_do_update(
            index_elements=["user_id", "channel_id"], set_={"thread_id": thread_id}
        )
    )
