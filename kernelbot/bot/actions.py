"""The buttons under a result: send it again, rank it, profile it, compare it, share it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, Self

import discord
from discord.ui import Button, DynamicItem

from kernelbot.bot import delivery, permissions, submission_posts, views
from kernelbot.bot.door import Interaction, ctx_of, defer, person
from kernelbot.bot.errors import Declined, guarded
from kernelbot.bot.messages import say, speaking
from kernelbot.bot.taking import acknowledged
from kernelbot.bot.text import plain, until
from kernelbot.judge.protocol import Mode, VerdictKind
from kernelbot.services import comparison, standings, submissions, submit
from kernelbot.services.views import SubmissionView


async def _rerun(interaction: Interaction, submission_id: int) -> None:
    await _again(interaction, submission_id, None)


async def _ranked(interaction: Interaction, submission_id: int) -> None:
    await _again(interaction, submission_id, Mode.RANKED)


async def _profile(interaction: Interaction, submission_id: int) -> None:
    await _again(interaction, submission_id, Mode.PROFILE)


async def _again(interaction: Interaction, submission_id: int, mode: Mode | None) -> None:
    actor = await person(interaction)
    key = f"discord:{interaction.id}"
    view = await submit.again(ctx_of(interaction), actor, submission_id, mode, key)
    await acknowledged(interaction, view, actor.user_id)


async def _diff(interaction: Interaction, submission_id: int) -> None:
    actor = await person(interaction)
    found = await comparison.against_best(ctx_of(interaction), actor, submission_id)
    await interaction.followup.send(**submission_posts.difference(found).sending(), ephemeral=True)


async def _share(interaction: Interaction, submission_id: int) -> None:
    """Into the channel the person is in, or the one above their thread; once in each."""
    ctx, actor = ctx_of(interaction), await person(interaction)
    view = await submissions.submission(ctx, actor, submission_id)
    if view.user_id != actor.user_id:
        raise Declined(say("share.not_yours"))
    if not any(run.kind is VerdictKind.PASSED for run in view.runs):
        raise Declined(say("share.nothing"))
    if view.leaderboard not in {item.name for item in await standings.leaderboards(ctx, None)}:
        raise Declined(say("share.closed", board=plain(view.leaderboard)))
    board = await standings.board(ctx, actor, view.leaderboard, view.runs[0].gpu)
    if board.frozen_until is not None:
        name, end = plain(view.leaderboard), until(board.frozen_until)
        raise Declined(say("share.frozen", board=name, until=end))
    message = await _posted(interaction, view)
    text = say("share.done", link=message.jump_url)
    await interaction.followup.send(text, ephemeral=True)


async def _posted(interaction: Interaction, view: SubmissionView) -> discord.Message:
    channel = interaction.channel
    if isinstance(channel, discord.Thread) and channel.is_private():
        channel = channel.parent
    if not isinstance(channel, discord.abc.GuildChannel | discord.Thread) or not isinstance(
        channel, discord.abc.Messageable
    ):
        raise Declined(say("share.nowhere", id=view.id))
    assert isinstance(interaction.user, discord.Member)
    allowed = channel.permissions_for(interaction.user)
    # Nobody speaks through the bot where they may not speak themselves.
    in_thread = isinstance(channel, discord.Thread)
    if not (allowed.send_messages_in_threads if in_thread else allowed.send_messages):
        raise Declined(say("share.may_not", channel=channel.mention))
    needed = permissions.POST_IN_THREAD if in_thread else permissions.POST
    if lacking := permissions.missing(channel.permissions_for(channel.guild.me), needed):
        names = ", ".join(lacking)
        raise Declined(say("share.lacking", channel=channel.mention, names=names))
    me = interaction.client.user
    assert me is not None
    with speaking(channel.guild.preferred_locale.value):  # everybody there reads it
        post = submission_posts.shared(view)
    try:
        return await delivery.send_once(channel, post, me.id, since=view.created_at, again=True)
    except discord.HTTPException as error:
        if error.code not in delivery.UNREACHABLE:
            raise
        raise Declined(say("share.cannot", channel=channel.mention)) from error


ACTIONS: dict[str, Callable[[Interaction, int], Awaitable[None]]] = {
    "rerun": _rerun,
    "ranked": _ranked,
    "profile": _profile,
    "diff": _diff,
    "share": _share,
}


class ActionButton(
    DynamicItem[Button[Any]],
    template=rf"kb:do:(?P<action>{'|'.join(ACTIONS)}):(?P<submission>[0-9]{{1,19}})",
):
    """Does something with one submission. Services know whose it is; others are refused."""

    def __init__(self, action: str, submission_id: int) -> None:
        super().__init__(Button(label="·", custom_id=views.action_id(action, submission_id)))
        self.action, self.submission_id = action, submission_id

    @classmethod
    async def from_custom_id(
        cls, interaction: Interaction, item: Any, match: re.Match[str], /
    ) -> Self:
        return cls(match["action"], int(match["submission"]))

    @guarded
    async def callback(self, interaction: Interaction) -> None:
        await defer(interaction)
        await ACTIONS[self.action](interaction, self.submission_id)


DYNAMIC: tuple[type[DynamicItem[Any]], ...] = (ActionButton,)
