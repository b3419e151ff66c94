"""Which Discord message shows which submission, and whose thread is where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.storage.tables import cards, identities, preferences, submissions

CONTINUE_WITH = text(
    """
    INSERT INTO cards (submission_id, channel_id, user_subject)
    SELECT :again, channel_id, user_subject FROM cards WHERE submission_id = :id
    """
)


async def put(
    connection: AsyncConnection, submission_id: int, channel_id: int, user_subject: str
) -> None:
    """A card that moves has no message yet where it goes."""
    values = {"channel_id": channel_id, "user_subject": user_subject, "message_id": None}
    await connection.execute(
        upsert(cards)
        .values(submission_id=submission_id, **values)
        .on_conflict_do_update(index_elements=["submission_id"], set_=values)
    )


async def continue_with(connection: AsyncConnection, submission_id: int, again: int) -> None:
    """Have a submission that runs another one again shown where that is, if it is shown."""
    values = {"id": submission_id, "again": again}
    await connection.execute(CONTINUE_WITH, values)


async def change(connection: AsyncConnection, submission_id: int, **values: Any) -> None:
    await connection.execute(
        update(cards).where(cards.c.submission_id == submission_id).values(**values)
    )


async def one(connection: AsyncConnection, submission_id: int) -> Row[Any] | None:
    query = _with_locale().where(cards.c.submission_id == submission_id)
    return (await connection.execute(query)).first()


async def open_ones(connection: AsyncConnection) -> Sequence[Row[Any]]:
    query = _with_locale().where(~cards.c.closed).order_by(cards.c.submission_id)
    return (await connection.execute(query)).all()


def _with_locale() -> Select[*tuple[Any, ...]]:
    """Cards, with the language of whose they are."""
    locale = func.coalesce(preferences.c.locale, "en")
    return (
        select(cards, locale.label("locale"))
        .join(submissions, submissions.c.id == cards.c.submission_id)
        .outerjoin(preferences, preferences.c.user_id == submissions.c.user_id)
    )


async def subject(connection: AsyncConnection, submission_id: int, provider: str) -> str | None:
    """The owner of a submission as a provider knows them."""
    query = (
        select(identities.c.subject)
        .join(submissions, submissions.c.user_id == identities.c.user_id)
        .where(submissions.c.id == submission_id, identities.c.provider == provider)
        .limit(1)
    )
    return (await connection.execute(query)).scalar()


THREAD = text(
    """
    SELECT t.thread_id FROM threads t JOIN competitions c ON c.id = t.competition_id
    WHERE t.user_id = :user AND t.guild_id = :guild AND c.name = :competition
    """
)
PUT_THREAD = text(
    """
    INSERT INTO threads (user_id, guild_id, competition_id, thread_id)
    SELECT :user, :guild, id, :thread FROM competitions WHERE name = :competition
    ON CONFLICT (user_id, guild_id, competition_id) DO UPDATE SET thread_id = excluded.thread_id
    """
)


async def thread(
    connection: AsyncConnection, user_id: int, guild_id: int, competition: str
) -> int | None:
    values = {"user": user_id, "guild": guild_id, "competition": competition}
    return (await connection.execute(THREAD, values)).scalar()


async def put_thread(
    connection: AsyncConnection, user_id: int, guild_id: int, competition: str, thread_id: int
) -> None:
    values = {"user": user_id, "guild": guild_id, "competition": competition, "thread": thread_id}
    await connection.execute(PUT_THREAD, values)
