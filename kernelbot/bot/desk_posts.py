"""What a competition shows in a server, in words: its rules, the live cards, events and reminders. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import discord

from kernelbot import report
from kernelbot.bot import board_posts, problem_posts
from kernelbot.bot.limits import EMBED_TOTAL, FIELD_VALUE, THREAD_NAME
from kernelbot.bot.messages import say
from kernelbot.bot.post import BLUE, GREEN, GREY, Post, fitted, titled
from kernelbot.bot.text import block, clean, cut, cut_markdown, flowing, plain, relative
from kernelbot.domain.competition import Competition, Prize
from kernelbot.domain.competition_scoring import Rule
from kernelbot.domain.desk import Moment, Window
from kernelbot.services.desk import MomentView
from kernelbot.services.views import LeaderboardView, StandingsPage

RULES_ROOM = 3000
"""Characters of the rules as their organizer wrote them; `/problem` and the files have all of it."""
LEAST_RULES_ROOM = 500
"""Also where prizes, licence and the rest take nearly all there is."""
CARD_GPUS = 9
CARD_ROWS = (10, 6, 3, 1)
"""Of each GPU: as many as fit."""
CARD_SIZES = (*((rows, CARD_GPUS) for rows in CARD_ROWS), (1, CARD_GPUS - 1), (1, CARD_GPUS - 2))
"""Rows and GPUs: of the GPUs fewer are shown where even one row of each is too much."""
EVENT_NAME, EVENT_ABOUT, TOPIC = 100, 1000, 1024


@dataclass(frozen=True)
class EventText:
    name: str
    about: str  # its last line is the mark that finds it again


def digest(*parts: Any) -> str:
    """Of what a thing shows."""
    return hashlib.sha256(json.dumps(parts, default=str, sort_keys=True).encode()).hexdigest()[:32]


# --- marks: by these a thing is found that was made and not written down ---------------------------


def mark(bot_id: int, competition: str, phase: str | None = None) -> str:
    """At the end of a forum's topic, or of an event's description."""
    return f"kernelbot:{bot_id}/{competition}" + ("" if phase is None else f"/{phase}")


def rules_key(competition: str) -> str:
    return f"rules {competition}"


def board_key(key: str) -> str:
    return f"leaderboard {key.partition(':')[2]}"


def told_key(announcement_id: int) -> str:
    return f"told {announcement_id}"


# --- the forum -------------------------------------------------------------------------------------


def topic(competition: Competition, bot_id: int) -> str:
    found = mark(bot_id, competition.name)
    words = say("desk.topic", title=plain(competition.title, 200))
    return f"{cut(words, TOPIC - len(found) - 1)}\n{found}"


def tag(is_open: bool) -> str:
    return say("desk.tag.open" if is_open else "desk.tag.closed")


def post_name(title: str) -> str:
    return cut(" ".join(clean(title).split()) or "·", THREAD_NAME)


def rules_name(competition: Competition) -> str:
    return post_name(say("desk.rules.name", title=competition.title))


# --- posts -----------------------------------------------------------------------------------------


def rules(
    competition: Competition, windows: Sequence[Window], boards: Sequence[LeaderboardView]
) -> Post:
    """The first post of a competition."""
    key = rules_key(competition.name)
    embed = titled(plain(competition.title, 200), "", BLUE, key)
    gpus = dict.fromkeys(gpu for board in boards for gpu in board.gpus)
    for name, value in (
        ("when", "\n".join(_when(window, len(windows) > 1) for window in windows)),
        ("how", say("desk.how")),
        ("gpus", ", ".join(plain(gpu, 40) for gpu in gpus)),
        ("scoring", _scoring(competition)),
        ("prizes", "\n".join(_prize(prize) for prize in competition.prizes)),
        ("licence", plain(competition.licence, 600)),
        ("host", plain(competition.host, 200)),
        ("register", _registration(competition)),
        ("winners", "\n".join(f"- {plain(line, 200)}" for line in competition.verification)),
    ):
        if value:
            shown = cut_markdown(value, FIELD_VALUE)
            embed.add_field(name=say(f"desk.label.{name}"), value=shown, inline=False)
    text = discord.utils.escape_mentions(flowing(clean(competition.rules)))
    room = max(LEAST_RULES_ROOM, min(RULES_ROOM, EMBED_TOTAL - len(embed)))
    embed.description = cut_markdown(text, room) or say("desk.rules.none")
    return Post(embeds=(fitted(embed),), key=key)


def _when(window: Window, named: bool) -> str:
    title = window.title or window.phase
    phase = say("desk.when.phase", phase=plain(title, 80)) if named and title else ""
    opens, closes = window.opens, window.closes
    if closes is None:
        if opens is None:
            return say("desk.when.always", phase=phase)
        return say("desk.when.from", phase=phase, opens=_moment(opens))
    values = {"phase": phase, "closes": _moment(closes), "when": relative(closes)}
    if opens is None:
        return say("desk.when.to", **values)
    return say("desk.when.from_to", opens=_moment(opens), **values)


def _moment(at: datetime) -> str:
    return discord.utils.format_dt(at, "f")


def _scoring(competition: Competition) -> str:
    scoring = competition.scoring
    if scoring is None:
        return say("desk.scoring.single")
    lines = [say(f"desk.scoring.{scoring.rule.value}"), say(f"desk.scoring.{scoring.share.value}")]
    worths = [
        say(
            "desk.worth",
            board=plain(spec.name, 60),
            worth=f"{spec.points if scoring.rule is Rule.POINTS else spec.weight:g}",
        )
        for spec in competition.leaderboards
    ]
    return " ".join(lines) + "\n" + " · ".join(worths)


def _prize(prize: Prize) -> str:
    where = plain(prize.leaderboard, 60) or say("desk.overall")
    line = say(
        "desk.prize",
        place=report.ordinal(prize.place),
        where=where,
        prize=plain(prize.prize, 200),
    )
    return f"{line} ({plain(prize.note, 200)})" if prize.note else line


def _registration(competition: Competition) -> str:
    found = competition.registration
    if found is None:
        return ""
    window = Window(phase="", title="", opens=found.opens, closes=found.closes)
    return "\n".join(part for part in (_when(window, False), plain(found.eligibility, 600)) if part)


def card(board: LeaderboardView, pages: Sequence[StandingsPage], key: str) -> Post:
    """The live card of a leaderboard: what it is about, and who is ahead on each GPU."""
    for most, kinds in CARD_SIZES:
        embeds = _card(board, pages, key, most, kinds)
        if sum(len(embed) for embed in embeds) <= EMBED_TOTAL:
            break
    return Post(embeds=tuple(embeds), key=board_key(key))


def _card(
    board: LeaderboardView, pages: Sequence[StandingsPage], key: str, most: int, kinds: int
) -> list[discord.Embed]:
    how = say("desk.card.how", problem=board.problem, board=board.name)
    notes = [plain(board.summary, 600), problem_posts.limits(board), _freeze(board), how]
    if board.self_evaluated:
        notes.append(say("board.self_evaluated"))
    empty = [page.gpu for page in pages if not page.items]
    ranked = [page for page in pages if page.items]
    for name, gpus in (
        ("nobody", empty),
        ("more", [page.gpu for page in ranked[kinds:]]),
    ):
        if gpus:
            notes.append(say(f"desk.gpus.{name}", gpus=_names(gpus)))
    text = "\n".join(note for note in notes if note)
    embeds = [titled(plain(board.title, 200), text, BLUE)]
    embeds += [_of_gpu(page, most) for page in ranked[:kinds]]
    embeds[-1].set_footer(text=board_key(key))
    return [fitted(embed) for embed in embeds]


def _freeze(board: LeaderboardView) -> str:
    if board.frozen_from is None or board.frozen_until is None:
        return ""
    begins, ends = _moment(board.frozen_from), _moment(board.frozen_until)
    return say("desk.card.freeze", begins=begins, ends=ends)


def _names(gpus: Iterable[str]) -> str:
    return cut(", ".join(plain(gpu, 40) for gpu in gpus), 400)


def _of_gpu(page: StandingsPage, most: int) -> discord.Embed:
    title = say("desk.card.gpu", gpu=plain(page.gpu, 40), total=page.total)
    table = block(board_posts.board_rows(page, most), 1500)
    notes = [note for note in board_posts.board_notes(page) if note]
    return titled(title, "\n".join([table, *notes]), BLUE)


def hidden(key: str) -> Post:
    """In the place of what is not on show any more."""
    return Post(embeds=(titled("", say("desk.hidden"), GREY, key),), key=key)


# --- events and reminders --------------------------------------------------------------------------


def event(competition: Competition, window: Window, gpus: Iterable[str], bot_id: int) -> EventText:
    title, phase = " ".join(clean(competition.title).split()), window.title or window.phase
    name = say("desk.event.name", title=title, phase=clean(phase)) if phase else title
    found = mark(bot_id, competition.name, window.phase)
    values = {"gpus": _names(gpus), "host": plain(competition.host, 100)}
    about = say("desk.event.about" if competition.host else "desk.event.by_nobody", **values)
    return EventText(
        name=cut(name, EVENT_NAME), about=f"{cut(about, EVENT_ABOUT - len(found) - 1)}\n{found}"
    )


def moment(found: MomentView, key: str) -> Post:
    """A phase has begun or ended, or soon does."""
    what = plain(f"{found.title}: {found.phase}" if found.phase else found.title, 200)
    when = relative(found.at)
    values = {"what": what, "when": when, "at": _moment(found.at)}
    text = say(f"desk.moment.{found.moment.value}", **values)
    colour = GREY if found.moment is Moment.CLOSES else GREEN
    return Post(embeds=(titled("", text, colour, key),), key=key)
