"""Asking before something is done that takes effect at once: the effect in words, then yes or no.

A piece of ``/admin`` says what it can do with ``@act("name")``, and asks with ``ask``. What was asked lies in
Postgres, the buttons hold its number: they work after a restart, and two presses do it once.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self

import discord
import structlog
from discord.ui import Button, DynamicItem, View

from kernelbot.bot import render
from kernelbot.bot.door import Interaction, ctx_of, desk
from kernelbot.bot.errors import guarded
from kernelbot.bot.messages import say
from kernelbot.bot.views import without_memory
from kernelbot.domain.people import Actor
from kernelbot.errors import Conflict, Refused
from kernelbot.services import pending

log = structlog.get_logger()

Doing = Callable[[Interaction, Actor, Mapping[str, Any]], Awaitable[str]]
"""Does it, with the values of ``ask``, and says what was done. Calls services as anything else does."""

ACTS: dict[str, Doing] = {}


def act(name: str) -> Callable[[Doing], Doing]:
    """Whoever confirms what was asked under this name has this done."""

    def known(doing: Doing) -> Doing:
        assert name not in ACTS, f"{name} is done by two"
        ACTS[name] = doing
        return doing

    return known


async def ask(
    interaction: Interaction, admin: Actor, name: str, effect: str, /, **values: Any
) -> None:
    """Answer a deferred interaction with the effect, in words ready for Discord, and Confirm and Keep.

    ``values`` are what JSON can hold; the act gets them back.
    """
    assert name in ACTS
    asked = await pending.ask(ctx_of(interaction), admin, name, values)
    text = render.cut(effect, render.CONTENT)
    await interaction.edit_original_response(
        content=text, embeds=[], attachments=[], view=buttons(asked.id)
    )


def buttons(pending_id: int, *, working: bool = False) -> View:
    view = View(timeout=None)
    for answer in ("yes", "no"):
        view.add_item(_button(answer, pending_id, working=working))
    return without_memory(view)


def _button(answer: str, pending_id: int, *, working: bool = False) -> Button[Any]:
    style = discord.ButtonStyle.danger if answer == "yes" else discord.ButtonStyle.secondary
    words = say("confirm.working") if working and answer == "yes" else say(f"confirm.{answer}")
    return Button(
        label=words, style=style, custom_id=f"kb:admin:{answer}:{pending_id}", disabled=working
    )


class Answer(
    DynamicItem[Button[Any]], template=r"kb:admin:(?P<answer>yes|no):(?P<pending>[0-9]{1,19})"
):
    """Does what was asked, or not; of whoever asked it, while they are an administrator."""

    def __init__(self, answer: str, pending_id: int) -> None:
        super().__init__(_button(answer, pending_id))
        self.answer, self.pending_id = answer, pending_id

    @classmethod
    async def from_custom_id(
        cls, interaction: Interaction, item: Any, match: re.Match[str], /
    ) -> Self:
        return cls(match["answer"], int(match["pending"]))

    @guarded
    async def callback(self, interaction: Interaction) -> None:
        # The first answer to the press, before any I/O: nobody presses twice what is being done.
        await interaction.response.edit_message(view=buttons(self.pending_id, working=True))
        try:
            outcome = await self._answered(interaction)
        except Conflict as error:
            if error.code != "act_taken":  # whoever does it says what came of it
                await _without_buttons(interaction)
            raise
        except Refused:
            await _without_buttons(interaction)
            raise
        except Exception:
            await interaction.edit_original_response(view=buttons(self.pending_id))
            raise
        await interaction.edit_original_response(
            content=render.cut(outcome, render.CONTENT), view=None
        )

    async def _answered(self, interaction: Interaction) -> str:
        ctx, admin = ctx_of(interaction), await desk(interaction)
        if self.answer == "no":
            await pending.drop(ctx, admin, self.pending_id)
            return say("confirm.kept")
        taken = await pending.take(ctx, admin, self.pending_id)
        try:
            outcome = await ACTS[taken.name](interaction, admin, taken.detail)
        except Refused:
            await pending.end(ctx, taken)
            raise
        except Exception:
            await pending.release(ctx, taken)
            raise
        await pending.end(ctx, taken)
        log.info("confirmed", act=taken.name, admin=admin.user_id)
        return outcome


async def _without_buttons(interaction: Interaction) -> None:
    await interaction.edit_original_response(view=None)


DYNAMIC: tuple[type[DynamicItem[Any]], ...] = (Answer,)
