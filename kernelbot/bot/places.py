"""Where a person is told things: a private thread of theirs in the channel, else a direct message."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Literal

import discord
import structlog

from kernelbot.bot import render
from kernelbot.bot.door import Interaction
from kernelbot.services import cards
from kernelbot.services.context import Context

ARCHIVE_MINUTES: Literal[1440] = 1440
PATIENCE_S = 20.0
"""After that long in the line for a thread a direct message is better."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Place:
    """A channel; without a guild a direct message."""

    channel_id: int
    guild_id: int | None = None

    def link(self, message_id: int) -> str:
        return (
            f"https://discord.com/channels/{self.guild_id or '@me'}/{self.channel_id}/{message_id}"
        )


class Places:
    """Finds or makes the place; one thread a person and channel, remembered in the database."""

    def __init__(self, client: discord.Client, ctx: Context) -> None:
        self._client = client
        self._ctx = ctx
        self._locks: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def of(self, interaction: Interaction, user_id: int) -> Place:
        """The channel to show this person's submission in.

        Raises discord.HTTPException when not even a direct message is possible.
        """
        channel = interaction.channel
        if isinstance(channel, discord.Thread):
            if channel.is_private() and channel.owner_id == self._me:
                return Place(channel.id, channel.guild.id)
            channel = channel.parent
        if isinstance(channel, discord.TextChannel) and _threads_allowed(interaction):
            try:
                thread_id = await self._thread(channel, interaction.user, user_id)
                return Place(thread_id, channel.guild.id)
            except (discord.HTTPException, TimeoutError) as error:
                log.info("no thread, a direct message", channel=channel.id, error=repr(error))
        return Place(await self.direct(interaction.user.id))

    @property
    def _me(self) -> int:
        return self._client.user.id if self._client.user else 0

    async def direct(self, subject: int) -> int:
        """The id of the direct-message channel with a Discord user."""
        return (await self._client.create_dm(discord.Object(subject))).id

    async def _thread(self, channel: discord.TextChannel, user: Any, user_id: int) -> int:
        known = await self._known(user_id, channel.id)
        if known is not None:
            return known
        # One after the other: Discord makes about one thread a second in a channel, and whoever
        # sends many at once is refused more often than served.
        line = self._locks[channel.id]
        await asyncio.wait_for(line.acquire(), PATIENCE_S)
        try:
            known = await self._known(user_id, channel.id)
            return known or await self._made(channel, user, user_id)
        finally:
            line.release()

    async def _known(self, user_id: int, channel_id: int) -> int | None:
        known = await cards.thread(self._ctx, user_id, channel_id)
        return known if known is not None and await self._exists(known) else None

    async def _made(self, channel: discord.TextChannel, user: Any, user_id: int) -> int:
        name = render.cut(f"{render.clean(user.display_name)}'s kernels", render.THREAD_NAME)
        thread = await channel.create_thread(
            name=name,
            type=discord.ChannelType.private_thread,
            invitable=False,
            auto_archive_duration=ARCHIVE_MINUTES,
        )
        await thread.add_user(user)
        await cards.remember_thread(self._ctx, user_id, channel.id, thread.id)
        return thread.id

    async def _exists(self, thread_id: int) -> bool:
        try:
            await self._client.fetch_channel(thread_id)
        except (discord.NotFound, discord.Forbidden):
            return False
        return True


def _threads_allowed(interaction: Interaction) -> bool:
    allowed = interaction.app_permissions
    return allowed.create_private_threads and allowed.send_messages_in_threads
