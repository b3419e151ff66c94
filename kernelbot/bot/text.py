"""Text as Discord reads it. What came from people is escaped here: ``plain`` for running text, ``block`` for code
blocks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

import discord

from kernelbot.bot.messages import say
from kernelbot.domain import lasting

LINK = r"https?://[A-Za-z0-9./?=&%#_+~-]*[A-Za-z0-9/?=&%#_+~-]"
"""An address that Discord reads as one to its last character, whatever stands around it."""
UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, but tab and line feed
    r"\ud800-\udfff"  # halves of characters
    r"\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd"  # of private use
    # Bidirectional overrides turn "gpj.exe" into "exe.jpg" and swap columns of a table.
    r"\u202a-\u202e\u2066-\u2069]"
)
"""A pattern, because a difference of two files has millions of characters and others wait meanwhile."""
MEANING = re.compile(
    r"""
    (?P<escaped>
        [\\*_~`|\[\]]
      | \A[#>+-]                           # headings, quotes and lists begin a line
      | (?<=\A\d)\.(?=\s) | (?<=\A\d\d)\.(?=\s) | (?<=\A\d\d\d)\.(?=\s)
      | :(?=[\w+-]+:)                      # emoji
    )
    # A backslash before these may not keep a mention from notifying, or an address from being one on every
    # device; something between them and the rest does.
  | (?P<parted>
        <(?!\s)                           # mentions, custom emoji, timestamps, command links
      | @(?=everyone|here|[!&]?\d{17,20})
      | :(?=//)
      | (?<=discord)\.(?=\w) | (?<=discordapp)\.(?=\w)  # invitations are cards without a scheme
    )
    """,
    re.VERBOSE | re.IGNORECASE,
)


def clean(text: str) -> str:
    """Without control characters and without marks that reorder what follows."""
    return UNSEEN.sub("", text)


def plain(text: str, limit: int = 200, *, links: bool = False) -> str:
    """Somebody's text inside running text: one line, no markup, no mentions, and no address that can be followed
    unless ``links``. At most ``limit`` characters are seen, and at most twice as many are sent."""
    line = cut(" ".join(clean(text).split()), limit)
    if not links:
        return MEANING.sub(_disarmed, line)
    parts = re.split(f"({LINK})", line)
    return "".join(
        part if at % 2 else MEANING.sub(_disarmed, part) for at, part in enumerate(parts)
    )


def _disarmed(found: re.Match[str]) -> str:
    return f"\\{found[0]}" if found["escaped"] else f"{found[0]}\u200b"


def block(text: str, limit: int, language: str = "") -> str:
    """A code block nobody can write their way out of, of at most ``limit`` characters."""
    # A zero-width space between backticks: there is no escape inside a code block.
    body = clean(text).replace("``", "`\u200b`").rstrip() or " "
    frame = f"```{language}\n\n```"
    return f"```{language}\n{cut(body, limit - len(frame))}\n```"


def cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: max(0, limit - 1)] + "…"


def cut_markdown(text: str, limit: int) -> str:
    """Shortened between lines, with an open code block closed."""
    if len(text) <= limit:
        return text
    kept = text[: limit - 8].rsplit("\n", 1)[0]
    return kept + ("\n```\n…" if kept.count("```") % 2 else "\n…")


def whole_lines(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    kept = text[: max(0, limit - 20)].rsplit("\n", 1)[0]
    more = text.count("\n") - kept.count("\n")
    return f"{kept}\n… {say('table.more', count=more)}"


def flowing(text: str) -> str:
    """Markdown as Discord reads it: it keeps line breaks within a paragraph, and knows no tables."""
    lines: list[str] = []
    table: list[list[str]] = []
    in_code = False
    for line in [*text.splitlines(), ""]:
        is_row = not in_code and line.startswith("|")
        if is_row:
            cells = [cell.strip().replace("`", "") for cell in line.strip("| ").split("|")]
            if not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
                table.append(cells)
            continue
        if table:
            columns = max(len(row) for row in table)
            rows = [[*row, *[""] * (columns - len(row))] for row in table]
            lines += ["```", *aligned(rows).splitlines(), "```"]
            table = []
        continues = not in_code and line and not re.match(r"\s*([-*+] |[>#]|\d+[.)] |```)", line)
        if continues and lines and lines[-1].strip() and not lines[-1].startswith(("#", "```")):
            lines[-1] = f"{lines[-1].rstrip()} {line.strip()}"
        else:
            lines.append(line)
        in_code ^= line.lstrip().startswith("```")
    return "\n".join(lines).rstrip()


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; the last one is ragged."""
    if not rows:
        return ""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    )


def relative(moment: datetime) -> str:
    """``<t:...:R>``: everybody reads it in their own time zone."""
    return discord.utils.format_dt(moment, "R")


def until(moment: datetime) -> str:
    """``until`` a moment as everybody reads it in their own time zone, or that there is no end."""
    if lasting.is_endless(moment):
        return say("until.for_ever")
    return say("until", at=discord.utils.format_dt(moment, "f"), when=relative(moment))


def percent_text(fraction: float) -> str:
    """``3.1 %``."""
    return f"{100 * fraction:.1f} %"


def file_name(name: str) -> str:
    """Somebody's file name as one that means nothing anywhere."""
    safe = "".join(sign if sign.isalnum() or sign in "._-" else "_" for sign in clean(name))
    return cut(safe, 80)


def file_part(text: str) -> str:
    """Of a file name: letters, digits, dash."""
    return (
        "".join(sign if sign.isalnum() and sign.isascii() else "-" for sign in text)[:40] or "run"
    )
