"""What the outbox has for Discord, told exactly once across crashes of ours and of Discord's.

An announcement is claimed, noted as begun in a server, sent there and acknowledged. Whoever finds it begun
cannot know how far that came, so looks for the message in the channel before sending.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

import discord
import structlog

from kernelbot.bot import announcement_posts, delivery, permissions, submission_posts
from kernelbot.bot.cards import Cards
from kernelbot.bot.messages import LOCALE
from kernelbot.bot.outbox import CannotTell, Teller, check
from kernelbot.bot.post import Post
from kernelbot.domain.competition import own_channel
from kernelbot.services import announce, bulletins, guilds
from kernelbot.services.context import Context
from kernelbot.services.views import Announcement

TOPICS = ("podium", "reveal", "finished", "decided", "notice", "bulletin")
AT_ONCE = 20
SERVERS_AT_ONCE = 20

log = structlog.get_logger()


@dataclass(frozen=True)
class _Posted:
    guild_id: int
    message_id: int


@dataclass(frozen=True)
class _Trouble:
    """Why a server has not heard of it."""

    words: str
    passes: bool  # so it is worth another try


class Announcer(Teller):
    what, topics, at_once = "announcements", TOPICS, AT_ONCE
    hold_s, patience_s, look_every_s = 20.0, 15.0, 2.0
    retry_s, longest_retry_s = 5.0, 300.0
    in_order = 2

    def __init__(self, client: discord.Client, ctx: Context, cards: Cards) -> None:
        super().__init__(client, ctx)
        self._cards = cards
        self._at_once = asyncio.Semaphore(SERVERS_AT_ONCE)

    async def told(self, item: Announcement) -> str:
        if item.topic == "finished":
            reached = await self._cards.finish(int(item.payload["submission_id"]))
            return "shown" if reached else "unreachable"
        if item.topic == "decided":
            reached = await self._cards.decided(
                int(item.payload["submission_id"]),
                int(item.payload["run_id"]),
                submission_posts.decision_key(item.id),
                since=item.created_at,
                again=item.attempt > 1,
            )
            return "shown" if reached else "unreachable"
        try:
            return await self._post(item)
        except CannotTell as error:
            if await self._nobody_hears(item):
                log.warning("a bulletin is given up", announcement=item.id, trouble=str(error))
                return "unheard"
            raise

    async def _nobody_hears(self, item: Announcement) -> bool:
        """Of a bulletin: what organizers said of a day need not be said in a server that is set up weeks later."""
        old = datetime.now(UTC) - item.created_at > bulletins.LASTS
        return (
            item.topic == bulletins.TOPIC
            and old
            and not await announce.receipts(self._ctx, item.id)
        )

    # --- in servers ------------------------------------------------------------------------------

    async def _post(self, item: Announcement) -> str:
        """Once in each server that is to hear of it; the ids of the messages.

        A server that shuts us out is left out where another has heard of it. One that fails for now is
        tried again alone: where it stands already is in the database.
        """
        if not _own_channel(item) and not await announce.everybody_may_hear(self._ctx, item):
            return "nowhere"
        told = await announce.receipts(self._ctx, item.id)
        channels, refused = await self._channels(item)
        tried = await asyncio.gather(
            *(self._bring(item, channel) for channel in channels if channel.guild.id not in told)
        )
        told |= {post.guild_id: post.message_id for post in tried if isinstance(post, _Posted)}
        troubles = [found for found in tried if isinstance(found, _Trouble)]
        if passing := [trouble.words for trouble in troubles if trouble.passes]:
            raise CannotTell("; ".join(passing))
        if (away := self._away(told)) and not (_own_channel(item) and told):
            raise CannotTell(f"Discord does not reach server {', '.join(map(str, away))}")
        refused += [trouble.words for trouble in troubles]
        if not told:
            raise CannotTell(
                "; ".join(refused) or f"no guild has a text channel {self._named(item)!r}"
            )
        for words in refused:
            log.warning("an announcement was refused", announcement=item.id, trouble=words)
        return " ".join(map(str, told.values()))

    async def _channels(self, item: Announcement) -> tuple[list[discord.TextChannel], list[str]]:
        """Where it is to stand, once in each server; and why it cannot in others."""
        views = await guilds.all_of(self._ctx)
        chosen = {view.guild_id: view.announcements_channel for view in views}
        found, refused = [], []
        for guild in self._client.guilds:
            if guild.unavailable:
                continue
            try:
                channel = self._channel(guild, item, chosen.get(guild.id))
            except CannotTell as error:
                refused.append(str(error))
            else:
                found += [channel] if channel is not None else []
        return found, refused

    def _away(self, told: Collection[int]) -> list[int]:
        """Servers that Discord itself does not reach now, of which nothing is known until it does."""
        return [
            guild.id for guild in self._client.guilds if guild.unavailable and guild.id not in told
        ]

    def _channel(
        self, guild: discord.Guild, item: Announcement, chosen: int | None
    ) -> discord.TextChannel | None:
        """In this server: the one channel that its competition names by id, else what was chosen here, else
        the first of the name."""
        own = _own_channel(item)
        if own is not None or chosen is not None:
            by_id = guild.get_channel(own or chosen or 0)
            if isinstance(by_id, discord.TextChannel):
                return by_id
            if own is None:
                raise CannotTell(
                    f"the channel that was chosen in {guild.name} is gone: /setup there"
                )
            return None
        wanted = self._named(item)
        fitting = [
            channel
            for channel in guild.text_channels
            if channel.name == wanted or str(channel.id) == wanted
        ]
        return fitting[0] if fitting else None

    def _named(self, item: Announcement) -> str:
        return item.payload["channel"] or self._ctx.settings.discord_channel

    async def _bring(self, item: Announcement, channel: discord.TextChannel) -> _Posted | _Trouble:
        guild = channel.guild
        where = f"#{channel.name} in {guild.name}"
        LOCALE.set(guild.preferred_locale.value)
        try:
            async with self._at_once:
                check(channel, permissions.SPEAK)
                before = await announce.began(self._ctx, item.id, guild.id)
                if before is not None:
                    check(channel, permissions.POST)
                message = await delivery.send_once(
                    channel, _worded(item), guild.me.id,
                    since=before or item.created_at, again=before is not None,
                )  # fmt: skip
                await announce.posted(self._ctx, item.id, guild.id, message.id)
        except (CannotTell, discord.Forbidden, discord.NotFound) as error:
            return _Trouble(f"{where}: {error}", passes=False)
        except Exception as error:
            return _Trouble(f"{where}: {error!r}", passes=not _is_final(error))
        return _Posted(guild.id, message.id)


def _is_final(error: Exception) -> bool:
    """Whether Discord will say the same to the same message: all that it refuses but for a while, or to anybody."""
    for_now = (401, 408, 429)
    return (
        isinstance(error, discord.HTTPException)
        and 400 <= error.status < 500
        and error.status not in for_now
    )


def _own_channel(item: Announcement) -> int | None:
    """The channel that its competition has for itself, in one server and nowhere else."""
    return own_channel(item.payload["channel"])


def _worded(item: Announcement) -> Post:
    key = announcement_posts.notice_key(item.id)
    if item.topic == "reveal":
        return announcement_posts.reveal(announce.reveal(item), key)
    if item.topic == "notice":
        return announcement_posts.notice(
            str(item.payload["text"]), out=item.payload["state"] == "out", key=key
        )
    if item.topic == "bulletin":
        return announcement_posts.bulletin(
            str(item.payload["text"]), str(item.payload["title"]), key
        )
    return announcement_posts.podium(announce.podium(item), key)
