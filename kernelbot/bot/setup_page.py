"""What ``/setup`` shows of a server: what was chosen, what that does, and which permissions are missing where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import discord

from kernelbot.bot import permissions
from kernelbot.bot.messages import say
from kernelbot.bot.post import BLUE, Post, fitted
from kernelbot.bot.text import plain
from kernelbot.domain.competition import own_channel
from kernelbot.services.desk import DeskStatus
from kernelbot.services.views import GuildView

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

    def lacking(self, choice: str, place: Place) -> tuple[str, ...]:
        """What the bot has to be allowed there and is not."""
        needed: tuple[str, ...] = permissions.POST
        if choice == "competitions_category":
            needed = permissions.FORUMS
            # Discord gives forums to communities only; others get text channels with threads.
            needed += () if "COMMUNITY" in self.guild.features else permissions.NO_FORUMS
        return permissions.missing(place.permissions_for(self.guild.me), needed)

    def unpinned(self, choice: str, place: Place) -> tuple[str, ...]:
        """What it is not allowed there and can do without: a forum's posts are pinned by who manages threads."""
        allowed = place.permissions_for(self.guild.me)
        if (
            choice != "competitions_category"
            or "COMMUNITY" in self.guild.features
            or allowed.manage_messages
        ):
            return ()
        return permissions.missing(allowed, permissions.PINS)

    @property
    def role(self) -> str:
        """Whose permissions are to be changed."""
        role = self.guild.self_role
        return role.mention if role is not None else self.guild.me.mention


KINDS: dict[str, type[Place]] = {
    "announcements_channel": discord.TextChannel,
    "competitions_category": discord.CategoryChannel,
}


def page(server: Server, named: str, link: str, desks: Sequence[DeskStatus] = ()) -> Post:
    """``named`` is the channel of servers that have chosen none, ``link`` the one that invites the bot; ``desks``
    are the competitions that the server shows."""
    embed = discord.Embed(
        title=say("setup.title", server=plain(server.guild.name, 100)),
        description=say("setup.intro"),
        colour=BLUE,
    )
    for choice in KINDS:
        lines = [say(f"setup.does.{choice}"), *_state(server, choice, named)]
        embed.add_field(name=say(f"setup.name.{choice}"), value="\n".join(lines), inline=False)
    value = "\n".join(_everywhere(server, link))
    embed.add_field(name=say("setup.server"), value=value, inline=False)
    if wrong := [line for item in desks for line in _wrong(item)]:
        embed.add_field(name=say("setup.shown"), value="\n".join(wrong), inline=False)
    return Post(embeds=(fitted(embed),))


def _state(server: Server, choice: str, named: str) -> list[str]:
    if server.chosen(choice) is None:
        return [_unchosen(server, choice, named)]
    place = server.place(choice)
    if place is None:
        return [say("setup.gone")]
    lacking = server.lacking(choice, place)
    there = say("setup.chosen", place=place.mention)
    pins = server.unpinned(choice, place)
    unpinned = [say("setup.pins", names=", ".join(pins))] if pins else []
    if not lacking:
        return [there, *(unpinned or [say("setup.fine")])]
    names = ", ".join(lacking)
    return [
        there,
        say("setup.lacking", names=names, place=place.mention, role=server.role),
        *unpinned,
    ]


def _unchosen(server: Server, choice: str, named: str) -> str:
    if choice != "announcements_channel":
        return say("setup.nothing_chosen")
    by_id = own_channel(named)
    if by_id is None:
        return say("setup.by_name", name=named)
    place = server.guild.get_channel(by_id)
    return say("setup.by_id", place=place.mention) if place else say("setup.nothing_chosen")


def _wrong(item: DeskStatus) -> list[str]:
    """What of a competition is not as it should be."""
    name = plain(item.competition, 60)
    lines = [say("setup.shown.trouble", name=name, trouble=item.trouble)] if item.trouble else []
    if item.left_away:
        lines.append(say("setup.shown.left_away", name=name, count=item.left_away))
    return lines


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
