"""Telling what the outbox has, for as long as the bot runs."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

import discord
import structlog

from kernelbot.bot import permissions
from kernelbot.services import announce
from kernelbot.services.context import Context
from kernelbot.services.views import Announcement

MOST_COMPLAINTS = 1000
"""That are remembered; then each may be made once more."""

log = structlog.get_logger()


class CannotTell(Exception):
    """There is nowhere to say it; the words are for the operator."""


def check(channel: discord.abc.GuildChannel | discord.Thread, needed: Iterable[str]) -> None:
    """Name what is missing. Without the history Discord shows an empty channel, not a refusal,
    and what was said before would be said again.
    """
    lacking = permissions.missing(channel.permissions_for(channel.guild.me), needed)
    if lacking:
        raise CannotTell(f"the bot lacks {', '.join(lacking)}")


class Teller(ABC):
    """Some topics of the outbox; what fails waits and is told later."""

    what: str
    topics: Sequence[str]
    at_once: int
    hold_s: float
    patience_s: float  # less than the hold: nobody else has the item while we tell it
    look_every_s: float
    retry_s: float
    longest_retry_s: float
    in_order: int = (
        0  # how often something is tried before what came later for the same place overtakes it
    )

    def __init__(self, client: discord.Client, ctx: Context) -> None:
        self._client = client
        self._ctx = ctx
        self._complained: set[str] = set()
        self._telling: dict[asyncio.Task[None], Announcement] = {}

    @abstractmethod
    async def told(self, item: Announcement) -> str:
        """Tell it; what is kept as the receipt. Whatever is raised puts it off."""

    async def run(self) -> None:
        """For ever: what is due, then wait for more. One that takes long holds up no other."""
        async with self._ctx.events.on(announce.CHANGED) as changed, asyncio.TaskGroup() as tasks:

            def ended(task: asyncio.Task[None]) -> None:
                del self._telling[task]
                changed.wake("")  # it may have held something back

            while True:
                await self._client.wait_until_ready()
                claimed = await self._claimed_quietly(self.at_once - len(self._telling))
                for item in claimed:
                    task = tasks.create_task(self._tell(item))
                    self._telling[task] = item
                    task.add_done_callback(ended)
                if len(self._telling) >= self.at_once:
                    await asyncio.wait(self._telling, return_when=asyncio.FIRST_COMPLETED)
                elif not claimed:
                    await changed.wait(self.look_every_s)

    async def tell_due(self) -> int:
        """Claim what is due and tell it, until nothing is; how much it was."""
        count = 0
        while claimed := await self.claimed(self.at_once):
            await asyncio.gather(*(self._tell(item) for item in claimed))
            count += len(claimed)
        return count

    async def claimed(self, most: int) -> Sequence[Announcement]:
        """What is due, ours for ``hold_s``."""
        about = [item.payload for item in self._telling.values()]
        busy = {int(payload["guild_id"]) for payload in about if "guild_id" in payload}
        return await announce.claim(
            self._ctx, self.topics, most, self.hold_s, busy=busy, in_order=self.in_order
        )

    async def _claimed_quietly(self, most: int) -> Sequence[Announcement]:
        try:
            async with asyncio.timeout(self.hold_s):
                return await self.claimed(most)
        except Exception as error:
            log.warning(f"{self.what} wait", error=repr(error))
            return ()

    async def _tell(self, item: Announcement) -> None:
        try:
            async with asyncio.timeout(self.patience_s):
                receipt = await self.told(item)
                await announce.delivered(self._ctx, item.id, receipt)
        except Exception as error:
            await self._put_off(item, error)

    async def _put_off(self, item: Announcement, error: Exception) -> None:
        """It could not be told now; each trouble is complained of once."""
        trouble = str(error) or type(error).__name__
        pause = min(self.longest_retry_s, self.retry_s * 2 ** min(item.attempt - 1, 10))
        if trouble not in self._complained:
            if len(self._complained) >= MOST_COMPLAINTS:
                self._complained.clear()
            self._complained.add(trouble)
            log.warning(f"{self.what} wait", id=item.id, trouble=trouble, for_s=pause)
        try:
            await announce.failed(self._ctx, item.id, trouble, pause)
        except Exception as failure:  # it comes again by itself when its hold ends
            log.warning(f"could not put {self.what} off", error=repr(failure))
