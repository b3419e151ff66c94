"""How every interaction comes in: acknowledged first, then somebody we know."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, cast

import aiohttp
import discord
import structlog
from discord.ui import View

from kernelbot.bot import rest
from kernelbot.bot.messages import LOCALE
from kernelbot.domain.people import Actor, Scope
from kernelbot.services import identity
from kernelbot.services.context import Context

CHANNEL = "discord"
PROVIDER = "discord"
HEARD_WITHIN_S = 3.0
"""Discord's: later it takes no answer any more."""

Interaction = discord.Interaction[Any]

log = structlog.get_logger()


def speak(interaction: Interaction) -> None:
    """From here on, in this task, in the language of this person."""
    LOCALE.set(interaction.locale.value)


async def defer(interaction: Interaction) -> None:
    """ "Thinking…", to this person alone. Before any I/O: Discord gives three seconds in all."""
    await _heard(lambda: interaction.response.defer(ephemeral=True, thinking=True))


async def defer_change(interaction: Interaction) -> None:
    """The message under which this was pressed is about to change. Before any I/O, as ``defer``."""
    await _heard(interaction.response.defer)


async def change(interaction: Interaction, view: View) -> None:
    """As ``defer_change``, with other buttons under that message at once."""
    await _heard(lambda: interaction.response.edit_message(view=view))


async def _heard(acknowledge: Callable[[], Awaitable[Any]]) -> None:
    """Acknowledge once, also where Discord hears us and its answer is lost: it tells the second attempt that
    there was a first, which then was ours and not that of another bot.
    """
    rest.CUT_OFF.set(False)
    for last in (False, True):
        try:
            async with asyncio.timeout(HEARD_WITHIN_S):
                await acknowledge()
            return
        except discord.HTTPException as error:
            if error.code != rest.ANSWERED or not rest.CUT_OFF.get():
                raise
            return
        except (aiohttp.ClientError, OSError):
            if last:
                raise


async def conclude(interaction: Interaction, content: str) -> None:
    """Tell what was done in place of whatever stands there; never raises. It is done: that Discord takes no edit
    must not be told as a failure of it.
    """
    try:
        await interaction.edit_original_response(content=content, view=None)
    except rest.NO_ANSWER as error:
        log.warning("an outcome is told in a message of its own", error=repr(error))
        try:
            await interaction.followup.send(content, ephemeral=True)
        except rest.NO_ANSWER as failure:
            log.warning("an outcome could not be told", error=repr(failure), outcome=content[:80])


def ctx_of(interaction: Interaction) -> Context:
    return cast(Context, cast(Any, interaction.client).ctx)


async def person(interaction: Interaction) -> Actor:
    """Who is behind this interaction: Discord has proven it. They are called what they call themselves: a nickname is
    of one server, whose moderators may give it.
    """
    user = interaction.user
    name = user.global_name or user.name
    return await identity.person(ctx_of(interaction), PROVIDER, str(user.id), name, CHANNEL)


async def administrator(interaction: Interaction) -> Actor:
    """Who is behind this interaction, with what administrators may do. Raises Forbidden for everybody whose role
    in our database is another, whatever this server lets them see.

    Nowhere else does somebody in Discord have the scope: what an administrator does with other commands they do
    as anybody does.
    """
    actor = await person(interaction)
    admin = replace(actor, scopes=actor.scopes | {Scope.ADMIN})
    admin.needs(Scope.ADMIN)
    return admin
