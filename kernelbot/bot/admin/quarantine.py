"""``/admin quarantine``: what was set aside, one after the other, each to be released or refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Self

import discord
import structlog
from discord import app_commands
from discord.ui import Button, DynamicItem, TextInput, View

from kernelbot.bot import forms
from kernelbot.bot.admin import confirm, posts
from kernelbot.bot.door import (
    Interaction,
    administrator,
    conclude,
    ctx_of,
    defer,
    defer_change,
)
from kernelbot.bot.errors import guarded
from kernelbot.bot.forms import ABOUT, Filled, field
from kernelbot.bot.messages import say
from kernelbot.bot.views import without_memory
from kernelbot.domain.people import Actor
from kernelbot.domain.reasons import MAX_REASON_CHARACTERS, bounded_reason
from kernelbot.services import effects, submissions
from kernelbot.services import quarantine as service

log = structlog.get_logger()

RELEASE, REFUSE, CODE, AFTER = "release", "refuse", "code", "after"
STYLES = {RELEASE: discord.ButtonStyle.success, REFUSE: discord.ButtonStyle.danger}


@app_commands.command(
    name="quarantine", description="Results that were set aside: release or refuse"
)
async def quarantine(interaction: Interaction) -> None:
    await defer(interaction)
    await _show(interaction, await administrator(interaction), None)


async def _show(interaction: Interaction, admin: Actor, after: str | None, said: str = "") -> None:
    """The one behind this run, or the first."""
    ctx = ctx_of(interaction)
    page = await service.waiting(ctx, admin, cursor=after, limit=1)
    if not page.items and after is not None:
        after, page = None, await service.waiting(ctx, admin, limit=1)
    item = page.items[0] if page.items else None
    post = posts.quarantined(item, await service.count(ctx, admin))
    view = View(timeout=None)
    if item is not None:
        for what in (RELEASE, REFUSE):
            view.add_item(_button(what, item.run_id, say(f"admin.quarantine.{what}")))
        view.add_item(code_button(item.submission_id))
        if after is not None:
            view.add_item(_button(AFTER, 0, say("admin.quarantine.first")))
        if page.cursor is not None:
            view.add_item(_button(AFTER, int(page.cursor), say("admin.quarantine.next")))
    content = "\n".join(part for part in (said, post.content) if part)
    await interaction.edit_original_response(
        **{**post.editing(), "content": content or None}, view=without_memory(view)
    )


def _button(what: str, about: int, label: str) -> Button[Any]:
    style = STYLES.get(what, discord.ButtonStyle.secondary)
    return Button(label=label, style=style, custom_id=f"kb:aside:{what}:{about}")


def code_button(submission_id: int) -> Button[Any]:
    """Hands a submission's code to an administrator."""
    return _button(CODE, submission_id, say("admin.quarantine.code"))


class AsideButton(
    DynamicItem[Button[Any]],
    template=rf"kb:aside:(?P<what>{RELEASE}|{REFUSE}|{CODE}|{AFTER}):(?P<about>[0-9]{{1,19}})",
):
    """Turns to another, hands out the code, or asks for the reason of a decision."""

    def __init__(self, what: str, about: int) -> None:
        super().__init__(_button(what, about, "·"))
        self.what, self.about = what, about

    @classmethod
    async def from_custom_id(
        cls, interaction: Interaction, item: Any, match: re.Match[str], /
    ) -> Self:
        return cls(match["what"], int(match["about"]))

    @guarded
    async def callback(self, interaction: Interaction) -> None:
        if self.what == AFTER:
            await defer_change(interaction)
            await _show(
                interaction,
                await administrator(interaction),
                str(self.about) if self.about else None,
            )
        elif self.what == CODE:
            await defer(interaction)
            admin = await administrator(interaction)
            found = await submissions.code(ctx_of(interaction), admin, self.about)
            post = posts.code(self.about, found)
            await interaction.followup.send(**post.sending(), ephemeral=True)
        else:
            await _ask_why(interaction, self.what, self.about)


async def _ask_why(interaction: Interaction, what: str, run_id: int) -> None:
    """A form may only be the first answer: who they are is asked when it comes back."""
    reason = TextInput[Any](
        custom_id="reason",
        style=discord.TextStyle.paragraph,
        max_length=MAX_REASON_CHARACTERS,
    )
    title = say(f"admin.{what}.title", run=run_id)
    fields = [field(say("admin.reason"), reason, say("admin.reason.hint"))]
    await forms.show(interaction, what, title, fields, about=run_id)


async def released(interaction: Interaction, filled: Filled) -> None:
    """The form came back."""
    await defer_change(interaction)
    admin, run_id = await administrator(interaction), _run(filled)
    await service.release(ctx_of(interaction), admin, run_id, filled.get("reason", ""))
    done = say("admin.release.done", run=run_id)
    try:
        await _show(interaction, admin, str(run_id), done)
    except Exception as error:  # it is released, whatever cannot be shown
        log.warning("the next result set aside could not be shown", error=repr(error))
        await conclude(interaction, done)


async def refused(interaction: Interaction, filled: Filled) -> None:
    """The form came back."""
    await defer(interaction)
    admin, run_id, reason = await administrator(interaction), _run(filled), filled.get("reason", "")
    bounded_reason(reason)
    effect = await effects.of_refusal(ctx_of(interaction), admin, run_id)
    text = posts.refusal_asked(effect, reason)
    await confirm.ask(interaction, admin, REFUSE, text, run=run_id, reason=reason)


def _run(filled: Filled) -> int:
    about = filled[ABOUT]
    return int(about) if about.isascii() and about.isdigit() else 0


@confirm.act(REFUSE)
async def refuse(interaction: Interaction, admin: Actor, asked: Mapping[str, Any]) -> str:
    await service.refuse(ctx_of(interaction), admin, int(asked["run"]), asked["reason"])
    return say("admin.refuse.done", run=asked["run"])


COMMANDS: tuple[app_commands.Command[Any, ..., None], ...] = (quarantine,)
DYNAMIC: tuple[type[DynamicItem[Any]], ...] = (AsideButton,)
FORMS: dict[str, forms.Handler] = {RELEASE: released, REFUSE: refused}
