"""``/admin person``, ``ban``, ``unban``, ``role``: who somebody is, and what they may do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from discord import app_commands
from discord.app_commands import Choice

from kernelbot.bot.admin import choices, confirm, posts
from kernelbot.bot.admin.results import Reason
from kernelbot.bot.door import Interaction, administrator, conclude, ctx_of, defer
from kernelbot.bot.messages import say
from kernelbot.bot.text import until
from kernelbot.domain import lasting
from kernelbot.domain.people import Actor, Role
from kernelbot.domain.reasons import bounded_reason
from kernelbot.services import effects, moderation, persons, standings

Person = app_commands.Range[str, 1, 100]
WHO = "Name, #number or @mention"


@app_commands.command(name="person", description="Who somebody is and what they did")
@app_commands.describe(person=WHO)
@app_commands.autocomplete(person=choices.people)
async def person(interaction: Interaction, person: Person) -> None:
    await defer(interaction)
    ctx, admin = ctx_of(interaction), await administrator(interaction)
    found = await persons.profile(ctx, admin, person)
    places = await standings.places_of(ctx, admin, found.user_id)
    post = posts.person(found, places, datetime.now(UTC))
    await interaction.edit_original_response(**post.editing())


@app_commands.command(name="ban", description="Let somebody submit nothing for a time")
@app_commands.describe(
    person=WHO,
    lasts="12h, 7d, 2w or forever",
    reason="They read it",
    void="Take all of theirs off the leaderboards too",
)
@app_commands.autocomplete(person=choices.people, lasts=choices.lasting)
async def ban(
    interaction: Interaction, person: Person, lasts: str, reason: Reason, void: bool = False
) -> None:
    await defer(interaction)
    admin = await administrator(interaction)
    bounded_reason(reason)
    until = lasting.until(lasts, datetime.now(UTC))
    effect = await effects.of_ban(ctx_of(interaction), admin, person)
    text = posts.ban_asked(effect, until, reason, void=void)
    values = {"person": f"#{effect.user_id}", "until": until.isoformat(), "reason": reason}
    await confirm.ask(interaction, admin, "ban", text, **values, void=void)


@confirm.act("ban")
async def banned(interaction: Interaction, admin: Actor, asked: Mapping[str, Any]) -> str:
    end, void = datetime.fromisoformat(asked["until"]), bool(asked["void"])
    ctx, reason = ctx_of(interaction), asked["reason"]
    who = await moderation.ban(ctx, admin, asked["person"], end, reason, void=void)
    named = posts.who(who.name, who.user_id)
    done = say("admin.ban.done", who=named, until=until(end))
    return f"{done} {say('admin.ban.voided')}" if void else done


@app_commands.command(name="unban", description="Let somebody submit again")
@app_commands.describe(person=WHO, reason="For the audit log")
@app_commands.autocomplete(person=choices.people)
async def unban(interaction: Interaction, person: Person, reason: Reason) -> None:
    await defer(interaction)
    admin = await administrator(interaction)
    who = await moderation.unban(ctx_of(interaction), admin, person, reason)
    text = say("admin.unban.done", who=posts.who(who.name, who.user_id))
    await conclude(interaction, text)


@app_commands.command(name="role", description="Make somebody an administrator, or a member again")
@app_commands.describe(person=WHO, role="What they are to be")
@app_commands.choices(role=[Choice(name=role.value, value=role.value) for role in Role])
@app_commands.autocomplete(person=choices.people)
async def role(interaction: Interaction, person: Person, role: Choice[str]) -> None:
    await defer(interaction)
    admin = await administrator(interaction)
    plan = await persons.planned_role(ctx_of(interaction), admin, person, role.value)
    change = plan.change
    if not change.changed:
        await interaction.edit_original_response(content=posts.role_set(change))
        return
    values = {"person": f"#{change.user_id}", "role": change.role.value}
    await confirm.ask(interaction, admin, "role", posts.role_asked(plan), **values)


@confirm.act("role")
async def role_given(interaction: Interaction, admin: Actor, asked: Mapping[str, Any]) -> str:
    ctx = ctx_of(interaction)
    # What was confirmed named them, oneself too.
    change = await persons.set_role(ctx, admin, asked["person"], asked["role"], sure=True)
    return posts.role_set(change)


COMMANDS: tuple[app_commands.Command[Any, ..., None], ...] = (person, ban, unban, role)
