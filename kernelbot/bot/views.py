"""Buttons. All that they need is in their custom_id, so they work after any restart."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, Self, TypeVar, cast

import discord
from discord.ui import Button, DynamicItem, View

from kernelbot.bot import board_posts, submission_posts
from kernelbot.bot.door import Interaction, ctx_of, defer, defer_change, person
from kernelbot.bot.errors import guarded
from kernelbot.bot.limits import CUSTOM_ID
from kernelbot.bot.messages import say
from kernelbot.bot.pictures import Pictures
from kernelbot.bot.post import Post
from kernelbot.bot.text import cut
from kernelbot.domain.submission import REJUDGE
from kernelbot.judge.protocol import Mode, VerdictKind
from kernelbot.services import standings, submit
from kernelbot.services.views import LeaderboardView, StandingsPage, SubmissionView, TotalsPage

BOARD = re.compile(r"[a-z0-9_-]{1,63}")
OTHER_GPUS = 5  # buttons in a row


class CancelButton(DynamicItem[Button[Any]], template=r"kb:cancel:(?P<submission>[0-9]{1,19})"):
    """Stops one submission. The service knows whose it is; others are refused."""

    def __init__(self, submission_id: int) -> None:
        super().__init__(
            Button(
                label=say("card.cancel"),
                style=discord.ButtonStyle.secondary,
                custom_id=f"kb:cancel:{submission_id}",
            )
        )
        self.submission_id = submission_id

    @classmethod
    async def from_custom_id(
        cls, interaction: Interaction, item: Any, match: re.Match[str], /
    ) -> Self:
        return cls(int(match["submission"]))

    @guarded
    async def callback(self, interaction: Interaction) -> None:
        await defer(interaction)
        view = await submit.cancel(
            ctx_of(interaction), await person(interaction), self.submission_id
        )
        await interaction.followup.send(
            **submission_posts.cancelled(view).sending(), ephemeral=True
        )


class BoardButton(
    DynamicItem[Button[Any]],
    template=r"kb:board:(?P<page>[0-9]{1,6}):(?P<gpu>.+):(?P<board>[a-z0-9_-]{1,63})",
):
    """Turns to a page of a leaderboard on a GPU, in the message it stands under."""

    def __init__(self, board: str, gpu: str, page: int, label: str = "·") -> None:
        super().__init__(
            Button(
                label=cut(label, 80),
                style=discord.ButtonStyle.secondary,
                custom_id=board_id(board, gpu, page),
            )
        )
        self.board, self.gpu, self.page = board, gpu, page

    @classmethod
    async def from_custom_id(
        cls, interaction: Interaction, item: Any, match: re.Match[str], /
    ) -> Self:
        return cls(match["board"], match["gpu"], int(match["page"]))

    @guarded
    async def callback(self, interaction: Interaction) -> None:
        await defer_change(interaction)
        post, view = await board_page(interaction, self.board, self.gpu, self.page)
        await interaction.edit_original_response(**post.replacing(), view=view)


def board_id(board: str, gpu: str, page: int) -> str:
    return f"kb:board:{page}:{gpu}:{board}"


async def board_page(
    interaction: Interaction, name: str, gpu: str | None, number: int
) -> tuple[Post, View]:
    """A page of a leaderboard as this person sees it, and the buttons to the others.

    Without ``gpu`` the leaderboard's first. A page beyond the end (people left) becomes the first.
    """
    ctx, actor = ctx_of(interaction), await person(interaction)
    board = await standings.leaderboard(ctx, actor, name)
    chosen = gpu or (board.gpus[0] if board.gpus else None)

    async def read(number: int) -> StandingsPage:
        cursor = str(number * board_posts.ROWS) if number else None
        return await standings.standings(
            ctx, actor, board.name, chosen, cursor=cursor, limit=board_posts.ROWS
        )

    page, number = await page_or_first(read, number)
    post = board_posts.leaderboard(board, page, number)
    if page.total and interaction.app_permissions.attach_files:
        picture = await cast(Pictures, cast(Any, interaction.client).pictures).of(
            actor, board.name, page.gpu
        )
        post = board_posts.with_picture(post, picture)
    return post, _board_buttons(board, page, number)


def _board_buttons(board: LeaderboardView, page: StandingsPage, number: int) -> View:
    view = View(timeout=None)
    wanted = [(page.gpu, step, label) for step, label in other_pages(page.total, number)]
    wanted += [(gpu, 0, gpu) for gpu in board.gpus if gpu != page.gpu][:OTHER_GPUS]
    for gpu, step, label in wanted:
        if len(board_id(board.name, gpu, step)) <= CUSTOM_ID:
            view.add_item(BoardButton(board.name, gpu, step, label))
    return without_memory(view)


Page = TypeVar("Page", StandingsPage, TotalsPage)


async def page_or_first(read: Callable[[int], Awaitable[Page]], number: int) -> tuple[Page, int]:
    """A page and its number; one beyond the end, because people left, becomes the first."""
    page = await read(number)
    return (await read(0), 0) if number and not page.items else (page, number)


def other_pages(total: int, number: int) -> list[tuple[int, str]]:
    """The pages beside this one, with what their buttons say."""
    last = max(0, -(-total // board_posts.ROWS) - 1)
    beside = [(number - 1, say("page.back")), (number + 1, say("page.next"))]
    return [(page, label) for page, label in beside if 0 <= page <= last]


def card_buttons(view: SubmissionView) -> View:
    """Cancel while there is something to cancel."""
    buttons = View(timeout=None)
    if not view.done:
        buttons.add_item(CancelButton(view.id))
    return without_memory(buttons)


def action_id(action: str, submission_id: int) -> str:
    return f"kb:do:{action}:{submission_id}"


def result_buttons(view: SubmissionView) -> View:
    """What comes next after a result; ``kernelbot.bot.actions`` does it."""
    buttons = View(timeout=None)
    if not view.done or view.channel == REJUDGE or view.repeats is not None:
        return without_memory(buttons)
    passed = any(run.kind is VerdictKind.PASSED for run in view.runs)
    for action, offered in (
        ("rerun", True),
        ("ranked", view.mode is not Mode.RANKED),
        ("profile", view.mode is not Mode.PROFILE and passed),
        ("diff", True),
        ("share", passed),
    ):
        if offered:
            buttons.add_item(
                Button(
                    label=say(f"button.{action}"),
                    style=discord.ButtonStyle.secondary,
                    custom_id=action_id(action, view.id),
                )
            )
    return without_memory(buttons)


def without_memory(view: View) -> View:
    """Stopped, the client does not keep it for each message: the custom_ids are found by pattern."""
    view.stop()
    return view


DYNAMIC: tuple[type[DynamicItem[Any]], ...] = (CancelButton, BoardButton)
