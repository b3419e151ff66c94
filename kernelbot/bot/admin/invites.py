"""``/admin invite``: codes that let people into a competition."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from discord import app_commands

from kernelbot.bot.admin import choices, confirm, posts
from kernelbot.bot.admin.allowances import Name
from kernelbot.bot.door import Interaction, administrator, conclude, ctx_of, defer
from kernelbot.bot.errors import Declined
from kernelbot.bot.messages import say
from kernelbot.domain import lasting
from kernelbot.domain.people import Actor
from kernelbot.services import invitations

MOST_PEOPLE = 1_000_000
GROUP = app_commands.Group(name="invite", description="Codes for competitions by invitation")


@GROUP.command(name="create", description="A new code, shown this once")
@app_commands.describe(
    competition="Into which",
    people="How many may come in with it; else any number",
    lasts="How long it works: 12h, 7d, 2w; else without end",
)
@app_commands.autocomplete(competition=choices.contests, lasts=choices.lasting)
async def create(
    interaction: Interaction,
    competition: Name,
    people: app_commands.Range[int, 1, MOST_PEOPLE] | None = None,
    lasts: str = "forever",
) -> None:
    await defer(interaction)
    admin = await administrator(interaction)
    until = lasting.until(lasts, datetime.now(UTC))
    ends = None if lasting.is_endless(until) else until
    made = await invitations.create(ctx_of(interaction), admin, competition, people, ends)
    await conclude(interaction, posts.invited(made))


@GROUP.command(name="list", description="The codes of a competition, without the codes")
@app_commands.describe(competition="Of which")
@app_commands.autocomplete(competition=choices.contests)
async def listed(interaction: Interaction, competition: Name) -> None:
    await defer(interaction)
    found = await invitations.listed(
        ctx_of(interaction), await administrator(interaction), competition
    )
    post = posts.invites(competition, found, datetime.now(UTC))
    await interaction.edit_original_response(**post.editing())


@GROUP.command(name="revoke", description="Let nobody in with a code any more")
@app_commands.describe(competition="Of which", number="As `/admin invite list` tells it")
@app_commands.autocomplete(number=choices.invites)
@app_commands.autocomplete(competition=choices.contests)
async def revoke(
    interaction: Interaction, competition: Name, number: app_commands.Range[int, 1]
) -> None:
    await defer(interaction)
    admin = await administrator(interaction)
    found = await invitations.listed(ctx_of(interaction), admin, competition)
    known = next((item for item in found if item.id == number and not item.revoked_at), None)
    if known is None:
        raise Declined(say("admin.invite.unknown", id=number))
    values = {"competition": known.competition, "number": number}
    await confirm.ask(interaction, admin, "revoke", posts.revocation_asked(known), **values)


@confirm.act("revoke")
async def revoked(interaction: Interaction, admin: Actor, asked: Mapping[str, Any]) -> str:
    ctx, number = ctx_of(interaction), int(asked["number"])
    await invitations.revoke(ctx, admin, asked["competition"], number)
    return say("admin.invite.gone", id=number)


COMMANDS: tuple[Any, ...] = (GROUP,)
