"""``/admin competition``: publish definition files from here, hide a competition, see where all of them stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import discord
from discord import app_commands

from kernelbot.bot import attachments
from kernelbot.bot.admin import choices, confirm, plans
from kernelbot.bot.admin.allowances import Name
from kernelbot.bot.door import Interaction, administrator, ctx_of, defer
from kernelbot.bot.errors import Declined
from kernelbot.bot.messages import say
from kernelbot.bot.text import plain
from kernelbot.domain.definition import DefinitionErrors
from kernelbot.domain.people import Actor
from kernelbot.services import archives, organizing, pending
from kernelbot.services.organizing import Sent
from kernelbot.services.publish import Hiding, Source

GROUP = app_commands.Group(name="competition", description="Publish, hide and list competitions")

Address = app_commands.Range[str, 1, 400]
Part = app_commands.Range[str, 1, 200]
ABOUT = {
    "file": "A competition's YAML, or a .zip or .tar.gz of a tree",
    "url": "Or a git repository: https://…",
    "ref": "Its branch, tag or full commit id",
    "path": "The folder in it",
    "take_over": "Also what came from somewhere else",
}


@GROUP.command(name="plan", description="What applying the files would change")
@app_commands.describe(**ABOUT)
async def plan(
    interaction: Interaction,
    file: discord.Attachment | None = None,
    url: Address | None = None,
    ref: Part | None = None,
    path: Part | None = None,
    take_over: bool = False,
) -> None:
    await _planned(interaction, file, (url, ref, path), take_over=take_over, asks=False)


@GROUP.command(name="apply", description="The same, and publish it when you confirm")
@app_commands.describe(**ABOUT)
async def apply(
    interaction: Interaction,
    file: discord.Attachment | None = None,
    url: Address | None = None,
    ref: Part | None = None,
    path: Part | None = None,
    take_over: bool = False,
) -> None:
    await _planned(interaction, file, (url, ref, path), take_over=take_over, asks=True)


async def _planned(
    interaction: Interaction,
    file: discord.Attachment | None,
    repository: tuple[str | None, str | None, str | None],
    *,
    take_over: bool,
    asks: bool,
) -> None:
    await defer(interaction)
    admin = await administrator(interaction)
    sent = await _sent(interaction, admin, file, repository, take_over=take_over)
    try:
        found = await organizing.propose(ctx_of(interaction), admin, sent, keep=asks)
    except DefinitionErrors as errors:
        await interaction.followup.send(**plans.mistakes(errors).sending(), ephemeral=True)
        return
    post = plans.plan(found, asks=asks)
    if found.draft is None:
        await interaction.followup.send(**post.sending(), ephemeral=True)
        return
    source = {name: getattr(found.source, name) for name in SOURCE}
    values = {"draft": found.draft, "seal": found.plan.seal, "source": source}
    asked = await pending.ask(ctx_of(interaction), admin, "competition.apply", values)
    await interaction.followup.send(
        **post.sending(), view=confirm.buttons(asked.id), ephemeral=True
    )


SOURCE = ("name", "pinned", "whole", "takes_over", "spares_own")


async def _sent(
    interaction: Interaction,
    admin: Actor,
    file: discord.Attachment | None,
    repository: tuple[str | None, str | None, str | None],
    *,
    take_over: bool,
) -> Sent:
    url, ref, path = repository
    if (file is None) == (url is None) or (file is not None and (ref or path)):
        raise Declined(say("admin.plan.one"))
    if file is not None:
        archives.ending(file.filename)
        content = await attachments.downloaded(file, archives.MOST_SENT_BYTES)
        return organizing.attached(file.filename, content, takes_over=take_over)
    ctx = ctx_of(interaction)
    return await organizing.fetched(
        ctx, admin, str(url), ref or "", path or "", takes_over=take_over
    )


@confirm.act("competition.apply")
async def _apply(interaction: Interaction, admin: Actor, values: Mapping[str, Any]) -> str:
    done = await organizing.apply(
        ctx_of(interaction), admin, values["draft"], Source(**values["source"]), values["seal"]
    )
    return plans.applied(done.changes)


@GROUP.command(name="hide", description="Take a competition off every list; its results stay")
@app_commands.describe(name="Which")
@app_commands.autocomplete(name=choices.contests)
async def hide(interaction: Interaction, name: Name) -> None:
    await defer(interaction)
    admin = await administrator(interaction)
    found = await organizing.planned_hiding(ctx_of(interaction), admin, name)
    boards = ", ".join(plain(board, 60) for board in found.leaderboards[:20])
    effect = say(
        "admin.hide.ask",
        name=plain(found.name, 80),
        boards=boards or say("admin.none"),
        waiting=found.waiting,
    )
    await confirm.ask(
        interaction, admin, "competition.hide", f"{effect}{_until_a_start(found)}", name=found.name
    )


@confirm.act("competition.hide")
async def _hide(interaction: Interaction, admin: Actor, values: Mapping[str, Any]) -> str:
    found = await organizing.hide(ctx_of(interaction), admin, values["name"])
    return say("admin.hide.done", name=plain(found.name, 80)) + _until_a_start(found)


def _until_a_start(found: Hiding) -> str:
    return f"\n{say('admin.hide.own')}" if found.own else ""


@GROUP.command(name="list", description="State, phases and freezes; what is judged again")
async def list_(interaction: Interaction) -> None:
    await defer(interaction)
    found = await organizing.listed(ctx_of(interaction), await administrator(interaction))
    await interaction.edit_original_response(**plans.competitions(found).editing())


COMMANDS = (GROUP,)
