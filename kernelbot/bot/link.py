"""``/link``: let a command line in that shows a code; an administrator may let it in as one, for a day."""

from __future__ import annotations

import re
from typing import Any, Self

import discord
from discord import app_commands
from discord.ui import Button, DynamicItem, View

from kernelbot.bot.door import (
    Interaction,
    administrator,
    conclude,
    ctx_of,
    defer,
    defer_change,
    person,
)
from kernelbot.bot.errors import guarded
from kernelbot.bot.messages import say
from kernelbot.bot.text import plain, relative
from kernelbot.bot.views import without_memory
from kernelbot.domain.people import Role
from kernelbot.services import logins


@app_commands.command(name="link", description="Let a command line in that shows a code")
@app_commands.describe(code="What `kernelbot login --discord` shows, like BCDF-GHJK")
async def link(interaction: Interaction, code: app_commands.Range[str, 1, 20]) -> None:
    """Asks first: whoever is talked into typing a stranger's code gives their account away."""
    await defer(interaction)
    found = await logins.waiting(ctx_of(interaction), code)
    text = say("link.ask", client=plain(found.client, 64), when=relative(found.asked_at))
    view = View(timeout=None)
    view.add_item(_button(found.code, as_admin=False))
    if (await person(interaction)).role is Role.ADMIN:
        text = f"{text}\n\n{say('link.ask.admin')}"
        view.add_item(_button(found.code, as_admin=True))
    await interaction.edit_original_response(content=text, view=without_memory(view))


def _button(code: str, *, as_admin: bool) -> Button[Any]:
    custom_id = f"kb:link:{'admin:' if as_admin else ''}{code}"
    label = say("link.yes.admin" if as_admin else "link.yes")
    return Button(label=label, style=discord.ButtonStyle.danger, custom_id=custom_id)


class LinkButton(
    DynamicItem[Button[Any]], template=r"kb:link:(?P<admin>admin:)?(?P<code>[A-Z]{4}-[A-Z]{4})"
):
    """Lets it in, as whoever presses; as an administrator only who is one at that moment."""

    def __init__(self, code: str, *, as_admin: bool) -> None:
        super().__init__(_button(code, as_admin=as_admin))
        self.code, self.as_admin = code, as_admin

    @classmethod
    async def from_custom_id(
        cls, interaction: Interaction, item: Any, match: re.Match[str], /
    ) -> Self:
        return cls(match["code"], as_admin=match["admin"] is not None)

    @guarded
    async def callback(self, interaction: Interaction) -> None:
        await defer_change(interaction)
        actor = await (administrator if self.as_admin else person)(interaction)
        await logins.approve(ctx_of(interaction), actor, self.code, as_admin=self.as_admin)
        await conclude(interaction, say("link.done.admin" if self.as_admin else "link.done"))


COMMANDS: tuple[app_commands.Command[Any, ..., None], ...] = (link,)
DYNAMIC: tuple[type[DynamicItem[Any]], ...] = (LinkButton,)
