"""Asking where a file is to go once it is there: the leaderboard, then the GPUs.

Nobody attaches a file twice because a word was missing. What can be chosen stands in the answer as a menu; the file
lies in Postgres under the number in its custom_id, so that the choice works after a restart.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self, cast

import structlog
from discord import SelectOption
from discord.ui import DynamicItem, Select, View

from kernelbot.bot import autocomplete
from kernelbot.bot.choosing import Choice
from kernelbot.bot.door import Interaction, ctx_of, defer_change, person
from kernelbot.bot.errors import Declined, guarded
from kernelbot.bot.limits import CHOICE, CHOICES
from kernelbot.bot.messages import say
from kernelbot.bot.taking import acknowledged, take
from kernelbot.bot.text import cut, plain
from kernelbot.bot.views import without_memory
from kernelbot.domain.people import Actor
from kernelbot.domain.submission import Draft
from kernelbot.errors import Refused
from kernelbot.services import submit, unaddressed
from kernelbot.services.context import Context

log = structlog.get_logger()


async def send(interaction: Interaction, draft: Draft) -> None:
    """Take in what somebody sent with this interaction, which has been deferred; where nothing but a leaderboard or
    GPUs is missing, keep it and ask for them."""
    try:
        await take(interaction, draft)
    except Refused as error:
        what, choices = _missing(interaction, error)
        if not choices:
            raise
        number = await unaddressed.keep(ctx_of(interaction), await person(interaction), draft)
        await _ask(interaction, number, draft, what, choices)


def _missing(interaction: Interaction, error: Refused) -> tuple[str, Sequence[Choice]]:
    """What is still to be chosen, and from what; nothing where it is something else, or more than a menu holds."""
    what, choices = "gpu", list[Choice]()
    if error.code == "no_gpu":
        names = cast(Sequence[str], error.detail["choices"])
        choices = [Choice(name, name) for name in names]
    elif error.code == "no_leaderboard":
        index = autocomplete.index_of(interaction)
        what, choices = "board", index.open_boards(index.seen_by(interaction))
    fits = len(choices) <= CHOICES and all(0 < len(item.value) <= CHOICE for item in choices)
    return what, choices if fits else ()


async def _ask(
    interaction: Interaction, number: int, draft: Draft, what: str, choices: Sequence[Choice]
) -> None:
    view = View(timeout=None)
    view.add_item(_menu(what, number, choices))
    text = say(f"where.{what}", file=plain(draft.file_name, 60))
    await interaction.edit_original_response(content=text, view=without_memory(view))


def _menu(what: str, number: int, choices: Sequence[Choice] = ()) -> Select[Any]:
    return Select(
        custom_id=f"kb:where:{what}:{number}",
        placeholder=say(f"where.choose.{what}"),
        max_values=max(1, len(choices)) if what == "gpu" else 1,
        options=[SelectOption(label=cut(item.name, CHOICE), value=item.value) for item in choices],
    )


class Where(
    DynamicItem[Select[Any]], template=r"kb:where:(?P<what>board|gpu):(?P<kept>[0-9]{1,19})"
):
    """The leaderboard or the GPUs of a file that is kept; of whoever sent it."""

    def __init__(self, what: str, number: int) -> None:
        super().__init__(_menu(what, number))
        self.what, self.number = what, number

    @classmethod
    async def from_custom_id(
        cls, interaction: Interaction, item: Any, match: re.Match[str], /
    ) -> Self:
        return cls(match["what"], int(match["kept"]))

    @guarded
    async def callback(self, interaction: Interaction) -> None:
        await defer_change(interaction)
        ctx, actor = ctx_of(interaction), await person(interaction)
        chosen = [str(item) for item in cast(dict[str, Any], interaction.data or {})["values"]]
        draft = await unaddressed.find(ctx, actor, self.number)
        if self.what == "board":
            draft = replace(draft, leaderboard=chosen[0])
        else:
            draft = replace(draft, gpus=tuple(chosen))
        try:
            view = await submit.accept(ctx, actor, draft)
        except Refused as error:
            what, choices = _missing(interaction, error)
            if self.what == "board" and choices:
                await unaddressed.goes_to(ctx, actor, self.number, chosen[0])
                await _ask(interaction, self.number, draft, what, choices)
                return
            if error.code == "idempotency_key_reused":  # chosen twice at once, each time otherwise
                raise Declined(say("where.sent")) from error
            raise
        await _sent(ctx, actor, self.number)
        await acknowledged(interaction, view, actor.user_id)


async def _sent(ctx: Context, actor: Actor, number: int) -> None:
    """It is accepted, whatever fails here; a second choice finds the same submission."""
    try:
        await unaddressed.sent(ctx, actor, number)
    except Exception as error:
        log.warning("a file that was sent is kept on", number=number, error=repr(error))


DYNAMIC: tuple[type[DynamicItem[Any]], ...] = (Where,)
