"""``/admin hints`` and what decides about single results."""

from __future__ import annotations

from typing import Any

from discord import app_commands

from kernelbot.bot.admin import cards
from kernelbot.bot.door import Interaction, ctx_of, defer, desk
from kernelbot.services import moderation


@app_commands.command(name="hints", description="What a reviewer may want to look at in a file")
@app_commands.describe(submission="Its number")
async def hints(interaction: Interaction, submission: app_commands.Range[int, 1]) -> None:
    await defer(interaction)
    found = await moderation.hints(ctx_of(interaction), await desk(interaction), submission)
    post = cards.hints(submission, found)
    await interaction.edit_original_response(**post.editing())


COMMANDS: tuple[app_commands.Command[Any, ..., None], ...] = (hints,)
