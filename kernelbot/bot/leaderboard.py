"""``/leaderboard``, ``/problem``, ``/queue`` and ``/help``: looking around."""

from __future__ import annotations

from typing import Any

from discord import app_commands

from kernelbot.bot import autocomplete, render, views
from kernelbot.bot.door import Interaction, ctx_of, defer, person
from kernelbot.services import competitions, standings


@app_commands.command(name="leaderboard", description="Who is fastest")
@app_commands.describe(name="Which leaderboard", gpu="On which GPU (its first one if left out)")
@app_commands.rename(name="leaderboard")
@app_commands.autocomplete(name=autocomplete.boards, gpu=autocomplete.gpus)
async def leaderboard(interaction: Interaction, name: str, gpu: str | None = None) -> None:
    await defer(interaction)
    post, view = await views.board_page(interaction, name, gpu, 0)
    await interaction.edit_original_response(**post.editing(), view=view)


@app_commands.command(name="problem", description="What to compute, with files to start from")
@app_commands.describe(name="Which problem")
@app_commands.autocomplete(name=autocomplete.problems)
async def problem(interaction: Interaction, name: str) -> None:
    await defer(interaction)
    actor = await person(interaction)
    found = await competitions.problem(ctx_of(interaction), actor, name)
    await interaction.followup.send(**render.problem(found).sending(), ephemeral=True)


@app_commands.command(name="queue", description="How many wait for which GPU")
async def queue(interaction: Interaction) -> None:
    await defer(interaction)
    post = render.queue(await standings.queues(ctx_of(interaction)))
    await interaction.edit_original_response(**post.editing())


@app_commands.command(name="help", description="How to compete")
async def help_(interaction: Interaction) -> None:
    await interaction.response.send_message(**render.help_text().sending(), ephemeral=True)


COMMANDS: tuple[app_commands.Command[Any, ..., None], ...] = (leaderboard, problem, queue, help_)
