"""``/admin announce``: tell everybody something, after a look at how it will stand there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import discord
from discord import app_commands
from discord.ui import TextInput

from kernelbot.bot import announcement_posts, forms
from kernelbot.bot.admin import choices, confirm
from kernelbot.bot.door import Interaction, administrator, ctx_of, defer
from kernelbot.bot.forms import ABOUT, Filled, field
from kernelbot.bot.messages import say
from kernelbot.bot.text import plain
from kernelbot.domain.competition import own_channel
from kernelbot.domain.people import Actor
from kernelbot.services import bulletins, pending

FORM = "announce"

Name = app_commands.Range[str, 1, 80]
"""What the form has room for; the names of competitions are shorter."""


@app_commands.command(name="announce", description="Tell everybody something")
@app_commands.describe(competition="In its channel only (in every server if left out)")
@app_commands.autocomplete(competition=choices.contests)
async def announce(interaction: Interaction, competition: Name | None = None) -> None:
    text = TextInput[Any](
        custom_id="text", style=discord.TextStyle.long, max_length=bulletins.MAX_CHARACTERS
    )
    hint = say("announce.hint")
    fields = [field(say("announce.text"), text, hint)]
    await forms.show(interaction, FORM, say("announce.title"), fields, about=competition or "")


async def written(interaction: Interaction, filled: Filled) -> None:
    """The form came back."""
    await defer(interaction)
    ctx, admin = ctx_of(interaction), await administrator(interaction)
    competition = filled[ABOUT] or None
    found = await bulletins.drafted(ctx, admin, filled.get("text", ""), competition)
    post = announcement_posts.bulletin(found.text, found.title)
    where = say("announce.where.all")
    if found.competition:
        name, channel = plain(found.competition, 80), plain(found.channel, 100)
        if own := own_channel(found.channel):
            where = say("announce.where.channel", name=name, channel=f"<#{own}>")
        elif channel:
            where = say("announce.where.named", name=name, channel=channel)
        else:
            where = say("announce.where.competition", name=name)
    values = {"text": found.text, "competition": found.competition, "key": str(interaction.id)}
    asked = await pending.ask(ctx, admin, "announce", values)
    await interaction.followup.send(
        **{**post.sending(), "content": say("announce.ask", where=where)},
        view=confirm.buttons(asked.id),
        ephemeral=True,
    )


@confirm.act("announce")
async def _tell(interaction: Interaction, admin: Actor, values: Mapping[str, Any]) -> str:
    ctx = ctx_of(interaction)
    await bulletins.tell(ctx, admin, values["key"], values["text"], values["competition"])
    return say("announce.done")


COMMANDS: tuple[app_commands.Command[Any, ..., None], ...] = (announce,)
FORMS = {FORM: written}
