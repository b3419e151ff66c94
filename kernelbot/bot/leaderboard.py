"""``/leaderboard``, ``/problem``, ``/queue`` and ``/help``: looking around."""

from __future__ import annotations

from typing import Any

from discord import app_commands

from kernelbot.bot import autocomplete, me_posts, problem_posts, views
from kernelbot.bot.door import Interaction, ctx_of, defer, person
from kernelbot.bot.setup import may_set_up
from kernelbot.domain.people import Role
from kernelbot.errors import Unavailable
from kernelbot.services import banners, competitions, standings, waits


@app_commands.command(name="leaderboard", description="Who is fastest")
@app_commands.describe(name="Which leaderboard", gpu="On which GPU (its first one if left out)")
@app_commands.rename(name="leaderboard")
@app_commands.autocomplete(name=autocomplete.boards, gpu=autocomplete.gpu)
async def leaderboard(interaction: Interaction, name: str, gpu: str | None = None) -> None:
    await defer(interaction)
    post, view = await views.board_page(interaction, name, gpu, 0)
    await interaction.edit_original_response(**post.replacing(), view=view)


@app_commands.command(name="problem", description="What to compute, with files to start from")
@app_commands.describe(name="Which problem")
@app_commands.autocomplete(name=autocomplete.problems)
async def problem(interaction: Interaction, name: str) -> None:
    await defer(interaction)
    actor = await person(interaction)
    ctx = ctx_of(interaction)
    found = await competitions.problem(ctx, actor, name)
    boards = [
        board
        for board in await standings.leaderboards(ctx, actor)
        if board.name in found.leaderboards
    ]
    folder = await competitions.problem_archive(ctx, actor, name)
    post = problem_posts.problem(found, boards, folder)
    await interaction.followup.send(**post.sending(), ephemeral=True)


@app_commands.command(
    name="queue", description="Who is served, how many wait, and how long it would take you"
)
async def queue(interaction: Interaction) -> None:
    await defer(interaction)
    ctx, actor = ctx_of(interaction), await person(interaction)
    queues = await standings.queues(ctx)
    now = await waits.of_newcomer(ctx, actor, {item.gpu: item.slots for item in queues})
    post = problem_posts.queue(queues, now, await banners.beside(ctx, queues))
    await interaction.edit_original_response(**post.editing())


@app_commands.command(name="help", description="How to compete")
async def help_(interaction: Interaction) -> None:
    await defer(interaction)
    manages = may_set_up(interaction)
    post = me_posts.help_text(
        manages=manages, administrates=manages and await _is_admin(interaction)
    )
    await interaction.edit_original_response(**post.editing())


async def _is_admin(interaction: Interaction) -> bool:
    """Help is there also without a database."""
    try:
        return (await person(interaction)).role is Role.ADMIN
    except Unavailable:
        return False


COMMANDS: tuple[app_commands.Command[Any, ..., None], ...] = (leaderboard, problem, queue, help_)
