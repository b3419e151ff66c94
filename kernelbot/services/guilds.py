"""Servers of Discord that the bot is in, and what was chosen for each.

What was chosen outlives the bot's being thrown out: whoever invites it again finds it as it was.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row

from kernelbot.errors import RateLimited
from kernelbot.services.context import Context
from kernelbot.services.views import GuildView
from kernelbot.storage import guilds as store
from kernelbot.storage import people

CHOICES = ("announcements_channel", "competitions_category")
MOST_CHANGES = 20
"""Of one server within ``WINDOW``: anybody manages a server of their own, and each change is a line of the audit log."""
WINDOW = timedelta(hours=1)


async def of(ctx: Context, guild_id: int) -> GuildView:
    """What was chosen for a server; nothing where nobody has."""
    async with ctx.database.read() as connection:
        row = await store.one(connection, guild_id)
    return GuildView(guild_id=guild_id) if row is None else _view(row)


async def all_of(ctx: Context) -> tuple[GuildView, ...]:
    """Every server that is known, also those that the bot has left meanwhile."""
    async with ctx.database.read() as connection:
        return tuple(_view(row) for row in await store.every(connection))


async def change(
    ctx: Context, actor_user_id: int, guild_id: int, **fields: int | None
) -> GuildView:
    """Choose some of ``CHOICES``, or with None nothing any more. Discord has proven that this person
    may manage the server. What is chosen already is not written down again. Raises RateLimited."""
    assert fields.keys() <= set(CHOICES), fields
    async with ctx.database.transaction() as connection:
        known = await store.one(connection, guild_id)
        before = _view(known) if known is not None else GuildView(guild_id=guild_id)
        # Whoever chooses the same once more wants what was deleted back: that counts from this moment.
        row = await store.change(connection, guild_id, actor_user_id, **fields)
        if any(getattr(before, name) != value for name, value in fields.items()):
            target = f"guild:{guild_id}"
            # The row of the server is held since it was changed: of two at once the second counts the first.
            earlier = await people.latest_of(connection, people.GUILD_CHANGED, target, MOST_CHANGES)
            _demand_few(earlier, datetime.now(UTC))
            await people.record(connection, actor_user_id, people.GUILD_CHANGED, target, **fields)
    return _view(row)


def _demand_few(earlier: Sequence[datetime], now: datetime) -> None:
    """``earlier``: the last changes of the server, ``MOST_CHANGES`` at most, the newest first."""
    if len(earlier) < MOST_CHANGES or earlier[-1] + WINDOW <= now:
        return
    raise RateLimited(
        f"What this server chose has changed {MOST_CHANGES} times within an hour; more is not taken.",
        retry_after_s=math.ceil((earlier[-1] + WINDOW - now).total_seconds()),
        code="too_many_changes",
    )


async def known(ctx: Context, guild_id: int) -> bool:
    """Whether this server has been met, set up or not."""
    async with ctx.database.read() as connection:
        return await store.one(connection, guild_id) is not None


async def met(ctx: Context, guild_id: int) -> None:
    """From now on this server is known."""
    async with ctx.database.transaction() as connection:
        await store.add(connection, guild_id)


def _view(row: Row[Any]) -> GuildView:
    return GuildView(**row._mapping)
