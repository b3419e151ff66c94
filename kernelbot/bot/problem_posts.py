"""What one reads before sending anything: a problem, what holds on its leaderboards, the queues. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import discord

from kernelbot import report
from kernelbot.bot.board_posts import window
from kernelbot.bot.limits import DESCRIPTION, FILES, FILES_BYTES
from kernelbot.bot.messages import say
from kernelbot.bot.post import BLUE, File, Post, fitted, titled
from kernelbot.bot.text import clean, cut, cut_markdown, file_part, flowing, plain
from kernelbot.domain.waiting import Wait
from kernelbot.services.canaries import Notice
from kernelbot.services.views import LeaderboardView, ProblemView, QueueView


def problem(view: ProblemView, boards: Sequence[LeaderboardView] = (), folder: bytes = b"") -> Post:
    """The statement, what is timed, what holds on its leaderboards; the starters and the ``folder`` (a zip of all
    that one needs to work at home) as files."""
    files = [
        File(
            f"{file_part(view.name)}-{file_part(style)}{view.starter_suffixes[style]}",
            code.encode(),
        )
        for style, code in list(view.starters.items())[: FILES - 1]
    ]
    zipped = f"{file_part(view.name)}.zip"
    if folder and len(folder) + sum(len(file.content) for file in files) <= FILES_BYTES:
        files.append(File(zipped, folder))
    own_words = re.sub(rf"\A# {re.escape(view.title)}\s*\n", "", view.statement)
    statement = discord.utils.escape_mentions(flowing(clean(own_words)))
    light = _speed_of_light(view)
    whole = f"\n{say('problem.whole', file=zipped)}" if files and files[-1].name == zipped else ""
    room = DESCRIPTION - len(light)
    text = (
        statement if len(statement) <= room else cut_markdown(statement, room - len(whole)) + whole
    )
    embed = titled(plain(view.title, 200), text + light, BLUE)
    timed = ", ".join(plain(case, 100) for case in view.benchmarks)
    fields = [
        (say("problem.board", board=plain(board.name, 80)), limits(board)) for board in boards[:5]
    ]
    fields.append((say("problem.timed", how=say(f"scoring.{view.scoring}")), cut(timed, 500)))
    fields.append((say("problem.packages"), ", ".join(plain(name, 40) for name in view.packages)))
    for name, value in fields:
        if value:
            embed.add_field(name=name, value=value, inline=False)
    return Post(embeds=(fitted(embed),), files=tuple(files))


def limits(board: LeaderboardView) -> str:
    """What somebody needs to know before they send anything there."""
    ranked, other = (
        say("problem.per_hour", count=limit) if limit is not None else say("problem.no_limit")
        for limit in (board.ranked_per_hour, board.other_per_hour)
    )
    lines = [
        say("problem.gpus", gpus=cut(", ".join(plain(gpu, 40) for gpu in board.gpus), 400)),
        say("problem.languages", languages=", ".join(board.languages)),
        say("problem.allowance", ranked=ranked, other=other),
        window(board),
    ]
    return "\n".join(line for line in lines if line)


def _speed_of_light(view: ProblemView) -> str:
    """What each benchmark takes at best, a line for each GPU."""
    times: dict[str, list[str]] = {}
    for item in view.speed_of_light:
        times.setdefault(item.gpu, []).append(report.format_time(item.seconds))
    lines = [cut(f"{plain(gpu, 40)}: {', '.join(row)}", 200) for gpu, row in times.items()]
    return f"\n\n{say('problem.light')}\n" + "\n".join(lines[:5]) if lines else ""


def queue(
    queues: Iterable[QueueView], now: Mapping[str, Wait], notices: Iterable[Notice] = ()
) -> Post:
    """``now``: how long the reader would wait on each; ``notices``: what everybody should know of the machines."""
    lines = [say("notice.line", text=plain(item.text, 400)) for item in notices]
    lines += [_queue_line(item, now.get(item.gpu)) for item in queues]
    text = "\n".join(lines) or say("queue.none")
    return Post(embeds=(fitted(titled(say("queue.title"), text, BLUE)),))


def _queue_line(item: QueueView, now: Wait | None) -> str:
    busy = say("queue.busy", running=item.running, slots=item.slots)
    state = busy if item.slots else say("queue.nobody")
    line = say("queue.line", gpu=plain(item.gpu, 40), queued=item.queued, state=state)
    if item.oldest_s is not None and item.queued:
        line += say("queue.oldest", time=report.duration_text(item.oldest_s))
    if item.out_of_service:
        line += say("queue.out", count=item.out_of_service)
    if now is not None and item.slots and item.paused is None:
        line += say("queue.now", wait=plain(report.wait_text(now), 300))
    if item.paused is not None:
        key = "queue.held" if item.paused.holds else "queue.paused"
        line += "\n" + say(key, reason=plain(item.paused.reason, 500))
    return line
