"""``/admin intake``: pause and resume taking submissions, for a GPU kind or for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from discord import app_commands
from discord.app_commands import Choice

from kernelbot.bot import choosing
from kernelbot.bot.admin import choices, confirm
from kernelbot.bot.admin.results import Reason
from kernelbot.bot.door import Interaction, administrator, conclude, ctx_of, defer
from kernelbot.bot.limits import CHOICE, CONTENT
from kernelbot.bot.messages import say
from kernelbot.bot.text import cut_markdown, plain, relative
from kernelbot.domain.people import Actor
from kernelbot.domain.reasons import MAX_REASON_CHARACTERS, bounded_reason
from kernelbot.services import intake
from kernelbot.services.views import PauseView

GROUP = app_commands.Group(name="intake", description="Whether GPUs take submissions")


@choices.for_administrators
async def kinds(interaction: Interaction, typed: str) -> list[Choice[str]]:
    return _offered(intake.kinds(ctx_of(interaction), await administrator(interaction)), typed)


@choices.for_administrators
async def paused(interaction: Interaction, typed: str) -> list[Choice[str]]:
    """Those too that are in the file of targets no more."""
    found = await intake.listed(ctx_of(interaction), await administrator(interaction))
    return _offered([item.gpu for item in found if item.gpu is not None], typed)


def _offered(gpus: Sequence[str], typed: str) -> list[Choice[str]]:
    return choices.offers(choosing.matching([choosing.Choice(gpu, gpu) for gpu in gpus], typed))


@GROUP.command(name="pause", description="Take no submissions for a while")
@app_commands.describe(
    reason="Shown to whoever submits",
    gpu="Only this kind (all if left out)",
    hold="Begin nothing of what waits either (it is judged if left out)",
)
@app_commands.autocomplete(gpu=kinds)
async def pause(
    interaction: Interaction,
    reason: Reason,
    gpu: app_commands.Range[str, 1, CHOICE] | None = None,
    hold: bool = False,
) -> None:
    await defer(interaction)
    admin = await administrator(interaction)
    bounded_reason(reason)
    name = None if gpu is None else intake.known(ctx_of(interaction), gpu)
    effect = say(
        "admin.intake.hold" if hold else "admin.intake.pause",
        what=_what(name),
        reason=plain(reason, MAX_REASON_CHARACTERS),
    )
    await confirm.ask(
        interaction, admin, "intake.pause", effect, gpu=name, reason=reason, hold=hold
    )


@confirm.act("intake.pause")
async def _pause(interaction: Interaction, admin: Actor, values: Mapping[str, Any]) -> str:
    ctx = ctx_of(interaction)
    await intake.pause(ctx, admin, values["gpu"], values["reason"], hold=values["hold"])
    key = "admin.intake.is_held" if values["hold"] else "admin.intake.is_paused"
    return say(key, what=_what(values["gpu"]))


@GROUP.command(name="resume", description="Take submissions again")
@app_commands.describe(gpu="Only this kind (the pause of all if left out)")
@app_commands.autocomplete(gpu=paused)
async def resume(
    interaction: Interaction, gpu: app_commands.Range[str, 1, CHOICE] | None = None
) -> None:
    await defer(interaction)
    await intake.resume(ctx_of(interaction), await administrator(interaction), gpu)
    await conclude(interaction, say("admin.intake.resumed", what=_what(gpu)))


@GROUP.command(name="list", description="What is paused, why, since when")
async def list_(interaction: Interaction) -> None:
    await defer(interaction)
    found = await intake.listed(ctx_of(interaction), await administrator(interaction))
    text = "\n".join(_line(item) for item in found) or say("admin.intake.none")
    await interaction.edit_original_response(content=cut_markdown(text, CONTENT))


def _line(item: PauseView) -> str:
    return say(
        "admin.intake.line",
        what=_what(item.gpu),
        waits=say("admin.intake.waits.held" if item.holds else "admin.intake.waits.judged"),
        since=relative(item.since),
        by=plain(item.paused_by, 64),
        reason=plain(item.reason, MAX_REASON_CHARACTERS),
    )


def _what(gpu: str | None) -> str:
    return say("admin.intake.all") if gpu is None else plain(gpu, 40)


COMMANDS = (GROUP,)
