"""Direct messages that people asked for: somebody passed them, a leaderboard closes soon. Once each."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import discord
import structlog

from kernelbot.bot import delivery, render
from kernelbot.bot.door import PROVIDER
from kernelbot.bot.outbox import Teller
from kernelbot.bot.places import Places
from kernelbot.services import announce
from kernelbot.services import notices as service
from kernelbot.services.context import Context
from kernelbot.services.views import Announcement

PLAN_EVERY_S = 60.0
AT_ONCE = 5
HOLD_S, PATIENCE_S = 60.0, 15.0

log = structlog.get_logger()


class Notices(Teller):
    what, look_every_s = "notices", 5.0
    retry_s, longest_retry_s = 10.0, 600.0

    def __init__(self, client: discord.Client, ctx: Context, places: Places) -> None:
        super().__init__(client, ctx)
        self._places = places
        self._planned = -PLAN_EVERY_S

    async def tell_due(self) -> int:
        """Claim what is due and tell it; how many were claimed."""
        if time.monotonic() - self._planned >= PLAN_EVERY_S:
            await service.plan_deadlines(self._ctx)
            self._planned = time.monotonic()
        claimed = await announce.claim(self._ctx, service.TOPICS, AT_ONCE, HOLD_S)
        await asyncio.gather(*(self._tell(item) for item in claimed))
        return len(claimed)

    async def _tell(self, item: Announcement) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                receipt = await self._told(item)
                await announce.delivered(self._ctx, item.id, receipt)
        except Exception as error:
            await self.put_off(item, error)

    async def _told(self, item: Announcement) -> str:
        found = await service.read(self._ctx, item, PROVIDER)
        if found is None:
            return "not wanted"
        post = render.personal(found, render.notice_key(item.id), datetime.now(UTC))
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
