"""``/admin void``, ``restore``, ``rerun``, ``first``, ``rejudge``, ``hints``: decisions about single results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from discord import app_commands
from discord.ui import View

from kernelbot.bot.admin import choices, confirm, posts, quarantine
from kernelbot.bot.door import Interaction, administrator, conclude, ctx_of, defer
from kernelbot.bot.messages import say
from kernelbot.bot.views import without_memory
from kernelbot.domain.people import Actor
from kernelbot.domain.reasons import MAX_REASON_CHARACTERS, bounded_reason
from kernelbot.services import effects, moderation
from kernelbot.services import rejudge as rejudging
from kernelbot.services import rerun as running

SubmissionId = app_commands.Range[int, 1]
Reason = app_commands.Range[str, 1, MAX_REASON_CHARACTERS]
FEW = 5
"""Runs that are queued without asking first: more may keep a GPU busy for long."""


@app_commands.command(name="void", description="Take a result off the leaderboards")
@app_commands.describe(submission="Its number", reason="Its owner reads it")
@app_commands.autocomplete(submission=choices.submissions)
async def void(interaction: Interaction, submission: SubmissionId, reason: Reason) -> None:
    await defer(interaction)
    admin = await administrator(interaction)
    bounded_reason(reason)
    effect = await effects.of_void(ctx_of(interaction), admin, submission)
    text = posts.void_asked(effect, reason)
    if effect.void:
        await interaction.edit_original_response(content=text)
        return
    await confirm.ask(interaction, admin, "void", text, submission=submission, reason=reason)


@confirm.act("void")
async def voided(interaction: Interaction, admin: Actor, asked: Mapping[str, Any]) -> str:
    submission = int(asked["submission"])
    boards = await moderation.void(ctx_of(interaction), admin, submission, asked["reason"])
    return say("admin.void.done" if boards else "admin.void.already", id=submission, boards=boards)


@app_commands.command(name="restore", description="Let a result count again that was voided")
@app_commands.describe(submission="Its number", reason="Its owner reads it")
@app_commands.autocomplete(submission=choices.submissions)
async def restore(interaction: Interaction, submission: SubmissionId, reason: Reason) -> None:
    await defer(interaction)
    admin = await administrator(interaction)
    boards = await moderation.restore(ctx_of(interaction), admin, submission, reason)
    key = "admin.restore.done" if boards else "admin.restore.already"
    await conclude(interaction, say(key, id=submission, boards=boards))


@app_commands.command(
    name="rerun", description="Run a submission once more, at no cost to its owner"
)
@app_commands.describe(submission="Its number", reason="For the audit log")
@app_commands.autocomplete(submission=choices.submissions)
async def rerun(interaction: Interaction, submission: SubmissionId, reason: Reason) -> None:
    await defer(interaction)
    admin = await administrator(interaction)
    view = await running.rerun(ctx_of(interaction), admin, submission, reason)
    await conclude(interaction, posts.rerun(view, submission))


@app_commands.command(name="first", description="Start a submission before everything else")
@app_commands.describe(submission="Its number", reason="For the audit log")
@app_commands.autocomplete(submission=choices.submissions)
async def first(interaction: Interaction, submission: SubmissionId, reason: Reason) -> None:
    await defer(interaction)
    admin = await administrator(interaction)
    runs = await moderation.put_first(ctx_of(interaction), admin, submission, reason)
    await conclude(interaction, say("admin.first.done", id=submission, runs=runs))


@app_commands.command(name="rejudge", description="Measure ranked entries again; their places stay")
@app_commands.describe(
    submission="One entry",
    leaderboard="Instead: its first rows",
    gpu="Only on this GPU",
    top="How many rows",
    dry_run="Queue nothing, only show what would be",
)
@app_commands.autocomplete(leaderboard=choices.boards, gpu=choices.gpu)
@app_commands.autocomplete(submission=choices.submissions)
async def rejudge(
    interaction: Interaction,
    submission: SubmissionId | None = None,
    leaderboard: str | None = None,
    gpu: str | None = None,
    top: app_commands.Range[int, 1, 100] = rejudging.TOP,
    dry_run: bool = False,
) -> None:
    await defer(interaction)
    ctx, admin = ctx_of(interaction), await administrator(interaction)
    wish: dict[str, Any] = {
        "submission_ids": [] if submission is None else [submission],
        "leaderboard": leaderboard,
        "gpu": gpu,
        "top": top,
    }
    found = await rejudging.ask(ctx, admin, **wish, dry_run=True)
    if len(found) > FEW and not dry_run:
        await confirm.ask(interaction, admin, "rejudge", posts.rejudging_asked(found), **wish)
        return
    if not dry_run:
        found = await rejudging.ask(ctx, admin, **wish)
    post = posts.rejudged(found, planned=dry_run)
    await interaction.edit_original_response(**post.editing())


@confirm.act("rejudge")
async def rejudged(interaction: Interaction, admin: Actor, asked: Mapping[str, Any]) -> str:
    return posts.rejudging_begun(await rejudging.ask(ctx_of(interaction), admin, **asked))


@app_commands.command(name="hints", description="What a reviewer may want to look at in a file")
@app_commands.describe(submission="Its number")
@app_commands.autocomplete(submission=choices.submissions)
async def hints(interaction: Interaction, submission: SubmissionId) -> None:
    await defer(interaction)
    found = await moderation.hints(
        ctx_of(interaction), await administrator(interaction), submission
    )
    view = View(timeout=None)
    view.add_item(quarantine.code_button(submission))
    post = posts.hints(submission, found)
    await interaction.edit_original_response(**post.editing(), view=without_memory(view))


COMMANDS: tuple[app_commands.Command[Any, ..., None], ...] = (
    void, restore, rerun, first, rejudge, hints,
)  # fmt: skip
