"""``/me``: one's own places, allowance, accounts, and what to be notified of."""

from __future__ import annotations

import re
from typing import Any, Self

import discord
from discord import app_commands
from discord.ui import Button, DynamicItem, TextInput, View

from kernelbot.bot import forms, me_posts
from kernelbot.bot.door import Interaction, ctx_of, defer, defer_change, person
from kernelbot.bot.errors import guarded
from kernelbot.bot.forms import Filled, field
from kernelbot.bot.messages import say
from kernelbot.bot.text import cut
from kernelbot.bot.views import without_memory
from kernelbot.domain.notifying import Preferences, clock
from kernelbot.domain.people import Actor
from kernelbot.services import identity, preferences, standings, submit

QUIET = "quiet"


@app_commands.command(
    name="me", description="Your places, what is left of your allowance, and notifications"
)
async def me(interaction: Interaction) -> None:
    await defer(interaction)
    await _show(interaction, await person(interaction))


async def _show(interaction: Interaction, actor: Actor) -> None:
    ctx = ctx_of(interaction)
    await preferences.speak(ctx, actor.user_id, interaction.locale.value)
    wanted = await preferences.of(ctx, actor.user_id)
    post = me_posts.me(
        await identity.me(ctx, actor),
        await submit.allowance(ctx, actor),
        await standings.own_places(ctx, actor),
        wanted,
    )
    await interaction.edit_original_response(**post.editing(), view=_switches(wanted))


def _switches(wanted: Preferences) -> View:
    view = View(timeout=None)
    for name in preferences.SWITCHES:
        state = me_posts.on_or_off(getattr(wanted, name))
        view.add_item(_button(name, say(f"me.button.{name}", state=state)))
    view.add_item(QuietButton(wanted))
    return without_memory(view)


def _button(name: str, label: str) -> Button[Any]:
    style = discord.ButtonStyle.secondary
    return Button(label=cut(label, 80), style=style, custom_id=f"kb:me:{name}")


class Switch(
    DynamicItem[Button[Any]],
    template=rf"kb:me:(?P<name>{'|'.join(preferences.SWITCHES)})",
):
    """Turns one notification on or off, of whoever presses it."""

    def __init__(self, name: str) -> None:
        super().__init__(_button(name, "·"))
        self.name = name

    @classmethod
    async def from_custom_id(
        cls, interaction: Interaction, item: Any, match: re.Match[str], /
    ) -> Self:
        return cls(match["name"])

    @guarded
    async def callback(self, interaction: Interaction) -> None:
        await defer_change(interaction)
        actor = await person(interaction)
        await preferences.switch(ctx_of(interaction), actor, self.name)
        await _show(interaction, actor)


class QuietButton(
    DynamicItem[Button[Any]],
    template=r"kb:me:quiet(:(?P<begin>[0-9]{0,4}):(?P<end>[0-9]{0,4}):(?P<zone>[\w/+-]{0,64}))?",
):
    """Asks for quiet hours. It carries them, as a form must be shown before the database is asked."""

    def __init__(self, wanted: Preferences) -> None:
        begin, end = ("" if at is None else at for at in (wanted.quiet_from, wanted.quiet_until))
        super().__init__(
            Button(
                label=say("quiet.button"),
                style=discord.ButtonStyle.secondary,
                custom_id=f"kb:me:quiet:{begin}:{end}:{wanted.zone}",
            )
        )
        self.wanted = wanted

    @classmethod
    async def from_custom_id(
        cls, interaction: Interaction, item: Any, match: re.Match[str], /
    ) -> Self:
        begin, end = (int(match[name]) if match[name] else None for name in ("begin", "end"))
        zone = match["zone"] or Preferences().zone
        return cls(Preferences(quiet_from=begin, quiet_until=end, zone=zone))

    @guarded
    async def callback(self, interaction: Interaction) -> None:
        await _ask_quiet(interaction, self.wanted)


async def _ask_quiet(interaction: Interaction, wanted: Preferences) -> None:
    def written(name: str, minute: int | None) -> TextInput[Any]:
        default = None if minute is None else clock(minute)
        return TextInput(custom_id=name, required=False, max_length=5, default=default)

    zone = TextInput[Any](custom_id="zone", required=False, max_length=64, default=wanted.zone)
    await forms.show(
        interaction,
        QUIET,
        say("quiet.title"),
        [
            field(say("quiet.from"), written("from", wanted.quiet_from), say("quiet.hint")),
            field(say("quiet.until"), written("until", wanted.quiet_until), say("quiet.hint")),
            field(say("quiet.zone"), zone, say("quiet.zone.hint")),
        ],
    )


async def quiet(interaction: Interaction, filled: Filled) -> None:
    """The form came back."""
    await defer_change(interaction)
    actor = await person(interaction)
    begin, end, zone = (filled.get(name, "") for name in ("from", "until", "zone"))
    await preferences.quiet(ctx_of(interaction), actor, begin, end, zone)
    await _show(interaction, actor)


COMMANDS: tuple[app_commands.Command[Any, ..., None], ...] = (me,)
DYNAMIC: tuple[type[DynamicItem[Any]], ...] = (Switch, QuietButton)
FORMS: dict[str, forms.Handler] = {QUIET: quiet}
