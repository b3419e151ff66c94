"""Code without a file: pasted into a form, or out of somebody's message."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import discord
from discord import SelectOption, TextStyle, app_commands
from discord.ui import Label, Select, TextInput

from kernelbot.bot import autocomplete, errors, forms, whereto
from kernelbot.bot.choosing import Choice
from kernelbot.bot.door import Interaction, defer
from kernelbot.bot.errors import Declined
from kernelbot.bot.forms import Filled, field
from kernelbot.bot.messages import say
from kernelbot.bot.text import cut
from kernelbot.domain.submission import Draft
from kernelbot.judge.protocol import Mode

FORM = "paste"
MOST_CHARACTERS = 4000
"""Of a field of a form; longer code comes as a file."""
OPTIONS = 25
"""Of a menu; where there is more to choose from, it is written."""

BLOCK = re.compile(r"```(?:([\w+#.-]*)[ \t]*\n)?(.*?)```", re.DOTALL)
ENDINGS = {
    "c++": ".cpp", "cc": ".cpp", "cpp": ".cpp", "cxx": ".cpp", "cu": ".cu", "cuda": ".cu",
    "hip": ".hip", "py": ".py", "python": ".py",
}  # fmt: skip


async def ask(
    interaction: Interaction,
    *,
    code: str = "",
    file_name: str = "kernel.py",
    leaderboard: str = "",
    gpus: Sequence[str] = (),
    mode: str = Mode.TEST.value,
) -> None:
    """Show the form; what is known already stands in it."""
    index = autocomplete.index_of(interaction)
    seen = index.seen_by(interaction)
    title = say("paste.title")
    await forms.show(
        interaction,
        FORM,
        title,
        [
            field(
                say("paste.code"),
                TextInput(
                    custom_id="code",
                    style=TextStyle.paragraph,
                    max_length=MOST_CHARACTERS,
                    default=code or None,
                ),
                say("paste.code.hint"),
            ),
            _chosen("leaderboard", index.open_boards(seen), [leaderboard], most=1),
            _chosen("gpu", index.all_gpus(seen), gpus, most=OPTIONS),
            field(
                say("paste.mode"),
                Select(
                    custom_id="mode",
                    options=[
                        SelectOption(
                            label=item.value,
                            value=item.value,
                            description=say(f"mode.{item.value}"),
                            default=item.value == mode,
                        )
                        for item in Mode
                    ],
                ),
            ),
            field(
                say("paste.file"),
                TextInput(custom_id="file", default=file_name, max_length=100),
                say("paste.file.hint"),
            ),
        ],
    )


def _chosen(name: str, choices: Sequence[Choice], chosen: Sequence[str], most: int) -> Label[Any]:
    """A menu of what there is, as long as it fits and holds what is chosen already; else to write."""
    label, hint = say(f"paste.ask.{name}"), say("paste.in_the_code")
    wanted = {word.lower() for word in chosen if word}
    values = {choice.value.lower() for choice in choices}
    if not 0 < len(choices) <= OPTIONS or not wanted <= values:
        text = cut(", ".join(word for word in chosen if word), 100)
        written = TextInput[Any](
            custom_id=name, required=False, max_length=100, default=text or None
        )
        return field(label, written, hint)
    options = [
        SelectOption(label=item.name, value=item.value, default=item.value.lower() in wanted)
        for item in choices
    ]
    menu = Select[Any](
        custom_id=name,
        options=options,
        required=False,
        min_values=0,
        max_values=min(most, len(options)),
    )
    return field(label, menu, hint)


async def sent(interaction: Interaction, filled: Filled) -> None:
    """The form came back. What was pasted is given back with a refusal: the form is gone."""
    await defer(interaction)
    code = filled.get("code", "").encode()
    try:
        await whereto.send(
            interaction,
            Draft(
                code=code,
                file_name=filled.get("file", ""),
                leaderboard=filled.get("leaderboard") or None,
                gpus=tuple(word for word in re.split(r"[,\s]+", filled.get("gpu", "")) if word),
                mode=filled.get("mode") or Mode.TEST.value,
                idempotency_key=f"discord:{interaction.id}",
            ),
        )
    except Exception as error:
        kept = discord.File(io.BytesIO(code), "pasted.txt")
        await errors.tell(interaction, error, also=say("paste.kept"), file=kept)


@app_commands.context_menu(name="Submit this code block")
async def submit_block(interaction: Interaction, message: discord.Message) -> None:
    """Discord hands over the message that was pointed at: no intent to read messages is needed."""
    found = longest_block(message.content)
    if found is None:
        raise Declined(say("paste.no_block"))
    code, file_name = found
    if len(code) > MOST_CHARACTERS:
        raise Declined(say("paste.too_long", most=MOST_CHARACTERS))
    await ask(interaction, code=code, file_name=file_name)


def longest_block(text: str) -> tuple[str, str] | None:
    """The longest code block of a message, and what a file of it is called."""
    blocks = [(match[1] or "", match[2].strip("\n")) for match in BLOCK.finditer(text)]
    blocks = [(language, code) for language, code in blocks if code.strip()]
    if not blocks:
        return None
    language, code = max(blocks, key=lambda block: len(block[1]))
    looks_like = ".cu" if re.search(r"^\s*#include\b", code, re.MULTILINE) else ".py"
    return code, "kernel" + ENDINGS.get(language.lower(), looks_like)


FORMS: dict[str, forms.Handler] = {FORM: sent}
MENUS: tuple[app_commands.ContextMenu, ...] = (submit_block,)
