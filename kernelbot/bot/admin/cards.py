"""Views into what administrators are shown: pure, like ``bot.render``, and for nobody else."""

from __future__ import annotations

from collections.abc import Sequence

import discord

from kernelbot.bot import render
from kernelbot.bot.messages import say
from kernelbot.bot.render import Post, plain
from kernelbot.judge.protocol import Hint
from kernelbot.services.views import RunHints

HINTS = 12


def hints(submission_id: int, found: Sequence[RunHints]) -> Post:
    """The lines of each run; alike ones of several GPUs once."""
    embed = discord.Embed(
        title=say("admin.hints.title", id=submission_id),
        description=say("admin.hints.decide"),
        colour=render.BLUE,
    )
    by_lines: dict[tuple[Hint, ...], list[str]] = {}
    for item in found:
        by_lines.setdefault(item.hints, []).append(item.gpu)
    for lines, gpus in by_lines.items():
        name = ", ".join(plain(gpu, 40) for gpu in gpus)
        embed.add_field(name=name, value=hint_lines(lines), inline=False)
    if not found:
        embed.description = say("admin.hints.not_yet")
    return Post(embeds=(render.fitted(embed),))


def hint_lines(found: Sequence[Hint], most: int = HINTS) -> str:
    lines = [
        say("admin.hints.line", line=item.line, rule=item.rule, text=plain(item.text, 70))
        for item in found[:most]
    ]
    if len(found) > most:
        lines.append(say("admin.more", count=len(found) - most))
    return render.cut_markdown("\n".join(lines) or say("admin.hints.none"), render.FIELD_VALUE)
