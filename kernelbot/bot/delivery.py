"""Sending a message once, although every call may fail, hang or succeed without our hearing of it.

Two things make a repeated send harmless: Discord gives back the same message for the same nonce
within a few minutes, and after that our own message is found in the channel by the key in its footer.
Discord knows a nonce by its sender alone, in whatever channel, so ours are of the channel too.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, Protocol

import discord
from discord.ui import View

from kernelbot.bot.post import Post

CLOCKS_APART = timedelta(minutes=2)
LOOKED_THROUGH = 1000
"""Messages of a channel read in search of our own, the newest first."""
MOST_DELETED = 5
"""Messages with the same key, one after the other, each deleted within minutes."""

UNKNOWN_CHANNEL, UNKNOWN_MESSAGE = 10003, 10008
MISSING_ACCESS, MISSING_PERMISSIONS, NO_DMS, ARCHIVED = 50001, 50013, 50007, 50083
UNREACHABLE = {UNKNOWN_CHANNEL, MISSING_ACCESS, MISSING_PERMISSIONS, NO_DMS}
"""Nothing can be said in this channel, now or by trying again."""


class Channel(Protocol):
    """Where messages are sent and read."""

    @property
    def id(self) -> int: ...

    @property
    def send(self) -> Callable[..., Coroutine[Any, Any, discord.Message]]: ...

    @property
    def history(self) -> Callable[..., AsyncIterator[discord.Message]]: ...


async def send(channel: Channel, post: Post, view: View | None = None) -> discord.Message:
    """Send with a nonce. While Discord knows of one that its message was deleted, with the next."""
    for deleted in range(MOST_DELETED):
        try:
            return await channel.send(**_arguments(channel, post, view, deleted))
        except discord.NotFound as error:
            if error.code != UNKNOWN_MESSAGE or not post.key:
                raise
    return await channel.send(**_arguments(channel, post, view, MOST_DELETED))


def _arguments(channel: Channel, post: Post, view: View | None, deleted: int) -> dict[str, Any]:
    arguments = post.sending()
    if view is not None:
        arguments["view"] = view
    if post.key:
        arguments["nonce"] = nonce(post.key, channel.id, deleted)
    return arguments


def nonce(key: str, channel_id: int, deleted: int = 0) -> str:
    """At most 25 characters, as Discord wants it; another after each message that was deleted."""
    told = f"{channel_id} {deleted} {key}"
    return hashlib.sha256(told.encode()).hexdigest()[:25]


async def send_once(
    channel: Channel, post: Post, me: int, *, since: datetime, again: bool,
    view: View | None = None,
) -> discord.Message:  # fmt: skip
    """Send; with ``again`` (it may have been sent before, at ``since`` at the earliest) look for it first."""
    if again:
        earlier = await find(channel, post.key, me, since)
        if earlier is not None:
            return earlier
    return await send(channel, post, view)


async def find(channel: Channel, key: str, me: int, since: datetime) -> discord.Message | None:
    """Our own message with this key, if it is there."""
    after = since - CLOCKS_APART
    async for message in channel.history(after=after, limit=LOOKED_THROUGH, oldest_first=False):
        if message.author.id == me and any(embed.footer.text == key for embed in message.embeds):
            return message
    return None
