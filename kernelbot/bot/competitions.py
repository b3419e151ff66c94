"""``/join`` and ``/standings``: competitions as a whole."""

from __future__ import annotations

import re
from typing import Any, Self

import discord
from discord import app_commands
from discord.ui import Button, DynamicItem, View

from kernelbot.bot import autocomplete, board_posts, views
from kernelbot.bot.door import Interaction, ctx_of, defer, defer_change, person
from kernelbot.bot.errors import guarded
from kernelbot.bot.limits import CUSTOM_ID
from kernelbot.bot.text import cut
from kernelbot.services import competition_standings, competitions, invitations
from kernelbot.services.views import TotalsPage

OTHER_PHASES = 5  # buttons in a row


@app_commands.command(name="join", description="Come into a competition with a code")
@app_commands.describe(
    code="What its organizer gave you", competition="Which one; the code alone will do"
)
@app_commands.autocomplete(competition=autocomplete.contests)
async def join(interaction: Interaction, code: str, competition: str | None = None) -> None:
    await defer(interaction)
    actor = await person(interaction)
    view = await invitations.join(ctx_of(interaction), actor, competition, code)
    await interaction.edit_original_response(**board_posts.joined(view).editing())


@app_commands.command(name="standings", description="Who is ahead across a competition")
@app_commands.describe(
    competition="Which competition", phase="Which phase (the last that began if left out)"
)
@app_commands.autocomplete(competition=autocomplete.scored, phase=autocomplete.phases)
async def standings(interaction: Interaction, competition: str, phase: str | None = None) -> None:
    await defer(interaction)
    await _show(interaction, competition, phase, 0)


async def _show(interaction: Interaction, competition: str, phase: str | None, number: int) -> None:
    ctx, actor = ctx_of(interaction), await person(interaction)
    contest = await competitions.competition(ctx, actor, competition)

    async def read(number: int) -> TotalsPage:
        cursor = str(number * board_posts.ROWS) if number else None
        return await competition_standings.totals(
            ctx, actor, competition, phase, cursor=cursor, limit=board_posts.ROWS
        )

    page, number = await views.page_or_first(read, number)
    post = board_posts.totals(contest, page, number)
    phases = [item["name"] for item in contest.document.get("phases", ())]
    await interaction.edit_original_response(**post.editing(), view=_turns(page, phases, number))


def _turns(page: TotalsPage, phases: list[str], number: int) -> View:
    view = View(timeout=None)
    wanted = [(page.phase, step, label) for step, label in views.other_pages(page.total, number)]
    wanted += [(phase, 0, phase) for phase in phases if phase != page.phase][:OTHER_PHASES]
    for phase, step, label in wanted:
        if len(totals_id(page.competition, phase, step)) <= CUSTOM_ID:
            view.add_item(_turn(page.competition, phase, step, label))
    return views.without_memory(view)


def totals_id(competition: str, phase: str, page: int) -> str:
    return f"kb:totals:{page}:{phase}:{competition}"


def _turn(competition: str, phase: str, page: int, label: str) -> Button[Any]:
    return Button(
        label=cut(label, 80),
        style=discord.ButtonStyle.secondary,
        custom_id=totals_id(competition, phase, page),
    )


class TotalsButton(
    DynamicItem[Button[Any]],
    template=r"kb:totals:(?P<page>[0-9]{1,6}):(?P<phase>[a-z0-9_-]{0,63}):(?P<competition>[a-z0-9_-]{1,63})",
):
    """Turns to a page of the standings, or to those of another phase, in the message it stands under."""

    def __init__(self, competition: str, phase: str, page: int) -> None:
        super().__init__(_turn(competition, phase, page, "·"))
        self.competition, self.phase, self.page = competition, phase, page

    @classmethod
    async def from_custom_id(
        cls, interaction: Interaction, item: Any, match: re.Match[str], /
    ) -> Self:
        return cls(match["competition"], match["phase"], int(match["page"]))

    @guarded
    async def callback(self, interaction: Interaction) -> None:
        await defer_change(interaction)
        await _show(interaction, self.competition, self.phase or None, self.page)


COMMANDS: tuple[app_commands.Command[Any, ..., None], ...] = (join, standings)
DYNAMIC: tuple[type[DynamicItem[Any]], ...] = (TotalsButton,)
