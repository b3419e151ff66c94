"""Forms that a person fills in (modals). What they hold comes back with them, so they work after any restart."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, cast

import discord
from discord.ui import Label, Modal

from kernelbot.bot.door import Interaction
from kernelbot.bot.errors import guarded
from kernelbot.bot.text import cut

PREFIX = "kb:form:"
ABOUT = "about"
TITLE, LABEL = 45, 45

Filled = Mapping[str, str]
"""By the custom_id of a field what was written there, or chosen, several apart by commas."""

Handler = Callable[[Interaction, Filled], Awaitable[None]]


async def show(
    interaction: Interaction,
    name: str,
    title: str,
    fields: Iterable[Label[Any]],
    about: object = "",
) -> None:
    """Must be the first answer to an interaction: within three seconds, before any I/O. What it is ``about``
    comes back with it, under ``ABOUT``."""
    custom_id = f"{PREFIX}{name}:{about}" if about else PREFIX + name
    form = Modal(title=cut(title, TITLE), custom_id=custom_id)
    for field in fields:
        form.add_item(field)
    form.stop()  # the client does not keep it; ``received`` finds its handler by the name
    await interaction.response.send_modal(form)


def field(label: str, component: Any, description: str | None = None) -> Label[Any]:
    return Label(text=cut(label, LABEL), component=component, description=description)


@guarded
async def received(handlers: Mapping[str, Handler], interaction: Interaction) -> None:
    """Give a form that was sent to the handler of its name; everything else is none of ours."""
    if interaction.type is not discord.InteractionType.modal_submit:
        return
    data = cast(dict[str, Any], interaction.data or {})
    name, _, about = str(data.get("custom_id", "")).removeprefix(PREFIX).partition(":")
    handler = handlers.get(name)
    if handler is not None:
        await handler(interaction, {**_filled(data.get("components") or []), ABOUT: about})


def _filled(components: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    found = {}
    for outer in components:
        for item in outer.get("components") or [outer.get("component") or {}]:
            if "custom_id" in item:
                chosen = item.get("values")
                text = ",".join(map(str, chosen)) if chosen is not None else item.get("value")
                found[str(item["custom_id"])] = str(text or "")
    return found
