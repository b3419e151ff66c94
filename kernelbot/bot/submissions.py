"""``/submissions`` and ``/submission``: one's own."""

from __future__ import annotations

import re
from typing import Any, Self

import discord
from discord import app_commands
from discord.ui import Button, DynamicItem, View

from kernelbot.bot import attachments, autocomplete, submission_posts, views
from kernelbot.bot.door import Interaction, ctx_of, defer, defer_change, person
from kernelbot.bot.errors import guarded
from kernelbot.bot.messages import say
from kernelbot.bot.text import cut
from kernelbot.services import comparison
from kernelbot.services import submissions as service

SHOWN = 10


@app_commands.command(name="submissions", description="Your submissions, the newest first")
@app_commands.describe(leaderboard="Only those to this one")
@app_commands.autocomplete(leaderboard=autocomplete.boards)
async def submissions(interaction: Interaction, leaderboard: str | None = None) -> None:
    await defer(interaction)
    await _list(interaction, leaderboard, None)


async def _list(interaction: Interaction, leaderboard: str | None, cursor: str | None) -> None:
    actor = await person(interaction)
    page = await service.mine(
        ctx_of(interaction), actor, leaderboard=leaderboard, cursor=cursor, limit=SHOWN
    )
    post = submission_posts.submissions(page.items, more=page.cursor is not None)
    turns = View(timeout=None)
    if cursor is not None:
        turns.add_item(_turn(leaderboard, None, say("page.newest")))
    if page.cursor is not None:
        turns.add_item(_turn(leaderboard, page.cursor, say("page.older")))
    await interaction.edit_original_response(**post.editing(), view=views.without_memory(turns))


def _turn(leaderboard: str | None, cursor: str | None, label: str) -> Button[Any]:
    board = (leaderboard or "").lower()[:63]
    custom_id = f"kb:mine:{cursor or 0}:{board if views.BOARD.fullmatch(board) else ''}"
    style = discord.ButtonStyle.secondary
    return Button(label=cut(label, 80), style=style, custom_id=custom_id)


class TurnButton(
    DynamicItem[Button[Any]],
    template=r"kb:mine:(?P<cursor>[0-9]{1,19}):(?P<board>[a-z0-9_-]{0,63})",
):
    """Turns to older submissions of whoever presses it, in the message it stands under."""

    def __init__(self, cursor: str | None, board: str | None) -> None:
        super().__init__(_turn(board, cursor, "·"))
        self.cursor, self.board = cursor, board

    @classmethod
    async def from_custom_id(
        cls, interaction: Interaction, item: Any, match: re.Match[str], /
    ) -> Self:
        return cls(match["cursor"] if int(match["cursor"]) else None, match["board"] or None)

    @guarded
    async def callback(self, interaction: Interaction) -> None:
        await defer_change(interaction)
        await _list(interaction, self.board, self.cursor)


@app_commands.command(
    name="submission", description="One of your submissions with its code; or what changed to it"
)
@app_commands.describe(
    id="Its number, as in #812", compare="Another of yours: show what changed from that to this one"
)
@app_commands.autocomplete(id=autocomplete.own, compare=autocomplete.own)
async def submission(
    interaction: Interaction,
    id: app_commands.Range[int, 1],
    compare: app_commands.Range[int, 1] | None = None,
) -> None:
    await defer(interaction)
    ctx, actor = ctx_of(interaction), await person(interaction)
    if compare is not None:
        found = await comparison.difference(ctx, actor, compare, id)
        pair = [await service.submission(ctx, actor, one) for one in (compare, id)]
        await interaction.followup.send(
            **submission_posts.difference(found, pair).sending(), ephemeral=True
        )
        return
    view = await service.submission(ctx, actor, id)
    code = await service.code(ctx, actor, id)
    compared = await comparison.of(ctx, view)
    left = await attachments.of(ctx, view)
    post = submission_posts.submission(view, (code.file_name, code.content), compared, left)
    buttons = views.result_buttons(view) if view.done else views.card_buttons(view)
    await interaction.followup.send(**post.sending(), view=buttons, ephemeral=True)


COMMANDS: tuple[app_commands.Command[Any, ..., None], ...] = (submissions, submission)
DYNAMIC: tuple[type[DynamicItem[Any]], ...] = (TurnButton,)
