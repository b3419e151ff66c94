"""Sending a message once, although every call may fail, hang or succeed without our hearing of it.

Two things make a repeated send harmless: Discord gives back the same message for the same nonce
within a few minutes, and after that our own message is found in the channel by the key in its footer.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import discord
from discord.abc import Messageable
from discord.ui import View

from kernelbot.bot.render import Post

CLOCKS_APART = timedelta(minutes=2)
LOOKED_THROUGH = 1000
"""Messages of a channel read in search of our own."""

UNKNOWN_CHANNEL, UNKNOWN_MESSAGE = 10003, 10008
MISSING_ACCESS, MISSING_PERMISSIONS, NO_DMS, ARCHIVED = 50001, 50013, 50007, 50083
UNREACHABLE = {UNKNOWN_CHANNEL, MISSING_ACCESS, MISSING_PERMISSIONS, NO_DMS}
"""Nothing can be said in this channel, now or by trying again."""


async def send(channel: Messageable, post: Post, view: View | None = None) -> discord.Message:
    """Send with the post's key as nonce (25 characters at most)."""
    arguments = post.sending()
    if view is not None:
        arguments["view"] = view
    if post.key:
        arguments["nonce"] = post.key[-25:]
    message: discord.Message = await channel.send(**arguments)
    return message


async def send_once(
    channel: Messageable, post: Post, me: int, *, since: datetime, again: bool,
    view: View | None = None,
) -> discord.Message:  # fmt: skip
    """Send; with ``again`` (it may have been sent before) look for it first, from ``since`` on."""
    if again:
        earlier = await find(channel, post.key, me, since)
        if earlier is not None:
            return earlier
    return await send(channel, post, view)


async def find(channel: Messageable, key: str, me: int, since: datetime) -> discord.Message | None:
    """Our own message with this key, if it is there."""
    after = since - CLOCKS_APART
    async for message in channel.history(after=after, limit=LOOKED_THROUGH, oldest_first=True):
        if message.author.id == me and any(embed.footer.text == key for embed in message.embeds):
            return message
    return None
