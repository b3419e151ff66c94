"""A competition: which problems, on which GPUs, when, under which rules.

``read_competition`` turns a parsed ``competitions/NAME.yaml`` into a :class:`Competition`, or
raises ``DefinitionErrors`` with everything wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from kernelbot.domain.definition import Node, Reader, Section, shorten
from kernelbot.domain.problem import NAME, NAME_WORDS
from kernelbot.errors import did_you_mean

MAX_TITLE = 100
MAX_RULES = 20_000
MAX_LEADERBOARDS = 100
MAX_PER_HOUR = 100_000

_KEYS = (
    "name", "title", "host", "rules", "licence", "visibility", "opens", "closes", "gpus",
    "ranked_per_hour", "other_per_hour", "channel", "problems",
)  # fmt: skip
_LEADERBOARD_KEYS = ("problem", "leaderboard", "gpus", "opens", "closes", "weight")
_CHANNEL = re.compile(r"[0-9]{15,20}|[^\s#A-Z@:`]{1,100}")


class Visibility(StrEnum):
    """Who sees that a competition exists.

    Whatever is not public is hidden from everybody until a later version lets people in by code.
    """

    PUBLIC = "public"
    INVITE = "invite"  # meant for those who are given a code
    PRIVATE = "private"  # meant for its organizers


@dataclass(frozen=True, kw_only=True)
class LeaderboardSpec:
    """One problem in one competition, with what it inherited from the competition filled in."""

    name: str
    problem: str
    gpus: tuple[str, ...]
    opens: datetime | None = None  # None: has always been open
    closes: datetime | None = None  # None: stays open
    weight: float = 1.0  # recorded; not used by this version

    def is_open(self, at: datetime) -> bool:
        """Whether ``at`` lies in the window; the first instant does, the last does not."""
        started = self.opens is None or self.opens <= at
        return started and (self.closes is None or at < self.closes)


@dataclass(frozen=True, kw_only=True)
class Competition:
    """What an organizer wrote. Hourly limits are per person and leaderboard; None: no limit."""

    name: str
    title: str
    licence: str  # of the submissions
    leaderboards: tuple[LeaderboardSpec, ...]
    host: str = ""
    rules: str = ""  # Markdown
    visibility: Visibility = Visibility.PUBLIC
    opens: datetime | None = None
    closes: datetime | None = None
    gpus: tuple[str, ...] = ()
    ranked_per_hour: int | None = None
    other_per_hour: int | None = None
    channel: str | None = None  # Discord channel: its name or its id

    def to_document(self) -> dict[str, Any]:
        """A JSON-able form; ``from_document`` reads it back."""
        return {
            "name": self.name,
            "title": self.title,
            "licence": self.licence,
            "host": self.host,
            "rules": self.rules,
            "visibility": self.visibility.value,
            **_window_document(self),
            "gpus": list(self.gpus),
            "ranked_per_hour": self.ranked_per_hour,
            "other_per_hour": self.other_per_hour,
            "channel": self.channel,
            "leaderboards": [
                {
                    "name": item.name,
                    "problem": item.problem,
                    "gpus": list(item.gpus),
                    **_window_document(item),
                    "weight": item.weight,
                }
                for item in self.leaderboards
            ],
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Competition:
        """The value ``to_document`` was called on. Raises KeyError, TypeError or ValueError if it is not one."""
        values = _read_window(document)
        values["visibility"] = Visibility(values["visibility"])
        values["leaderboards"] = tuple(
            LeaderboardSpec(**_read_window(item)) for item in values["leaderboards"]
        )
        return cls(**values)


def _window_document(window: Competition | LeaderboardSpec) -> dict[str, str | None]:
    return {
        "opens": window.opens.isoformat() if window.opens else None,
        "closes": window.closes.isoformat() if window.closes else None,
    }


def _read_window(document: Mapping[str, Any]) -> dict[str, Any]:
    values = dict(document)
    for key in ("opens", "closes"):
        values[key] = datetime.fromisoformat(values[key]) if values[key] else None
    values["gpus"] = tuple(values["gpus"])
    return values


# --- reading -----------------------------------------------------------------------------------


def read_competition(
    document: Node, *, place: str, problems: Collection[str], gpus: Collection[str]
) -> Competition:
    """The competition a parsed file defines.

    ``place`` is the file as messages show it, ``problems`` the names that exist, ``gpus`` the
    targets that are known, in the spelling results use. Raises DefinitionErrors with every flaw.
    """
    reader = Reader(place)
    top = reader.section(document, "", _KEYS)
    name = top.required("name", "Add 'name: my-competition'")
    opens, closes = _window(top, None, None)
    default_gpus = _gpus(top, gpus, ())
    competition = Competition(
        name=(name and reader.slug(name, "name", NAME, NAME_WORDS)) or "",
        title=top.required_text("title", limit=MAX_TITLE, remedy="Add 'title: ...'"),
        licence=top.required_text(
            "licence", limit=2000, remedy="Say under which licence submissions are published"
        ),
        host=top.text("host", limit=MAX_TITLE),
        rules=top.text("rules", limit=MAX_RULES),
        visibility=_visibility(top),
        opens=opens,
        closes=closes,
        gpus=default_gpus,
        ranked_per_hour=_per_hour(top, "ranked_per_hour"),
        other_per_hour=_per_hour(top, "other_per_hour"),
        channel=_channel(top),
        leaderboards=_leaderboards(top, opens, closes, default_gpus, problems, gpus),
    )
    reader.finish()
    return competition


def _window(
    section: Section, opens: datetime | None, closes: datetime | None
) -> tuple[datetime | None, datetime | None]:
    """The section's own times, else those given. An explicit null means no bound."""
    if node := section.get("opens"):
        opens = None if node.value is None else section.reader.moment(node, section.at("opens"))
    if node := section.get("closes"):
        closes = None if node.value is None else section.reader.moment(node, section.at("closes"))
    if opens and closes and closes <= opens:
        line = node.line if node else section.line
        reason = f"closes at {closes.isoformat()}, not after it opens at {opens.isoformat()}"
        section.reader.flaw(line, section.at("closes"), reason, "Swap or correct the two")
    return opens, closes


def _gpus(section: Section, known: Collection[str], inherited: tuple[str, ...]) -> tuple[str, ...]:
    node = section.get("gpus")
    if node is None:
        return inherited
    path = section.at("gpus")
    read: list[str] = []
    for at, item in enumerate(section.reader.items(node, path, limit=100, what="GPUs")):
        gpu = section.reader.choice(item, f"{path}[{at}]", known)
        if gpu in read:
            section.reader.flaw(
                item.line, f"{path}[{at}]", f"{gpu!r} is listed twice", "Remove one"
            )
        elif gpu:
            read.append(gpu)
    return tuple(read)


def _visibility(top: Section) -> Visibility:
    node = top.get("visibility")
    words = [item.value for item in Visibility]
    word = node and top.reader.choice(node, "visibility", words)
    return Visibility(word) if word else Visibility.PUBLIC


def _per_hour(top: Section, key: str) -> int | None:
    node = top.get(key)
    return top.reader.whole(node, key, low=1, high=MAX_PER_HOUR) if node else None


def _channel(top: Section) -> str | None:
    node = top.get("channel")
    if node is None:
        return None
    if node.value is None:
        remedy = "Put a name that begins with # in quotes, or write it without the #"
        top.reader.flaw(node.line, "channel", "is empty", remedy)
        return None
    is_id = isinstance(node.value, int) and not isinstance(node.value, bool)
    if is_id:
        node = Node(value=node.text, line=node.line, text=node.text)
    text = top.reader.text(node, "channel", limit=101)
    channel = text.removeprefix("#") if text else None
    if channel and not _CHANNEL.fullmatch(channel):
        reason = f"{shorten(channel)!r} is neither a channel's name nor its id"
        remedy = "Write the name in lower case without blanks, or the number from 'Copy Channel ID'"
        top.reader.flaw(node.line, "channel", reason, remedy)
    return channel


def _leaderboards(
    top: Section,
    opens: datetime | None,
    closes: datetime | None,
    gpus: tuple[str, ...],
    problems: Collection[str],
    known_gpus: Collection[str],
) -> tuple[LeaderboardSpec, ...]:
    node = top.required("problems", "Add 'problems:' with one line '- {problem: vectoradd}' each")
    if node is None:
        return ()
    boards: list[LeaderboardSpec] = []
    items = top.reader.items(node, "problems", limit=MAX_LEADERBOARDS, what="problems")
    for at, item in enumerate(items):
        path = f"problems[{at}]"
        section = top.reader.section(item, path, _LEADERBOARD_KEYS)
        own_opens, own_closes = _window(section, opens, closes)
        problem = _problem(section, problems)
        board = LeaderboardSpec(
            name=_leaderboard_name(section, problem),
            problem=problem,
            gpus=_gpus(section, known_gpus, gpus),
            opens=own_opens,
            closes=own_closes,
            weight=_weight(section),
        )
        _check_name(section, board, [other.name for other in boards])
        if not section.broken and not section.get("gpus") and not top.get("gpus"):
            remedy = "Add 'gpus: [...]' here or for the whole competition"
            top.reader.flaw(section.line, path, "names no GPU", remedy)
        boards.append(board)
    return tuple(boards)


def _problem(section: Section, problems: Collection[str]) -> str:
    node = section.required("problem", "Add 'problem: ' and the name of a folder in problems/")
    name = (node and section.reader.text(node, section.at("problem"), limit=200)) or ""
    if node and name and name not in problems:
        hint = did_you_mean(shorten(name), problems).strip()
        remedy = hint or f"Add the folder problems/{shorten(name)} or fix the name"
        reason = f"there is no problem {shorten(name)!r}"
        section.reader.flaw(node.line, section.at("problem"), reason, remedy)
    return name


def _leaderboard_name(section: Section, problem: str) -> str:
    node = section.get("leaderboard")
    if node is None:
        return problem
    return section.reader.slug(node, section.at("leaderboard"), NAME, NAME_WORDS) or ""


def _weight(section: Section) -> float:
    node = section.get("weight")
    if node is None:
        return 1.0
    path = section.at("weight")
    weight = section.reader.number(node, path, low=0.0, high=1e6, above_low=True)
    return 1.0 if weight is None else weight


def _check_name(section: Section, board: LeaderboardSpec, before: Collection[str]) -> None:
    if board.name and board.name in before:
        reason = f"a leaderboard {board.name!r} is already in this competition"
        remedy = "Give one of them a name of its own with 'leaderboard: ...'"
        section.reader.flaw(section.line, section.path, reason, remedy)
