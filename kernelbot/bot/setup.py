"""``/setup``: whoever manages a server chooses where announcements and competitions go, and sees what is missing."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, Self, cast

import discord
from discord import app_commands
from discord.ui import Button, ChannelSelect, DynamicItem, View

from kernelbot.bot import delivery, permissions, setup_page
from kernelbot.bot.door import Interaction, ctx_of, defer, defer_change, person
from kernelbot.bot.errors import Declined, guarded
from kernelbot.bot.messages import say, speaking
from kernelbot.bot.post import BLUE, Post
from kernelbot.bot.setup_page import Server
from kernelbot.bot.views import without_memory
from kernelbot.services import desk, guilds

OFFERED = {
    "announcements_channel": [discord.ChannelType.text, discord.ChannelType.news],
    "competitions_category": [discord.ChannelType.category],
}
_making: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
"""Whoever presses twice gets one category."""


@app_commands.command(
    name="setup", description="Choose where announcements and competitions go in this server"
)
@app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
@app_commands.default_permissions(manage_guild=True)
async def setup(interaction: Interaction) -> None:
    guild = _managed(interaction)
    await defer(interaction)
    await _show(interaction, guild)


def may_set_up(interaction: Interaction) -> bool:
    """Discord has computed it for this very interaction; settings of a server may offer commands to others."""
    allowed = interaction.permissions
    return interaction.guild_id is not None and (allowed.manage_guild or allowed.administrator)


def _managed(interaction: Interaction) -> discord.Guild:
    guild = interaction.guild
    if guild is None or cast(discord.Member | None, guild.me) is None:
        raise Declined(say("setup.nowhere"))
    if not may_set_up(interaction):
        raise Declined(say("setup.may_not"))
    return guild


async def _show(interaction: Interaction, guild: discord.Guild) -> None:
    ctx = ctx_of(interaction)
    server = Server(guild, await guilds.of(ctx, guild.id))
    link = permissions.invite(interaction.application_id)
    desks = await desk.status(ctx, guild.id)
    post = setup_page.page(server, ctx.settings.discord_channel, link, desks)
    await interaction.edit_original_response(**post.editing(), view=_controls(server))


def _controls(server: Server) -> View:
    view = View(timeout=None)
    for choice in OFFERED:
        view.add_item(_select(choice, server.place(choice)))
    steps = ["none" if server.chosen("competitions_category") else "make"]
    steps += ["hello"] if server.place("announcements_channel") else []
    for step in (*steps, "look"):
        view.add_item(_button(step))
    return without_memory(view)


def _select(choice: str, now: setup_page.Place | None = None) -> ChannelSelect[Any]:
    return ChannelSelect(
        custom_id=f"kb:setup:{choice}",
        channel_types=OFFERED[choice],
        placeholder=say(f"setup.choose.{choice}"),
        min_values=0,
        max_values=1,
        default_values=[_as_default(now)] if now is not None else [],
    )


def _as_default(place: setup_page.Place) -> discord.SelectDefaultValue:
    return discord.SelectDefaultValue(id=place.id, type=discord.SelectDefaultValueType.channel)


def _button(step: str) -> Button[Any]:
    style = discord.ButtonStyle.secondary
    return Button(label=say(f"setup.button.{step}"), style=style, custom_id=f"kb:setup:{step}")


class Choice(
    DynamicItem[ChannelSelect[Any]], template=rf"kb:setup:(?P<choice>{'|'.join(OFFERED)})"
):
    """A channel or category was chosen, or none any more."""

    def __init__(self, choice: str) -> None:
        super().__init__(_select(choice))
        self.choice = choice

    @classmethod
    async def from_custom_id(cls, interaction: Interaction, item: Any, match: Any, /) -> Self:
        return cls(match["choice"])

    @guarded
    async def callback(self, interaction: Interaction) -> None:
        guild = _managed(interaction)
        await defer_change(interaction)
        values = cast(dict[str, Any], interaction.data or {}).get("values") or []
        chosen = int(values[0]) if values else None
        kind = setup_page.KINDS[self.choice]
        try:
            if chosen is not None and not isinstance(guild.get_channel(chosen), kind):
                raise Declined(say("setup.not_here"))
            await _change(interaction, guild, self.choice, chosen)
        finally:  # a menu shows what was picked, also where it was refused, until it is drawn again
            await _show(interaction, guild)


async def _change(
    interaction: Interaction, guild: discord.Guild, choice: str, chosen: int | None
) -> None:
    actor = await person(interaction)
    await guilds.change(ctx_of(interaction), actor.user_id, guild.id, **{choice: chosen})


# --- buttons -----------------------------------------------------------------------------------------


async def _make(interaction: Interaction, guild: discord.Guild) -> None:
    """One of that name that is there already is taken: somebody may have pressed before."""
    choice = "competitions_category"
    async with _making[guild.id]:
        if Server(guild, await guilds.of(ctx_of(interaction), guild.id)).place(choice) is None:
            name = say("setup.category")
            there = discord.utils.get(guild.categories, name=name)
            category = there or await _made(guild, name)
            await _change(interaction, guild, choice, category.id)


async def _made(guild: discord.Guild, name: str) -> discord.CategoryChannel:
    lacking = permissions.missing(guild.me.guild_permissions, permissions.NEW_CATEGORY)
    if lacking:
        raise Declined(say("setup.cannot_make", names=", ".join(lacking)))
    return await guild.create_category(name)


async def _none(interaction: Interaction, guild: discord.Guild) -> None:
    await _change(interaction, guild, "competitions_category", None)


async def _hello(interaction: Interaction, guild: discord.Guild) -> None:
    server = Server(guild, await guilds.of(ctx_of(interaction), guild.id))
    channel = server.place("announcements_channel")
    if not isinstance(channel, discord.TextChannel):
        raise Declined(say("setup.no_channel"))
    lacking = permissions.missing(channel.permissions_for(guild.me), permissions.SPEAK)
    if lacking:
        names = ", ".join(lacking)
        raise Declined(say("setup.cannot_speak", place=channel.mention, names=names))
    with speaking(guild.preferred_locale.value):
        embed = discord.Embed(description=say("setup.example"), colour=BLUE)
    # Discord may deliver an interaction twice; the same key makes it one message.
    message = await delivery.send(channel, Post(embeds=(embed,), key=f"hello {interaction.id}"))
    await interaction.followup.send(say("setup.said", link=message.jump_url), ephemeral=True)


async def _look(interaction: Interaction, guild: discord.Guild) -> None:
    """What is shown after every step is all there is to it."""


STEPS: dict[str, Callable[[Interaction, discord.Guild], Awaitable[None]]] = {
    "make": _make,
    "none": _none,
    "hello": _hello,
    "look": _look,
}


class Step(DynamicItem[Button[Any]], template=rf"kb:setup:(?P<step>{'|'.join(STEPS)})"):
    def __init__(self, step: str) -> None:
        super().__init__(_button(step))
        self.step = step

    @classmethod
    async def from_custom_id(cls, interaction: Interaction, item: Any, match: Any, /) -> Self:
        return cls(match["step"])

    @guarded
    async def callback(self, interaction: Interaction) -> None:
        guild = _managed(interaction)
        await defer_change(interaction)
        await STEPS[self.step](interaction, guild)
        await _show(interaction, guild)


COMMANDS: tuple[app_commands.Command[Any, ..., None], ...] = (setup,)
DYNAMIC: tuple[type[DynamicItem[Any]], ...] = (Choice, Step)
