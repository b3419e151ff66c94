"""Who stands where, in words: a leaderboard, the standings of a competition, one's own row. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from kernelbot import report
from kernelbot.bot.messages import say
from kernelbot.bot.post import BLUE, File, Post, fitted, titled
from kernelbot.bot.text import block, clean, cut, plain, relative, until
from kernelbot.domain.competition_scoring import Total
from kernelbot.domain.ranking import Standing
from kernelbot.services.views import (
    CompetitionView,
    EventStandings,
    LeaderboardView,
    StandingsPage,
    TotalsPage,
)

ROWS = 10  # of a leaderboard page: more does not fit a phone's screen
NAME_WIDTH = 18


def with_picture(post: Post, picture: File | None) -> Post:
    """The picture under the words of the first embed."""
    if picture is None:
        return post
    embed = post.embeds[0].copy().set_image(url=f"attachment://{picture.name}")
    return replace(post, embeds=(embed, *post.embeds[1:]), files=(*post.files, picture))


def leaderboard(board: LeaderboardView, page: StandingsPage, number: int) -> Post:
    """One page of a leaderboard on one GPU; the viewer's own row is always there."""
    pages = max(1, -(-page.total // ROWS))
    lines = _with_own(page, lambda item: _standing_row(item, page.mine, page.light_seconds))
    title = say("board.title", title=plain(board.title, 120), gpu=plain(page.gpu, 40))
    table = block("\n".join(lines), 3000) if lines else say("board.empty")
    notes = [window(board), *board_notes(page)]
    if board.self_evaluated:
        notes.append(say("board.self_evaluated"))
    embed = titled(title, "\n".join([table, *[note for note in notes if note]]), BLUE)
    footer = say("board.footer", page=number + 1, pages=pages, total=page.total, name=board.name)
    embed.set_footer(text=footer)
    return Post(embeds=(fitted(embed),))


def _with_own(page: StandingsPage | TotalsPage, row: Callable[[Any], str]) -> list[str]:
    """The rows of a page, with the viewer's own before or behind them where it stands on another."""
    rows, mine = [row(item) for item in page.items], page.mine
    if mine is None or any(item.position == mine.position for item in page.items):
        return rows
    is_above = bool(page.items) and mine.position < page.items[0].position
    return [row(mine), "…", *rows] if is_above else [*rows, "…", row(mine)]


def board_rows(page: StandingsPage, most: int) -> str:
    """The first rows of a leaderboard, nobody's own among them."""
    return "\n".join(_standing_row(item, None, page.light_seconds) for item in page.items[:most])


def board_notes(page: StandingsPage) -> list[str]:
    """What the signs in its rows mean, and what is not shown of it now."""
    notes = [report.light_note(page.light_seconds), frozen(page)]
    if any(item.tied for item in page.items):
        notes.append(say("board.tied"))
    if any(item.earlier for item in page.items):
        notes.append(plain(report.EARLIER_NOTE))
    if any(item.entry.unconfirmed for item in page.items):
        notes.append(plain(report.UNCONFIRMED_NOTE))
    if any(item.entry.device_timed for item in page.items):
        notes.append(plain(report.DEVICE_TIMED_NOTE))
    return notes


def _standing_row(item: Standing, mine: Standing | None, best: float | None) -> str:
    own = mine is not None and mine.position == item.position
    earlier = item.earlier is not None
    timing = report.score_text(item.entry.seconds, item.entry.error, None if earlier else best)
    sign = f" {report.UNCONFIRMED_SIGN}" if item.entry.unconfirmed else ""
    sign += f" {report.DEVICE_TIMED_SIGN}" if item.entry.device_timed else ""
    return f"{_row_start(own, item.rank, item.tied, item.entry.user_name, earlier)}  {timing}{sign}"


def frozen(page: StandingsPage | TotalsPage) -> str:
    if page.frozen_until is None:
        return ""
    if page.seen_through:
        return say("board.seen_through", until=until(page.frozen_until))
    return say("board.frozen", when=relative(page.frozen_until))


def joined(view: CompetitionView) -> Post:
    """The answer to a code that let somebody in."""
    boards = ", ".join(plain(item["name"], 60) for item in view.document["leaderboards"][:ROWS])
    return Post(say("joined", title=plain(view.document["title"], 120), boards=boards))


def totals(contest: CompetitionView, page: TotalsPage, number: int) -> Post:
    """One page of the standings across a competition's problems; the viewer's own row is always there."""
    pages = max(1, -(-page.total // ROWS))
    rows = _with_own(page, lambda item: _total_row(item, page.mine))
    phases = {item["name"]: item["title"] for item in contest.document.get("phases", ())}
    phase = phases.get(page.phase) or page.phase
    title = plain(" · ".join(filter(None, (contest.document["title"], phase))), 200)
    notes = [frozen(page), _how_scored(page), *_what_counts(page), _own_parts(page)]
    if any(item.tied for item in page.items):
        notes.append(say("totals.tied"))
    table = block("\n".join(rows), 3000) if rows else say("board.empty")
    embed = titled(title, "\n".join([table, *filter(None, notes)]), BLUE)
    footer = say(
        "board.footer", page=number + 1, pages=pages, total=page.total, name=page.competition
    )
    embed.set_footer(text=footer)
    return Post(embeds=(fitted(embed),))


def _how_scored(page: TotalsPage) -> str:
    scoring = page.scoring
    share = say(f"totals.share.{scoring.share.value}")
    lines = [say(f"totals.rule.{scoring.rule.value}", share=share)]
    if scoring.count:
        lines.append(say("totals.best_count", count=scoring.count))
    return " ".join(lines)


def _what_counts(page: TotalsPage) -> list[str]:
    """Each problem with what it is worth."""
    counted = [f"{_event(item)} {item.worth:.6g}" for item in page.events if item.counts][:ROWS]
    left_out = [_event(item) for item in page.events if not item.counts][:ROWS]
    return [
        *([say("totals.worth", problems=cut(", ".join(counted), 600))] if counted else []),
        *(
            [say("totals.unknown_light", problems=cut(", ".join(left_out), 300))]
            if left_out
            else []
        ),
    ]


def _event(item: EventStandings) -> str:
    return f"{plain(item.leaderboard, 40)} ({plain(item.gpu, 20)})"


def _own_parts(page: TotalsPage) -> str:
    """What of each problem the viewer has."""
    if page.mine is None:
        return ""
    events = [item for item in page.events if item.counts]
    parts = []
    for event, part in zip(events, page.mine.parts, strict=True):
        share = f"{part.share:.0%}".replace("%", " %")
        place = f"{report.ordinal(part.standing.rank)}, " if part.standing else ""
        parts.append(f"{_event(event)} {place}{share}")
    return say("totals.own", parts=cut("; ".join(parts[:ROWS]), 600))


def _total_row(item: Total, mine: Total | None) -> str:
    own = mine is not None and mine.position == item.position
    return f"{_row_start(own, item.rank, item.tied, item.user_name)}  {item.score:.6g}"


def _row_start(own: bool, rank: int, tied: bool, name: str, earlier: bool = False) -> str:
    shown = _column(" ".join(clean(name).split()), NAME_WIDTH)
    place = f"{rank}{'=' if tied else ''}{report.EARLIER_SIGN if earlier else ''}"
    return f"{'>' if own else ' '}{place:>4}  {shown}"


def _column(text: str, width: int) -> str:
    """Cut and filled up to so many columns; signs of East Asia take two, marks upon others none."""
    taken = sum(map(_columns, text))
    if taken > width:
        while text and taken > width - 1:
            text, taken = text[:-1], taken - _columns(text[-1])
        text, taken = text + "…", taken + 1
    return text + " " * (width - taken)


def _columns(sign: str) -> int:
    if unicodedata.category(sign) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1


def window(board: LeaderboardView) -> str:
    if board.is_open:
        return say("board.open", when=relative(board.closes_at)) if board.closes_at else ""
    if board.opens_at and board.opens_at > datetime.now(UTC):
        return say("board.opens", when=relative(board.opens_at))
    return say("board.closed")
