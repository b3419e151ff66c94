"""The one place where an exception becomes words in Discord.

A person's mistake is answered with what is wrong and how to fix it. Anything else is ours: the
person gets an apology with an id, the log gets the exception under the same id.
"""

from __future__ import annotations

import functools
import logging
import secrets
import time
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

import aiohttp
import discord
import structlog
from discord import app_commands

from kernelbot.bot import rest
from kernelbot.bot.door import speak
from kernelbot.bot.messages import say
from kernelbot.bot.text import plain
from kernelbot.errors import RateLimited, Refused, Unavailable

log = structlog.get_logger()

P = ParamSpec("P")

NOBODY_LEFT = {10062, rest.ANSWERED, 10015, 50027}
"""Unknown interaction, one answered already (delivered twice, or to a twin of ours), unknown
webhook, expired token: there is nobody to answer, and nothing of ours broke."""


DISCORDS_OWN = (
    discord.DiscordServerError,
    discord.RateLimited,
    aiohttp.ClientError,
    TimeoutError,
)
"""Neither the person's mistake nor ours; what was asked for may have been done all the same."""


class Declined(Refused):
    """A refusal of the bot's own: its message is from the catalogue, people's text in it escaped."""


def words(error: BaseException, also: str = "") -> str:
    """What to tell the person, and ``also``; always with an id, under which the log has the same."""
    cause, incident = cause_of(error), secrets.token_hex(4)
    refusal = refusal_in(cause)
    if refusal:
        code = cause.code if isinstance(cause, Refused) else "refused"
        log.info("refused", incident=incident, code=code)
        return f"{refusal} {also}".rstrip() + say("error.id", id=incident, code=code)
    return f"{_fault(cause, incident)} {also}".rstrip()


def _fault(cause: BaseException, incident: str) -> str:
    if isinstance(cause, Unavailable):
        log.warning("a command met a lost database", incident=incident, error=str(cause.__cause__))
        return say("error.database", id=incident)
    if isinstance(cause, DISCORDS_OWN):
        log.warning("Discord failed in a command", incident=incident, error=repr(cause))
        return say("error.discord", id=incident)
    log.error("a command failed", incident=incident, exc_info=cause)
    return say("error.ours", id=incident)


def cause_of(error: BaseException) -> BaseException:
    return error.original if isinstance(error, app_commands.CommandInvokeError) else error


def refusal_in(cause: BaseException) -> str:
    """What the person can do something about; nothing where it is a fault of ours."""
    if isinstance(cause, app_commands.CommandNotFound | app_commands.CommandSignatureMismatch):
        return say("error.changed")
    if isinstance(cause, app_commands.TransformerError):
        return say("error.unreadable", value=repr(plain(str(cause.value), 60)))
    if not isinstance(cause, Refused):
        return ""
    text = cause.message if isinstance(cause, Declined) else plain(cause.message, 1500)
    if isinstance(cause, RateLimited):
        text += " " + say("error.again", when=f"<t:{int(time.time()) + cause.retry_after_s}:R>")
    return text


async def tell(
    interaction: discord.Interaction[Any],
    error: BaseException,
    *,
    also: str = "",
    file: discord.File = discord.utils.MISSING,
) -> None:
    """Answer the person, whatever state the interaction is in; never raises. ``also`` and ``file``
    go with the words."""
    cause = cause_of(error)
    if isinstance(cause, discord.HTTPException) and cause.code in NOBODY_LEFT:
        log.info("an interaction is over", interaction=interaction.id, error=str(cause))
        return
    text = words(error, also)
    try:
        await _answer(interaction, text, file)
    except rest.NO_ANSWER as failure:
        gone = getattr(failure, "code", None) in NOBODY_LEFT
        log.log(
            logging.INFO if gone else logging.WARNING,
            "could not tell a person what went wrong",
            error=repr(failure),
            words=text,
        )


async def _answer(interaction: discord.Interaction[Any], text: str, file: discord.File) -> None:
    if not interaction.response.is_done():
        try:
            await interaction.response.send_message(text, file=file, ephemeral=True)
        except discord.HTTPException as error:
            if error.code != rest.ANSWERED:
                raise  # else it was acknowledged although we were told otherwise
        else:
            return
    await interaction.followup.send(text, file=file, ephemeral=True)


def guarded(
    callback: Callable[P, Coroutine[Any, Any, None]],
) -> Callable[P, Coroutine[Any, Any, None]]:
    """For callbacks of components, whose exceptions discord.py would only log.

    The interaction is the last positional argument.
    """

    @functools.wraps(callback)
    async def guard(*args: P.args, **kwargs: P.kwargs) -> None:
        interaction = args[-1]
        assert isinstance(interaction, discord.Interaction)
        speak(interaction)
        try:
            await callback(*args, **kwargs)
        except Exception as error:
            await tell(interaction, error)

    return guard
