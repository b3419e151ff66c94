"""What single people asked to hear of, ready to be worded: that somebody passed them, that time runs out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from kernelbot.domain.notifying import Preferences
from kernelbot.domain.people import Actor
from kernelbot.domain.ranking import Standing
from kernelbot.services import preferences, standings
from kernelbot.services.context import Context
from kernelbot.services.views import Announcement
from kernelbot.storage import notices as store

TOPICS = ("overtaken", "deadline")


@dataclass(frozen=True, kw_only=True)
class Notice:
    """For one person. What they did not ask for any more, or is not so any more, is none."""

    subject: str  # whom it is for, as their provider knows them
    wanted: Preferences
    leaderboard: str
    gpu: str = ""
    own: Standing | None = None  # where they are now, of one who was passed
    ahead: Standing | None = None  # who is in front of them
    closes_at: datetime | None = None  # of a deadline


async def plan_deadlines(ctx: Context) -> int:
    """Put in what is due; repeating it does no harm. How many notices that made."""
    async with ctx.database.transaction() as connection:
        return await store.deadlines(connection)


async def read(ctx: Context, item: Announcement, provider: str) -> Notice | None:
    """What there is to tell now; None: nothing any more, or nobody to tell it to."""
    user_id, board = int(item.payload["user_id"]), str(item.payload["leaderboard"])
    wanted = await preferences.of(ctx, user_id)
    async with ctx.database.read() as connection:
        subject = await store.subject(connection, user_id, provider)
    if subject is None:
        return None
    if item.topic == "deadline":
        closes_at = datetime.fromtimestamp(item.payload["closes_at"], UTC)
        if not wanted.deadlines or closes_at <= datetime.now(UTC):
            return None
        return Notice(subject=subject, wanted=wanted, leaderboard=board, closes_at=closes_at)
    if not wanted.overtaken:
        return None
    gpu = str(item.payload["gpu"])
    reader = Actor(user_id=user_id, name="", channel=provider)
    found = (await standings.boards(ctx, reader, [board])).get((board.lower(), gpu))
    own = found[1].by_user.get(user_id) if found else None
    if found is None or own is None or own.rank == 1 or found[1].frozen_until is not None:
        return None
    before = [row for row in found[1].standings if row.rank < own.rank and row.earlier is None]
    if not before:
        return None
    return Notice(
        subject=subject, wanted=wanted, leaderboard=board, gpu=gpu, own=own, ahead=before[-1]
    )
