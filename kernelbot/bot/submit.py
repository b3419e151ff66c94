"""``/submit`` and ``/cancel``."""

from __future__ import annotations

import re
from typing import Any

import discord
from discord import app_commands

from kernelbot.bot import attachments, autocomplete, paste, submission_posts, whereto
from kernelbot.bot.door import Interaction, ctx_of, defer, person
from kernelbot.bot.errors import Declined
from kernelbot.bot.messages import say
from kernelbot.domain.admission import MAX_CODE_BYTES
from kernelbot.domain.submission import Draft
from kernelbot.judge.protocol import Mode
from kernelbot.services import submit as service

MODES = [
    app_commands.Choice(name=f"{mode.value}: {say(f'mode.{mode.value}')}", value=mode.value)
    for mode in Mode
]
"""In English: Discord is told them when commands are registered."""


@app_commands.command(name="submit", description="Send a kernel to a leaderboard")
@app_commands.describe(
    file="Your kernel, up to 1 MB (to paste it instead, leave this out)",
    leaderboard="Which leaderboard; may also stand in the file",
    gpu="Which GPU, or several with commas; may also stand in the file",
    mode="What to do with it (test if left out)",
    case="Of a profile: which benchmark, from 0 (the slowest if left out)",
)
@app_commands.choices(mode=MODES)
@app_commands.autocomplete(leaderboard=autocomplete.boards, gpu=autocomplete.gpus)
async def submit(
    interaction: Interaction,
    file: discord.Attachment | None = None,
    leaderboard: str | None = None,
    gpu: str | None = None,
    mode: str = Mode.TEST.value,
    case: app_commands.Range[int, 0, 99_999] | None = None,
) -> None:
    gpus = tuple(word for word in re.split(r"[,\s]+", gpu or "") if word)
    if file is None:
        if case is not None:
            raise Declined(say("paste.case"))
        await paste.ask(interaction, leaderboard=leaderboard or "", gpus=gpus, mode=mode)
        return
    await defer(interaction)
    draft = Draft(
        code=await attachments.downloaded(file, MAX_CODE_BYTES),
        file_name=file.filename,
        leaderboard=leaderboard,
        gpus=gpus,
        mode=mode,
        profile_case=case,
        # Discord may deliver an interaction twice after a reconnect; it counts once.
        idempotency_key=f"discord:{interaction.id}",
    )
    await whereto.send(interaction, draft)


@app_commands.command(name="cancel", description="Stop one of your submissions")
@app_commands.describe(id="Its number, as in #812")
@app_commands.autocomplete(id=autocomplete.own)
async def cancel(interaction: Interaction, id: app_commands.Range[int, 1]) -> None:
    await defer(interaction)
    view = await service.cancel(ctx_of(interaction), await person(interaction), id)
    await interaction.edit_original_response(**submission_posts.cancelled(view).editing())


COMMANDS: tuple[app_commands.Command[Any, ..., None], ...] = (submit, cancel)
