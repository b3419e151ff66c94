"""Direct messages that people asked for: somebody passed them, a leaderboard closes soon. Once each."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime

import discord
import structlog

from kernelbot.bot import announcement_posts, delivery
from kernelbot.bot.door import PROVIDER
from kernelbot.bot.messages import speaking
from kernelbot.bot.outbox import Teller
from kernelbot.bot.places import Places
from kernelbot.services import notices as service
from kernelbot.services.context import Context
from kernelbot.services.views import Announcement

PLAN_EVERY_S = 60.0

log = structlog.get_logger()


class Notices(Teller):
    what, topics, at_once = "notices", service.TOPICS, 5
    hold_s, patience_s, look_every_s = 60.0, 15.0, 5.0
    retry_s, longest_retry_s = 10.0, 600.0

    def __init__(self, client: discord.Client, ctx: Context, places: Places) -> None:
        super().__init__(client, ctx)
        self._places = places
        self._planned = -PLAN_EVERY_S

    async def claimed(self, most: int) -> Sequence[Announcement]:
        if time.monotonic() - self._planned >= PLAN_EVERY_S:
            await service.plan_deadlines(self._ctx)
            self._planned = time.monotonic()
        return await super().claimed(most)

    async def told(self, item: Announcement) -> str:
        found = await service.read(self._ctx, item, PROVIDER)
        if found is None:
            return "not wanted"
        with speaking(found.wanted.locale):
            post = announcement_posts.personal(
                found, announcement_posts.notice_key(item.id), datetime.now(UTC)
            )
        me = self._client.user
        try:
            channel_id = await self._places.direct(int(found.subject))
            message = await delivery.send_once(
                self._client.get_partial_messageable(channel_id),
                post,
                me.id if me else 0,
                since=item.created_at,
                again=item.attempt > 1,
            )
        except discord.HTTPException as error:
            if error.code in delivery.UNREACHABLE:  # they take no direct messages: so be it
                return "unreachable"
            raise
        return str(message.id)
