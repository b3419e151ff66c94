"""What is told without being asked for: records, reveals, what organizers and machines have to say. Pure."""

from __future__ import annotations

import re
from datetime import datetime

import discord

from kernelbot import report
from kernelbot.bot.limits import DESCRIPTION
from kernelbot.bot.messages import say
from kernelbot.bot.post import BLUE, GOLD, GREEN, GREY, Post, fitted, titled
from kernelbot.bot.text import clean, cut, percent_text, plain, relative
from kernelbot.services.notices import Notice
from kernelbot.services.views import Podium, Reveal


def notice_key(announcement_id: int) -> str:
    return f"notice {announcement_id}"


def podium(change: Podium, key: str) -> Post:
    """Who took which place, by how much, and who was there before."""
    place = report.ordinal(change.rank)
    board = f"{plain(change.title, 100)} ({plain(change.gpu, 40)})"
    lines = [
        say(
            "podium.shares"
            if change.tied
            else "podium.record"
            if change.is_record
            else "podium.took"
            if change.displaced_name
            else "podium.is_in",
            name=plain(change.user_name, 64),
            place=place,
            time=report.format_time_error(change.seconds, change.error),
            margin=_margin(change),
        )
    ]
    if change.previous_seconds and change.displaced_seconds:
        before = report.format_time(change.previous_seconds)
        percent = _change(change.seconds / change.previous_seconds - 1)
        lines.append(say("podium.against_own", percent=percent, time=before))
    if change.displaced_name and change.displaced_seconds:
        was = report.format_time(change.displaced_seconds)
        name = plain(change.displaced_name, 64)
        lines.append(say("podium.before", name=name, time=was))
    embed = titled(board, "\n".join(lines), GOLD, key)
    return Post(embeds=(fitted(embed),), key=key)


def _margin(change: Podium) -> str:
    """``, −3.1 % against the time before, 71 % of speed of light``."""
    share = change.light_seconds / change.seconds if change.light_seconds else None
    parts = [
        "" if change.margin is None else say("podium.margin", percent=_change(change.margin)),
        report.light_text(share, say("podium.light", percent="{}")),
    ]
    return "".join(f", {part}" for part in parts if part)


def _change(fraction: float) -> str:
    """``−3.1 %``."""
    return f"{'−' if fraction < 0 else '+'}{percent_text(abs(fraction))}"


def personal(found: Notice, key: str, now: datetime) -> Post:
    """A direct message that somebody asked for; without a sound in their quiet hours."""
    board = plain(found.leaderboard, 80)
    if found.own is not None and found.ahead is not None:
        own, ahead = found.own.entry, found.ahead.entry
        text = say(
            "notice.overtaken",
            board=board,
            gpu=plain(found.gpu, 40),
            place=report.ordinal(found.own.rank),
            time=report.format_time_error(own.seconds, own.error),
            name=plain(ahead.user_name, 64),
            ahead=report.format_time_error(ahead.seconds, ahead.error),
        )
    else:
        assert found.closes_at is not None
        at = discord.utils.format_dt(found.closes_at, "f")
        text = say("notice.deadline", board=board, when=relative(found.closes_at), at=at)
    embed = titled(board, f"{text}\n{say('notice.why')}", BLUE, key)
    return Post(embeds=(fitted(embed),), key=key, silent=found.wanted.is_quiet(now))


def reveal(found: Reveal, key: str) -> Post:
    """The podiums of a leaderboard after a freeze."""
    lines = [say("reveal.over", board=plain(found.leaderboard, 80))]
    for shown in found.podiums:
        lines += ["", f"**{plain(shown.gpu, 40)}**"]
        for item in shown.places:
            place = f"{report.ordinal(item.rank)}{' =' if item.tied else ''}"
            timing = report.format_time_error(item.seconds, item.error)
            name = plain(item.user_name, 64)
            lines.append(say("reveal.place", place=place, name=name, time=timing))
        if shown.more:
            lines.append(say("reveal.more", count=shown.more))
    if found.unjudged:
        lines += ["", say("reveal.unjudged", count=found.unjudged)]
    text = cut("\n".join(lines), DESCRIPTION)
    embed = titled(plain(found.title, 100), text, GOLD, key)
    return Post(embeds=(fitted(embed),), key=key)


def bulletin(text: str, title: str, key: str = "") -> Post:
    """What organizers tell in their own words: lines stay lines, and nothing in them is markup or a mention."""
    lines = [plain(line, DESCRIPTION, links=True) for line in clean(text).splitlines()]
    words = re.sub(r"\n{3,}", "\n\n", "\n".join(lines))
    about = plain(title, 100) if title else say("bulletin.all")
    made = titled(about, cut(words, DESCRIPTION), GOLD, key)
    return Post(embeds=(fitted(made),), key=key)


def notice(text: str, *, out: bool, key: str) -> Post:
    """What everybody should know about the machines: a device is ``out`` of service, or back."""
    title = say("notice.out") if out else say("notice.back")
    embed = titled(title, cut(plain(text, DESCRIPTION), DESCRIPTION), GREY if out else GREEN, key)
    return Post(embeds=(fitted(embed),), key=key)
