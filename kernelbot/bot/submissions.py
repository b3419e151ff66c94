"""``/submissions`` and ``/submission``: one's own."""

from __future__ import annotations

from typing import Any

from discord import app_commands

from kernelbot.bot import render, views
from kernelbot.bot.door import Interaction, ctx_of, defer, person
from kernelbot.services import comparison
from kernelbot.services import submissions as service

SHOWN = 10


@app_commands.command(name="submissions", description="Your latest submissions")
async def submissions(interaction: Interaction) -> None:
    await defer(interaction)
    page = await service.mine(ctx_of(interaction), await person(interaction), limit=SHOWN)
    post = render.submissions(page.items, more=page.cursor is not None)
    await interaction.edit_original_response(**post.editing())


@app_commands.command(name="submission", description="One of your submissions, with its code")
@app_commands.describe(id="Its number, as in #812")
async def submission(interaction: Interaction, id: app_commands.Range[int, 1]) -> None:
    await defer(interaction)
    ctx, actor = ctx_of(interaction), await person(interaction)
    view = await service.submission(ctx, actor, id)
    code = await service.code(ctx, actor, id)
    compared = await comparison.of(ctx, view)
    post = render.submission(view, (code.file_name, code.content), compared)
    buttons = views.result_buttons(view) if view.done else views.card_buttons(view)
    await interaction.followup.send(**post.sending(), view=buttons, ephemeral=True)


COMMANDS: tuple[app_commands.Command[Any, ..., None], ...] = (submissions, submission)
