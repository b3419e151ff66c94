"""Where a person is told things: a private thread of theirs, one for each competition and server, else, or
where they want it so, a direct message."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Literal

import discord
import structlog

from kernelbot.bot import permissions, rest
from kernelbot.bot.door import Interaction
from kernelbot.bot.limits import THREAD_NAME
from kernelbot.bot.text import clean, cut
from kernelbot.services import cards, competitions, preferences
from kernelbot.services.context import Context

ARCHIVE_MINUTES: Literal[1440] = 1440
PATIENCE_S, MAKING_S = 20.0, 10.0
"""After that long in the line for a thread, and in the making of it, a direct message is better."""
LOOK_S = 5.0

log = structlog.get_logger()


@dataclass(frozen=True)
class Place:
    """A channel; without a guild a direct message."""

    channel_id: int
    guild_id: int | None = None
    lacking: tuple[str, ...] = ()  # permissions without which it is no thread
    why: str = ""
    """It is no thread otherwise: the end of a key of the catalogue, "accepted.not_here.…"."""

    def link(self, message_id: int) -> str:
        return (
            f"https://discord.com/channels/{self.guild_id or '@me'}/{self.channel_id}/{message_id}"
        )


class Places:
    """Finds or makes the place; threads are remembered in the database."""

    def __init__(self, client: discord.Client, ctx: Context) -> None:
        self._client = client
        self._ctx = ctx
        self._locks: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def of(self, interaction: Interaction, user_id: int, competition: str) -> Place:
        """The channel to show this person's submission in.

        Raises discord.HTTPException when not even a direct message is possible.
        """
        channel = interaction.channel
        if isinstance(channel, discord.Thread):
            channel = channel.parent
        lacking: tuple[str, ...] = ()
        why = ""
        if isinstance(channel, discord.abc.GuildChannel):
            wanted = await preferences.of(self._ctx, user_id)
            # Who manages a server's threads reads private ones too.
            direct = wanted.direct or not await competitions.is_public(self._ctx, competition)
            user = interaction.user
            known = None if direct else await self._known(user_id, channel, user, competition)
            if known is not None:
                return Place(known, channel.guild.id)
            why = "" if direct else _no_threads_in(channel)
            if isinstance(channel, discord.TextChannel) and not direct and not why:
                lacking = permissions.missing(interaction.app_permissions, permissions.THREADS)
                if not lacking:
                    try:
                        thread = await self._thread(channel, user, user_id, competition)
                        return Place(thread, channel.guild.id)
                    except rest.NO_ANSWER as error:
                        log.info("no thread", channel=channel.id, error=repr(error))
                        why = "refused"
        return Place(await self.direct(interaction.user.id), lacking=lacking, why=why)

    async def direct(self, subject: int) -> int:
        """The id of the direct-message channel with a Discord user."""
        return (await self._client.create_dm(discord.Object(subject))).id

    async def _thread(
        self, channel: discord.TextChannel, user: Any, user_id: int, competition: str
    ) -> int:
        # One after the other: Discord makes about one thread a second in a channel, and whoever
        # sends many at once is refused more often than served.
        line = self._locks[channel.id]
        await asyncio.wait_for(line.acquire(), PATIENCE_S)
        try:
            known = await self._known(user_id, channel, user, competition)
            async with asyncio.timeout(MAKING_S):
                return known or await self._made(channel, user, user_id, competition)
        finally:
            line.release()

    async def reads(self, channel_id: int, subject: int) -> bool:
        """Whether whom something is for can read it there: of a thread they may have left they are made a member
        again. Only what the gateway told of is looked at, which costs one call."""
        thread = self._client.get_channel(channel_id)
        return not isinstance(thread, discord.Thread) or await _held(_seat(thread, subject))

    async def _known(
        self, user_id: int, channel: discord.abc.GuildChannel, user: Any, competition: str
    ) -> int | None:
        known = await cards.thread(self._ctx, user_id, channel.guild.id, competition)
        return known if known is not None and await self._usable(known, user.id) else None

    async def _made(
        self, channel: discord.TextChannel, user: Any, user_id: int, competition: str
    ) -> int:
        who = cut(clean(user.display_name), 32)
        name = cut(f"{who} · {clean(competition)}", THREAD_NAME)
        thread = await channel.create_thread(
            name=name,
            type=discord.ChannelType.private_thread,
            invitable=False,
            auto_archive_duration=ARCHIVE_MINUTES,
        )
        await thread.add_user(user)
        guild = channel.guild.id
        await cards.remember_thread(self._ctx, user_id, guild, competition, thread.id)
        return thread.id

    async def _usable(self, thread_id: int, subject: int) -> bool:
        """Whether the thread is there, with its owner in it."""

        async def taken() -> None:
            thread = await self._client.fetch_channel(thread_id)
            assert isinstance(thread, discord.Thread), "only threads are remembered"
            await _seat(thread, subject)

        return await _held(taken())


def _no_threads_in(channel: discord.abc.GuildChannel) -> str:
    """Why there are no private threads in such a channel; nothing where there are."""
    if isinstance(channel, discord.ForumChannel):
        return "forum"
    if isinstance(channel, discord.VoiceChannel | discord.StageChannel):
        return "voice"
    return "news" if isinstance(channel, discord.TextChannel) and channel.is_news() else ""


async def _seat(thread: discord.Thread, subject: int) -> None:
    """Who left the thread, or the server and came back, is in it again; who never left stays in it."""
    if thread.archived:
        await thread.edit(archived=False)
    await thread.add_user(discord.Object(subject))


async def _held(taking: Coroutine[Any, Any, None]) -> bool:
    """Where Discord does not say, what is remembered holds: a card that meets a closed door moves."""
    try:
        async with asyncio.timeout(LOOK_S):
            await taking
    except (discord.NotFound, discord.Forbidden):
        return False
    except rest.NO_ANSWER as error:
        log.info("a thread could not be looked up", error=repr(error))
    return True
