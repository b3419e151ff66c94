"""Telling what the outbox has, for as long as the bot runs."""

from __future__ import annotations

from abc import ABC, abstractmethod

import discord
import structlog

from kernelbot.services import announce
from kernelbot.services.context import Context

log = structlog.get_logger()


class Teller(ABC):
    """Some topics of the outbox; what fails waits and is told later."""

    what: str
    look_every_s: float

    def __init__(self, client: discord.Client, ctx: Context) -> None:
        self._client = client
        self._ctx = ctx

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
