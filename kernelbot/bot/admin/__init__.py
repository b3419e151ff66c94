"""``/admin``: what administrators do from Discord. Each file holds the commands of one matter.

Discord shows the group to who may manage the server (a server's settings may say otherwise); whether somebody is
an administrator is decided by their role in our database, by ``door.administrator``. Every answer is for them alone.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import discord
from discord import app_commands
from discord.ui import DynamicItem

from kernelbot.bot.admin import (
    allowances,
    announce,
    audit,
    competition,
    confirm,
    fleet,
    intake,
    invites,
    people,
    quarantine,
    results,
)
from kernelbot.bot.forms import Handler

PIECES: tuple[ModuleType, ...] = (
    results,
    quarantine,
    people,
    allowances,
    invites,
    audit,
    competition,
    intake,
    fleet,
    announce,
)
"""Each with ``COMMANDS``, and with ``DYNAMIC`` and ``FORMS`` where it has buttons and forms."""

GROUP = app_commands.Group(
    name="admin",
    description="For those who run competitions",
    default_permissions=discord.Permissions(manage_guild=True),
    allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=False),
    allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
)

DYNAMIC: list[type[DynamicItem[Any]]] = [*confirm.DYNAMIC]
FORMS: dict[str, Handler] = {}

for piece in PIECES:
    for command in piece.COMMANDS:
        GROUP.add_command(command)
    DYNAMIC += getattr(piece, "DYNAMIC", ())
    FORMS |= getattr(piece, "FORMS", {})
