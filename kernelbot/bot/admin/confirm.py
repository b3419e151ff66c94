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

from kernelbot.bot import rest
from kernelbot.bot.door import Interaction, administrator, change, conclude, ctx_of
from kernelbot.bot.errors import guarded, refusal_in
from kernelbot.bot.limits import CONTENT
from kernelbot.bot.messages import say
from kernelbot.bot.text import cut
from kernelbot.bot.views import without_memory
from kernelbot.domain.people import Actor
from kernelbot.errors import Refused
from kernelbot.services import pending
from kernelbot.services.context import Context

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
    text = cut(effect, CONTENT)
    await interaction.edit_original_response(
        content=text, embeds=[], attachments=[], view=buttons(asked.id)
    )


def buttons(pending_id: int) -> View:
    return _under(pending_id, "yes", "no")


def _under(pending_id: int, *answers: str) -> View:
    view = View(timeout=None)
    for answer in answers:
        view.add_item(_button(answer, pending_id))
    return without_memory(view)


STYLES = {"yes": discord.ButtonStyle.danger}


def _button(answer: str, pending_id: int) -> Button[Any]:
    style = STYLES.get(answer, discord.ButtonStyle.secondary)
    custom_id = f"kb:admin:{answer}:{pending_id}"
    return Button(label=say(f"confirm.{answer}"), style=style, custom_id=custom_id)


class Answer(
    DynamicItem[Button[Any]], template=r"kb:admin:(?P<answer>yes|no|look):(?P<pending>[0-9]{1,19})"
):
    """Does what was asked, or not, or shows what came of it; of whoever asked it, while they are an administrator."""

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
        # The first answer to the press, before any I/O: nobody presses twice what is being done. If we die
        # meanwhile, this is what stays, and it finds out what came of it.
        await change(interaction, _under(self.pending_id, "look"))
        try:
            outcome = await self._answered(interaction)
        except Refused as error:
            if error.code != "act_taken":  # whoever does it says what came of it
                await _shown(interaction, None)
            raise
        except Exception:
            if self.answer != "look":
                await _shown(interaction, buttons(self.pending_id))
            raise
        if outcome is None:
            await _shown(interaction, buttons(self.pending_id))
        else:
            await conclude(interaction, outcome)

    async def _answered(self, interaction: Interaction) -> str | None:
        """What came of it; None: nothing yet, and nobody does it."""
        ctx, admin = ctx_of(interaction), await administrator(interaction)
        if self.answer == "no":
            await pending.drop(ctx, admin, self.pending_id, say("confirm.kept"))
            return say("confirm.kept")
        if self.answer == "look":
            found = await pending.look(ctx, admin, self.pending_id)
        else:
            found = await pending.take(ctx, admin, self.pending_id)
        return await _done(interaction, admin, found) if isinstance(found, pending.Act) else found


async def _done(interaction: Interaction, admin: Actor, taken: pending.Act) -> str:
    """Do it. Once that has returned it is done, whatever fails after it."""
    ctx = ctx_of(interaction)
    try:
        outcome = cut(await ACTS[taken.name](interaction, admin, taken.detail), CONTENT)
    except Refused as error:
        await _end(ctx, taken, refusal_in(error))
        raise
    except Exception:
        await pending.release(ctx, taken)
        raise
    await _end(ctx, taken, outcome)
    log.info("confirmed", act=taken.name, admin=admin.user_id)
    return outcome


async def _end(ctx: Context, taken: pending.Act, outcome: str) -> None:
    try:
        await pending.end(ctx, taken, outcome)
    except Exception as error:
        log.warning("what was decided stays open", act=taken.name, id=taken.id, error=repr(error))


async def _shown(interaction: Interaction, view: View | None) -> None:
    """Where Discord does not take it, "Look again" stays."""
    try:
        await interaction.edit_original_response(view=view)
    except rest.NO_ANSWER as error:
        log.warning("the buttons of a question stay", error=repr(error))


DYNAMIC: tuple[type[DynamicItem[Any]], ...] = (Answer,)
