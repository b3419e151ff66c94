"""``/admin allowance``: what somebody has used and may use, and more of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from discord import app_commands

from kernelbot.bot.admin import choices, confirm, posts
from kernelbot.bot.admin.people import WHO, Person
from kernelbot.bot.admin.results import Reason
from kernelbot.bot.door import Interaction, administrator, conclude, ctx_of, defer
from kernelbot.bot.messages import say
from kernelbot.domain import lasting
from kernelbot.domain.people import Actor
from kernelbot.services import grants

Name = app_commands.Range[str, 1, 100]
GROUP = app_commands.Group(name="allowance", description="What somebody may use")


@GROUP.command(name="show", description="What somebody has used and may use")
@app_commands.describe(person=WHO, competition="Only in this one")
@app_commands.autocomplete(person=choices.people, competition=choices.contests)
async def show(interaction: Interaction, person: Person, competition: Name | None = None) -> None:
    await defer(interaction)
    admin = await administrator(interaction)
    found = await grants.of_person(ctx_of(interaction), admin, person, competition)
    await interaction.edit_original_response(**posts.allowance(found).editing())


@GROUP.command(name="grant", description="Let somebody use more GPU-seconds within 24 hours")
@app_commands.describe(
    person=WHO,
    competition="In which",
    gpu="On which GPU",
    seconds="How many more",
    reason="For the audit log",
    lasts="How long it holds: 12h, 7d, 2w",
)
@app_commands.autocomplete(
    person=choices.people,
    competition=choices.contests,
    gpu=choices.gpu,
    lasts=choices.ending,
)
async def grant(
    interaction: Interaction,
    person: Person,
    competition: Name,
    gpu: Name,
    seconds: app_commands.Range[int, 1, int(grants.MOST_S)],
    reason: Reason,
    lasts: str = "1d",
) -> None:
    await defer(interaction)
    made = await grants.grant(
        ctx_of(interaction),
        await administrator(interaction),
        person,
        competition,
        gpu,
        seconds,
        reason,
        lasting.until(lasts, datetime.now(UTC), endless=False),
    )
    await conclude(interaction, posts.granted(made))


@GROUP.command(name="end", description="End a grant before its time")
@app_commands.describe(grant="Its number, as `/admin allowance show` tells it")
@app_commands.autocomplete(grant=choices.grants_in_force)
async def end(interaction: Interaction, grant: app_commands.Range[int, 1]) -> None:
    await defer(interaction)
    admin = await administrator(interaction)
    effect = posts.grant_end_asked(await grants.planned_end(ctx_of(interaction), admin, grant))
    await confirm.ask(interaction, admin, "allowance.end", effect, grant=grant)


@confirm.act("allowance.end")
async def ended(interaction: Interaction, admin: Actor, asked: Mapping[str, Any]) -> str:
    await grants.take_back(ctx_of(interaction), admin, int(asked["grant"]))
    return say("admin.allowance.ended", id=asked["grant"])


COMMANDS: tuple[Any, ...] = (GROUP,)
