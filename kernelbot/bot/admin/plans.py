"""Views into what would be published, what is wrong with its files, and where competitions stand: pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import discord

from kernelbot.bot.limits import CONTENT, DESCRIPTION
from kernelbot.bot.messages import say
from kernelbot.bot.post import BLUE, RED, File, Post, fitted
from kernelbot.bot.text import clean, cut, cut_markdown, plain, relative
from kernelbot.domain.definition import DefinitionErrors
from kernelbot.services.organizing import BoardState, CompetitionState, Proposal
from kernelbot.services.publish import Change, Kind

ORDER = (Kind.REFUSED, Kind.REMEASURED, Kind.HIDDEN, Kind.CHANGED, Kind.CREATED)
LINES, LINE = 15, 300
MISTAKES = 8
COMPETITIONS = 20


def plan(found: Proposal, *, asks: bool) -> Post:
    """What would be done, the warnings first; all of it in a file where the message has no room."""
    changes = sorted(found.plan.changes, key=lambda item: ORDER.index(item.kind))
    whole = [_plainly(item) for item in changes] + [f"note: {note}" for note in found.notes]
    lines = [_line(item) for item in changes[:LINES]]
    lines += [say("admin.plan.note", text=plain(note, LINE)) for note in found.notes[:3]]
    shown = len(changes) <= LINES and len(found.notes) <= 3
    text = "\n".join(lines) or say("admin.plan.nothing")
    fits = shown and len(text) <= DESCRIPTION - 200 and all(len(line) < LINE for line in whole)
    embed = discord.Embed(
        title=say("admin.plan.title", count=len(changes)),
        description=cut_markdown(text, DESCRIPTION),
        colour=RED if found.plan.refusals else BLUE,
    )
    at = f" @ {found.source.pinned[:12]}" if found.source.pinned else ""
    embed.set_footer(text=cut(clean(f"{found.source.described}{at}"), 200))
    content = _conclusion(found, asks=asks)
    files = () if fits else (File("plan.txt", "\n".join(whole).encode() + b"\n"),)
    return Post(content=content, embeds=(fitted(embed),), files=files)


def _conclusion(found: Proposal, *, asks: bool) -> str:
    if found.plan.refusals:
        return say("admin.plan.impossible", count=len(found.plan.refusals))
    if not found.plan.changes:
        return say("admin.plan.same")
    again = sum(item.kind is Kind.REMEASURED for item in found.plan.changes)
    hidden = sum(item.kind is Kind.HIDDEN for item in found.plan.changes)
    warning = say("admin.plan.warning", again=again, hidden=hidden) if again or hidden else ""
    return f"{say('admin.plan.ask' if asks else 'admin.plan.only')} {warning}".strip()


def _line(item: Change) -> str:
    return say(
        "admin.plan.line",
        kind=say(f"admin.plan.{item.kind.name.lower()}"),
        what=plain(item.what, 120),
        detail=plain(_as_option(item.detail), LINE),
    )


def _plainly(item: Change) -> str:
    kind = say(f"admin.plan.{item.kind.name.lower()}")
    return " ".join(clean(f"{kind}: {item.what}: {_as_option(item.detail)}").split())


def _as_option(words: str) -> str:
    """How a command line's option is called here."""
    return words.replace("--take-over", "take_over: True")


def applied(changes: Sequence[Change]) -> str:
    counted = {kind: sum(item.kind is kind for item in changes) for kind in ORDER}
    words = [
        f"{count} {say(f'admin.plan.{kind.name.lower()}')}"
        for kind, count in counted.items()
        if count
    ]
    return say("admin.plan.applied", what=", ".join(words) or say("admin.plan.nothing"))


def mistakes(found: DefinitionErrors) -> Post:
    """Everything that is wrong with the files, at once."""
    lines = [" ".join(clean(str(flaw)).split()) for flaw in found.flaws]
    first = "\n".join(f"- {plain(line, LINE)}" for line in lines[:MISTAKES])
    text = say("admin.plan.mistakes", count=len(lines)) + "\n" + first
    fits = (
        len(lines) <= MISTAKES and len(text) <= CONTENT and all(len(line) < LINE for line in lines)
    )
    files = () if fits else (File("mistakes.txt", "\n".join(lines).encode() + b"\n"),)
    return Post(content=cut_markdown(text, CONTENT), files=files)


# --- where competitions stand --------------------------------------------------------------------


def competitions(found: Iterable[CompetitionState]) -> Post:
    """One field each, those that go on first."""
    order = ("open", "upcoming", "over", "hidden")
    ordered = sorted(found, key=lambda item: order.index(item.state))
    embed = discord.Embed(title=say("admin.contests.title"), colour=BLUE)
    for item in ordered[:COMPETITIONS]:
        name = (
            f"{plain(item.title, 80)} ({plain(item.name, 60)}): {say(f'admin.state.{item.state}')}"
        )
        embed.add_field(name=name, value=_about(item), inline=False)
    if not ordered:
        embed.description = say("admin.contests.none")
    embed.set_footer(text=say("admin.more", count=len(ordered)))
    left = len(ordered) - len(fitted(embed).fields)
    if left:
        embed.set_footer(text=say("admin.more", count=left))
    else:
        embed.remove_footer()
    return Post(embeds=(embed,))


def _about(item: CompetitionState) -> str:
    lines = [_board(board) for board in item.boards]
    if item.phases:
        names = ", ".join(plain(phase, 40) for phase in item.phases)
        lines.insert(0, say("admin.contests.phases", names=names))
    return cut_markdown("\n".join(lines) or "–", 700)


def _board(item: BoardState) -> str:
    parts = [say(f"admin.state.{item.state}")]
    if item.state == "upcoming" and item.opens_at is not None:
        parts.append(say("admin.contests.opens", when=relative(item.opens_at)))
    if item.state == "open" and item.closes_at is not None:
        parts.append(say("admin.contests.closes", when=relative(item.closes_at)))
    if item.frozen_from is not None and item.frozen_until is not None:
        moments = (item.frozen_from, item.frozen_until)
        begin, end = (discord.utils.format_dt(moment, "f") for moment in moments)
        parts.append(say("admin.contests.frozen", begin=begin, end=end))
    parts.append(say("admin.contests.people", count=item.people))
    if item.measured_again:
        parts.append(say("admin.contests.measured", count=item.measured_again))
    if item.rejudged:
        parts.append(say("admin.contests.rejudged", count=item.rejudged))
    return f"**{plain(item.name, 60)}**: {', '.join(parts)}"
