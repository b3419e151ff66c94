"""The outbox as announcements: claimed, delivered once, tried again when delivery failed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from kernelbot.services import access
from kernelbot.services.context import Context
from kernelbot.services.views import Announcement, Place, Podium, Reveal, RevealedPodium
from kernelbot.storage import contests, outbox
from kernelbot.storage.changes import OUTBOX

CHANGED = OUTBOX
"""The channel of ``ctx.events`` that wakes whoever delivers announcements."""


async def claim(
    ctx: Context, topics: Sequence[str], limit: int, hold_s: float,
    *, busy: Collection[int] = (), in_order: int = 0,
) -> tuple[Announcement, ...]:  # fmt: skip
    """Announcements to deliver now. What is not acknowledged within ``hold_s`` seconds comes again,
    with a higher ``attempt``: whoever gets it then first looks whether it was delivered after all.

    What is for one server comes one by one, not while the server is ``busy``. What is for one leaderboard, or of
    machines, comes in the order of its writing, until the first of it was tried ``in_order`` times.
    """
    async with ctx.database.transaction() as connection:
        rows = await outbox.claim(connection, topics, limit, hold_s, busy=busy, in_order=in_order)
    return tuple(
        Announcement(
            id=row.id,
            key=row.key,
            topic=row.topic,
            payload=row.payload,
            attempt=row.attempts,
            created_at=row.created_at,
        )
        for row in rows
    )


async def delivered(ctx: Context, announcement_id: int, receipt: str) -> None:
    """It was told; ``receipt`` is the id of the message it became."""
    async with ctx.database.transaction() as connection:
        await outbox.delivered(connection, announcement_id, receipt)


async def failed(ctx: Context, announcement_id: int, trouble: str, retry_s: float) -> None:
    """It could not be told; it comes again in ``retry_s`` seconds."""
    async with ctx.database.transaction() as connection:
        await outbox.failed(connection, announcement_id, trouble, retry_s)


async def began(ctx: Context, announcement_id: int, guild_id: int) -> datetime | None:
    """It is sent to this server now, which is written down before; when that first began, if it did before and
    nobody knows what came of it."""
    async with ctx.database.transaction() as connection:
        return await outbox.began(connection, announcement_id, guild_id)


async def posted(ctx: Context, announcement_id: int, guild_id: int, message_id: int) -> None:
    """It stands in this server, so it is not posted there again."""
    async with ctx.database.transaction() as connection:
        await outbox.posted(connection, announcement_id, guild_id, message_id)


async def receipts(ctx: Context, announcement_id: int) -> dict[int, int]:
    """By server the message that it has become there."""
    async with ctx.database.read() as connection:
        rows = await outbox.receipts_of(connection, announcement_id)
    return {row.guild_id: row.message_id for row in rows}


async def everybody_may_hear(ctx: Context, announcement: Announcement) -> bool:
    """Whether it may be read by people of whom nothing is known: now, whatever held when it was written."""
    about = announcement.payload
    async with ctx.database.read() as connection:
        if board := about.get("leaderboard"):
            row = await contests.board_named(connection, board)
        elif competition := about.get("competition"):
            row = await contests.competition_named(connection, competition)
        else:
            return True
    return row is not None and access.of_strangers().sees(row)


def podium(announcement: Announcement) -> Podium:
    return Podium(**announcement.payload)


def reveal(announcement: Announcement) -> Reveal:
    podiums = tuple(
        RevealedPodium(**{**item, "places": tuple(Place(**place) for place in item["places"])})
        for item in announcement.payload["podiums"]
    )
    return Reveal(**{**announcement.payload, "podiums": podiums})
