"""What the bot says by itself about a server: hello when it comes in, and when a place that was chosen is deleted."""

from __future__ import annotations

import discord
import structlog

from kernelbot.bot import delivery, permissions, rest
from kernelbot.bot.messages import LOCALE, say
from kernelbot.bot.post import BLUE, Post
from kernelbot.services import guilds
from kernelbot.services.context import Context

log = structlog.get_logger()


async def joined(ctx: Context, guild: discord.Guild) -> None:
    """Say once how it is set up, where the server wants such messages; never again, however often the bot is
    invited."""
    log.info("in a server", guild=guild.id, name=guild.name)
    channel = _open(guild)
    if channel is None or await guilds.known(ctx, guild.id):
        return
    LOCALE.set(guild.preferred_locale.value)
    if await _say(channel, say("setup.welcome"), f"hello {guild.id}"):
        await guilds.met(ctx, guild.id)


async def left(guild: discord.Guild) -> None:
    """What was chosen is kept: whoever invites the bot again finds it."""
    log.info("out of a server", guild=guild.id, name=guild.name)


async def deleted(ctx: Context, place: discord.abc.GuildChannel) -> None:
    """If this is where things were to be posted, say so: they are not posted any more."""
    guild = place.guild
    view = await guilds.of(ctx, guild.id)
    for choice in guilds.CHOICES:
        if getattr(view, choice) != place.id:
            continue
        log.warning("a chosen place is gone", guild=guild.id, choice=choice)
        LOCALE.set(guild.preferred_locale.value)
        if (channel := _open(guild)) is not None:
            await _say(channel, say(f"setup.lost.{choice}"), f"lost {place.id}")


def _open(guild: discord.Guild) -> discord.TextChannel | None:
    """The channel for such messages, if the bot may write in it."""
    channel = guild.system_channel
    if channel is None or permissions.missing(channel.permissions_for(guild.me), permissions.SPEAK):
        return None
    return channel


async def _say(channel: discord.TextChannel, words: str, key: str) -> bool:
    """Whether it stands there, as far as we know."""
    embed = discord.Embed(description=words, colour=BLUE)
    try:
        await delivery.send(channel, Post(embeds=(embed,), key=key))
    except rest.NO_ANSWER as error:
        log.warning("a server could not be told", guild=channel.guild.id, error=repr(error))
        return False
    return True
