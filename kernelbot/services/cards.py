"""The bot's memory: which message shows which submission, whose thread is where."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from kernelbot.services.context import Context
from kernelbot.services.views import Card
from kernelbot.storage import cards as store


async def open_card(ctx: Context, submission_id: int, channel_id: int, user_subject: str) -> None:
    """From now on this submission is to be shown in this channel."""
    async with ctx.database.transaction() as connection:
        await store.put(connection, submission_id, channel_id, user_subject)


async def placed(ctx: Context, submission_id: int, message_id: int) -> None:
    """The message exists."""
    async with ctx.database.transaction() as connection:
        await store.change(connection, submission_id, message_id=message_id)


async def shown(ctx: Context, submission_id: int, digest: str) -> None:
    """What the message shows now."""
    async with ctx.database.transaction() as connection:
        await store.change(connection, submission_id, shown=digest)


async def close_card(ctx: Context, submission_id: int) -> None:
    """It shows the end and needs no more edits."""
    async with ctx.database.transaction() as connection:
        await store.change(connection, submission_id, closed=True)


async def open_cards(ctx: Context) -> tuple[Card, ...]:
    async with ctx.database.read() as connection:
        return tuple(_card(row) for row in await store.open_ones(connection))


async def card(ctx: Context, submission_id: int) -> Card | None:
    async with ctx.database.read() as connection:
        row = await store.one(connection, submission_id)
    return _card(row) if row else None


async def subject(ctx: Context, submission_id: int) -> str | None:
    """The Discord user whose submission this is, if they came by Discord."""
    async with ctx.database.read() as connection:
        return await store.subject(connection, submission_id, "discord")


def _card(row: Row[Any]) -> Card:
    return Card(
        submission_id=row.submission_id,
        channel_id=row.channel_id,
        message_id=row.message_id,
        user_subject=row.user_subject,
        shown=row.shown,
        closed=row.closed,
        locale=row.locale,
    )


async def thread(ctx: Context, user_id: int, guild_id: int, competition: str) -> int | None:
    """The thread of a person for a competition in a server."""
    async with ctx.database.read() as connection:
        return await store.thread(connection, user_id, guild_id, competition)


async def remember_thread(
    ctx: Context, user_id: int, guild_id: int, competition: str, thread_id: int
) -> None:
    async with ctx.database.transaction() as connection:
        await store.put_thread(connection, user_id, guild_id, competition, thread_id)
