"""``/admin audit``: who did what."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Self

import discord
from discord import app_commands
from discord.ui import Button, DynamicItem, View

from kernelbot.bot.admin import choices, posts
from kernelbot.bot.door import Interaction, administrator, ctx_of, defer, defer_change
from kernelbot.bot.errors import guarded
from kernelbot.bot.limits import CUSTOM_ID
from kernelbot.bot.messages import say
from kernelbot.bot.views import without_memory
from kernelbot.domain.people import Actor
from kernelbot.services import moderation

SHOWN = 10
TARGET = 64


@app_commands.command(name="audit", description="Who did what, the newest first")
@app_commands.describe(
    target="Only about this, like user:7 or submission:12",
    servers="Also what people chose for their servers",
)
@app_commands.autocomplete(target=choices.targets)
async def audit(
    interaction: Interaction,
    target: app_commands.Range[str, 1, TARGET] | None = None,
    servers: bool = False,
) -> None:
    await defer(interaction)
    await _show(interaction, await administrator(interaction), Shown(target, servers), None)


@dataclass(frozen=True)
class Shown:
    """Which lines."""

    target: str | None
    servers: bool


async def _show(interaction: Interaction, admin: Actor, shown: Shown, cursor: str | None) -> None:
    page = await moderation.audit(
        ctx_of(interaction),
        admin,
        target=shown.target,
        servers=shown.servers,
        cursor=cursor,
        limit=SHOWN,
    )
    turns = View(timeout=None)
    if cursor is not None:
        _add_turn(turns, shown, None, say("page.newest"))
    if page.cursor is not None:
        _add_turn(turns, shown, page.cursor, say("page.older"))
    post = posts.audit(page.items, shown.target)
    await interaction.edit_original_response(**post.editing(), view=without_memory(turns))


def _add_turn(turns: View, shown: Shown, cursor: str | None, label: str) -> None:
    button = _turn(shown, cursor, label)
    if len(button.custom_id or "") <= CUSTOM_ID:
        turns.add_item(button)


def _turn(shown: Shown, cursor: str | None, label: str) -> Button[Any]:
    custom_id = f"kb:audit:{cursor or 0}{'s' if shown.servers else ''}:{shown.target or ''}"
    return Button(label=label, style=discord.ButtonStyle.secondary, custom_id=custom_id)


class AuditButton(
    DynamicItem[Button[Any]],
    template=rf"kb:audit:(?P<cursor>[0-9]{{1,19}})(?P<servers>s?):(?P<target>.{{0,{TARGET}}})",
):
    """Turns to another part of the log, in the message it stands under."""

    def __init__(self, cursor: str | None, shown: Shown) -> None:
        super().__init__(_turn(shown, cursor, "·"))
        self.cursor, self.shown = cursor, shown

    @classmethod
    async def from_custom_id(
        cls, interaction: Interaction, item: Any, match: re.Match[str], /
    ) -> Self:
        shown = Shown(match["target"] or None, bool(match["servers"]))
        return cls(match["cursor"] if int(match["cursor"]) else None, shown)

    @guarded
    async def callback(self, interaction: Interaction) -> None:
        await defer_change(interaction)
        await _show(interaction, await administrator(interaction), self.shown, self.cursor)


COMMANDS: tuple[app_commands.Command[Any, ..., None], ...] = (audit,)
DYNAMIC: tuple[type[DynamicItem[Any]], ...] = (AuditButton,)
