"""``/submit`` and ``/cancel``."""

from __future__ import annotations

import asyncio
import re
from typing import Any, cast

import aiohttp
import discord
import structlog
from discord import app_commands

from kernelbot.bot import autocomplete, render
from kernelbot.bot.cards import Cards
from kernelbot.bot.door import Interaction, ctx_of, defer, person
from kernelbot.bot.places import Places
from kernelbot.domain.admission import MAX_CODE_BYTES
from kernelbot.domain.submission import Draft
from kernelbot.errors import InvalidInput, TooLarge
from kernelbot.judge.protocol import Mode
from kernelbot.services import submit as service
from kernelbot.services.views import SubmissionView

DOWNLOAD_S = 20.0

MODES = [
    app_commands.Choice(name=f"{mode.value}: {words}", value=mode.value)
    for mode, words in render.MODES.items()
]

log = structlog.get_logger()


@app_commands.command(name="submit", description="Send a kernel to a leaderboard")
@app_commands.describe(
    file="Your kernel, up to 1 MB",
    leaderboard="Which leaderboard; may also stand in the file",
    gpu="Which GPU, or several with commas; may also stand in the file",
    mode="What to do with it (test if left out)",
    case="Of a profile: which benchmark, from 0 (the slowest if left out)",
)
@app_commands.choices(mode=MODES)
@app_commands.autocomplete(leaderboard=autocomplete.boards, gpu=autocomplete.gpus)
async def submit(
    interaction: Interaction,
    file: discord.Attachment,
    leaderboard: str | None = None,
    gpu: str | None = None,
    mode: str = Mode.TEST.value,
    case: app_commands.Range[int, 0, 99_999] | None = None,
) -> None:
    await defer(interaction)
    draft = Draft(
        code=await _downloaded(file),
        file_name=file.filename,
        leaderboard=leaderboard,
        gpus=tuple(re.split(r"[,\s]+", gpu.strip())) if gpu and gpu.strip() else (),
        mode=mode,
        profile_case=case,
        # Discord may deliver an interaction twice after a reconnect; it counts once.
        idempotency_key=f"discord:{interaction.id}",
    )
    actor = await person(interaction)
    view = await service.accept(ctx_of(interaction), actor, draft)
    log.info("accepted", submission=view.id, user=actor.user_id)
    await acknowledged(interaction, view, actor.user_id)


async def acknowledged(interaction: Interaction, view: SubmissionView, user_id: int) -> None:
    """Say so at once, then with the link to the card. The submission is safe whatever fails here."""
    client = cast(Any, interaction.client)
    cards, places = cast(Cards, client.cards), cast(Places, client.places)
    first = asyncio.create_task(_say(interaction, render.accepted(view)))
    link = trouble = ""
    try:
        with cards.expecting(view.id):
            place = await places.of(interaction, user_id)
            link = await cards.open(view, place, str(interaction.user.id))
    except discord.HTTPException as error:
        log.warning("a card could not be placed", submission=view.id, error=str(error))
        trouble = (
            "I could neither open a thread here nor write to you directly, so follow it with "
            f"`/submission id:{view.id}`. Allow direct messages from this server to change that."
        )
    await first
    await _say(interaction, render.accepted(view, link, trouble))


async def _say(interaction: Interaction, post: render.Post) -> None:
    """Into the answer to the command. Its failure changes nothing about the submission."""
    try:
        await interaction.edit_original_response(**post.editing())
    except (discord.HTTPException, aiohttp.ClientError) as error:
        log.warning("an acknowledgement was lost", error=str(error))


async def _downloaded(file: discord.Attachment) -> bytes:
    """The attachment's content. Raises TooLarge before any byte is fetched."""
    if file.size > MAX_CODE_BYTES:
        raise TooLarge(
            f"{file.filename[:60]!r} has {file.size:,} bytes; the limit is {MAX_CODE_BYTES:,}.",
            detail={"limit_bytes": MAX_CODE_BYTES, "bytes": file.size},
        )
    try:
        async with asyncio.timeout(DOWNLOAD_S):
            return await file.read()
    except (discord.HTTPException, aiohttp.ClientError, TimeoutError) as error:
        raise InvalidInput(
            "Discord did not hand over your file. Send the command again.", code="no_file"
        ) from error


@app_commands.command(name="cancel", description="Stop one of your submissions")
@app_commands.describe(id="Its number, as in #812")
async def cancel(interaction: Interaction, id: app_commands.Range[int, 1]) -> None:
    await defer(interaction)
    view = await service.cancel(ctx_of(interaction), await person(interaction), id)
    await interaction.edit_original_response(**render.cancelled(view).editing())


COMMANDS: tuple[app_commands.Command[Any, ..., None], ...] = (submit, cancel)
