"""``/link``: let a command line in that shows a code."""

from __future__ import annotations

import re
from typing import Any, Self

import discord
from discord import app_commands
from discord.ui import Button, DynamicItem, View

from kernelbot.bot import render
from kernelbot.bot.door import Interaction, ctx_of, defer, defer_change, person
from kernelbot.bot.errors import guarded
from kernelbot.bot.messages import say
from kernelbot.bot.views import without_memory
from kernelbot.services import logins


@app_commands.command(name="link", description="Let a command line in that shows a code")
@app_commands.describe(code="What `kernelbot login --discord` shows, like BCDF-GHJK")
async def link(interaction: Interaction, code: app_commands.Range[str, 1, 20]) -> None:
    """Asks first: whoever is talked into typing a stranger's code gives their account away."""
    await defer(interaction)
    found = await logins.waiting(ctx_of(interaction), code)
    text = say(
        "link.ask", client=render.plain(found.client, 64), when=render.relative(found.asked_at)
    )
    view = View(timeout=None)
    view.add_item(_button(found.code))
    await interaction.edit_original_response(content=text, view=without_memory(view))


def _button(code: str) -> Button[Any]:
    style = discord.ButtonStyle.danger
    return Button(label=say("link.yes"), style=style, custom_id=f"kb:link:{code}")


class LinkButton(DynamicItem[Button[Any]], template=r"kb:link:(?P<code>[A-Z]{4}-[A-Z]{4})"):
    def __init__(self, code: str) -> None:
        super().__init__(_button(code))
        self.code = code

    @classmethod
    async def from_custom_id(
        cls, interaction: Interaction, item: Any, match: re.Match[str], /
    ) -> Self:
        return cls(match["code"])

    @guarded
    async def callback(self, interaction: Interaction) -> None:
        await defer_change(interaction)
        await logins.approve(ctx_of(interaction), await person(interaction), self.code)
        await interaction.edit_original_response(content=say("link.done"), view=None)


COMMANDS: tuple[app_commands.Command[Any, ..., None], ...] = (link,)
DYNAMIC: tuple[type[DynamicItem[Any]], ...] = (LinkButton,)
