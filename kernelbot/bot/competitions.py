"""``/join`` and ``/standings``: competitions as a whole."""

from __future__ import annotations

from typing import Any

from discord import app_commands

from kernelbot.bot import render
from kernelbot.bot.door import Interaction, ctx_of, defer, person
from kernelbot.services import competition_standings, invitations


@app_commands.command(name="join", description="Come into a competition with a code")
@app_commands.describe(competition="Its name", code="What its organizer gave you")
async def join(interaction: Interaction, competition: str, code: str) -> None:
    await defer(interaction)
    actor = await person(interaction)
    view = await invitations.join(ctx_of(interaction), actor, competition, code)
    await interaction.edit_original_response(**render.joined(view).editing())


@app_commands.command(name="standings", description="Who is ahead across a competition")
@app_commands.describe(
    competition="Its name", phase="Which phase (the last that began if left out)"
)
async def standings(interaction: Interaction, competition: str, phase: str | None = None) -> None:
    await defer(interaction)
    actor = await person(interaction)
    page = await competition_standings.totals(
        ctx_of(interaction), actor, competition, phase, limit=render.ROWS
    )
    await interaction.edit_original_response(**render.totals(page).editing())


COMMANDS: tuple[app_commands.Command[Any, ..., None], ...] = (join, standings)
