"""Telling what the outbox has, for as long as the bot runs."""

from __future__ import annotations

from abc import ABC, abstractmethod

import discord
import structlog

from kernelbot.services import announce
from kernelbot.services.context import Context
from kernelbot.services.views import Announcement

log = structlog.get_logger()


class Teller(ABC):
    """Some topics of the outbox; what fails waits and is told later."""

    what: str
    look_every_s: float
    retry_s: float
    longest_retry_s: float

    def __init__(self, client: discord.Client, ctx: Context) -> None:
        self._client = client
        self._ctx = ctx
        self._complained: set[str] = set()

    async def run(self) -> None:
        """For ever: what is due, then wait for more."""
        async with self._ctx.events.on(announce.CHANGED) as changed:
            while True:
                await self._client.wait_until_ready()
                try:
                    told = await self.tell_due()
                except Exception as error:
                    log.warning(f"{self.what} wait", error=repr(error))
                    told = 0
                if not told:
                    await changed.wait(self.look_every_s)

    @abstractmethod
    async def tell_due(self) -> int:
        """Claim what is due and tell it; how many were claimed."""

    async def put_off(self, item: Announcement, error: Exception) -> None:
        """It could not be told now; each trouble is complained of once."""
        trouble = str(error) or type(error).__name__
        pause = min(self.longest_retry_s, self.retry_s * 2 ** min(item.attempt - 1, 10))
        if trouble not in self._complained:
            self._complained.add(trouble)
            log.warning(f"{self.what} wait", id=item.id, trouble=trouble, for_s=pause)
        try:
            await announce.failed(self._ctx, item.id, trouble, pause)
        except Exception as failure:  # it comes again by itself when its hold ends
            log.warning(f"could not put {self.what} off", error=repr(failure))
