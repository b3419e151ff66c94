"""Files that come with a command, and those that a run left, as far as they go with a message."""

from __future__ import annotations

import asyncio

import aiohttp
import discord

from kernelbot.bot.door import CHANNEL
from kernelbot.bot.messages import say
from kernelbot.bot.post import File
from kernelbot.domain.people import Actor
from kernelbot.errors import InvalidInput, NotFound, TooLarge
from kernelbot.services import artefacts
from kernelbot.services.context import Context
from kernelbot.services.views import SubmissionView

MOST_BYTES = 8 << 20
"""Of all files of a message together; Discord takes ten MiB, and the logs come besides."""
MOST_FILES = 5
DOWNLOAD_S = 20.0


async def downloaded(file: discord.Attachment, most: int) -> bytes:
    """The attachment's content. Raises TooLarge before any byte is fetched."""
    if file.size > most:
        name, size, limit = repr(file.filename[:60]), f"{file.size:,}", f"{most:,}"
        raise TooLarge(
            say("file.large", name=name, bytes=size, limit=limit),
            detail={"limit_bytes": most, "bytes": file.size},
        )
    try:
        async with asyncio.timeout(DOWNLOAD_S):
            return await file.read()
    except (discord.HTTPException, aiohttp.ClientError, TimeoutError) as error:
        raise InvalidInput(say("file.lost"), code="no_file") from error


async def of(ctx: Context, view: SubmissionView) -> tuple[File, ...]:
    """The small ones first, so that a huge one keeps none of them out; read for their owner."""
    owner = Actor(user_id=view.user_id, name=view.user_name, channel=CHANNEL)
    there = [item for run in view.runs for item in run.artefacts if item.expired_at is None]
    found, left = [], MOST_BYTES
    for item in sorted(there, key=lambda item: item.bytes)[:MOST_FILES]:
        if item.bytes > left:
            break
        try:
            _, pieces = await artefacts.opened(ctx, owner, view.id, item.name)
        except NotFound:  # it has expired meanwhile
            continue
        content = b"".join([piece async for piece in pieces])
        found.append(File(item.name, content))
        left -= len(content)
    return tuple(found)
