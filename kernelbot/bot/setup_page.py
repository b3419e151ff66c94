"""What ``/setup`` shows of a server: what was chosen, what that does, and which permissions are missing where."""

from __future__ import annotations

from dataclasses import dataclass

import discord

from kernelbot.bot import permissions, render
from kernelbot.bot.messages import say
from kernelbot.domain.competition import own_channel
from kernelbot.services.views import GuildView

NEEDED = {
    "announcements_channel": permissions.POST,
    "competitions_category": permissions.FORUMS,
}
"""By choice what the bot has to be allowed in the place that is chosen."""

Place = discord.TextChannel | discord.CategoryChannel


@dataclass(frozen=True)
class Server:
    """A server at Discord together with what was chosen for it."""

    guild: discord.Guild
    view: GuildView

    def chosen(self, choice: str) -> int | None:
        found: int | None = getattr(self.view, choice)
        return found

    def place(self, choice: str) -> Place | None:
        """What was chosen, where it is still there."""
        found = self.guild.get_channel(self.chosen(choice) or 0)
        fits = isinstance(found, KINDS[choice])
        return found if fits else None  # type: ignore[return-value]

    @property
    def role(self) -> str:
        """Whose permissions are to be changed."""
        role = self.guild.self_role
        return role.mention if role is not None else self.guild.me.mention


KINDS: dict[str, type[Place]] = {
    "announcements_channel": discord.TextChannel,
    "competitions_category": discord.CategoryChannel,
}


def page(server: Server, named: str, link: str) -> render.Post:
    """``named`` is the channel of servers that have chosen none, ``link`` the one that invites the bot."""
    embed = discord.Embed(
        title=say("setup.title", server=render.plain(server.guild.name, 100)),
        description=say("setup.intro"),
        colour=render.BLUE,
    )
    for choice in NEEDED:
        lines = [say(f"setup.does.{choice}"), *_state(server, choice, named)]
        embed.add_field(name=say(f"setup.name.{choice}"), value="\n".join(lines), inline=False)
    value = "\n".join(_everywhere(server, link))
    embed.add_field(name=say("setup.server"), value=value, inline=False)
    return render.Post(embeds=(render.fitted(embed),))


def _state(server: Server, choice: str, named: str) -> list[str]:
    if server.chosen(choice) is None:
        by_name = choice == "announcements_channel" and own_channel(named) is None
        return [say("setup.by_name", name=named) if by_name else say("setup.nothing_chosen")]
    place = server.place(choice)
    if place is None:
        return [say("setup.gone")]
    lacking = permissions.missing(place.permissions_for(server.guild.me), NEEDED[choice])
    there = say("setup.chosen", place=place.mention)
    if not lacking:
        return [there, say("setup.fine")]
    names = ", ".join(lacking)
    return [there, say("setup.lacking", names=names, place=place.mention, role=server.role)]


def _everywhere(server: Server, link: str) -> list[str]:
    """What no single place decides."""
    allowed = server.guild.me.guild_permissions
    threads = permissions.missing(allowed, permissions.THREADS)
    calendar = server.chosen("competitions_category") is not None
    events = permissions.missing(allowed, permissions.EVENTS) if calendar else ()
    if not threads and not events:
        return [say("setup.server.fine")]
    names = ", ".join((*threads, *events))
    lines = [say("setup.server.lacking", names=names, role=server.role, link=link)]
    lines += [say("setup.server.threads")] if threads else []
    lines += [say("setup.server.events")] if events else []
    return lines
