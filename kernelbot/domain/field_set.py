"""A problem set of the field as a Competition.

It is read as its authors' platform means it: a deadline without a zone is in UTC, a problem's own
wins over its set's, GPU names are labels.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from kernelbot.domain.competition import Competition, LeaderboardSpec
from kernelbot.domain.definition import Flaw, Node, Reader, Section, shorten
from kernelbot.domain.field_reading import MAX_TEXT, Reading, outside
from kernelbot.domain.problem import NAME, NAME_WORDS
from kernelbot.domain.target import spellings

NO_LICENCE = "Not stated by the problem set."

_SET_KEYS = ("name", "deadline", "description", "problems")
_ENTRY_KEYS = ("directory", "name", "deadline", "gpus")
_COMPETITION_KEYS = ("title", "licence", "phases")
_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[ T]+(\d{1,2}):(\d{2})(?::(\d{2}))?)?")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One problem of a set: where its folder is, and what it is called there."""

    name: str
    directory: str  # from the root of the tree
    line: int


@dataclass(frozen=True, kw_only=True)
class SetFile:
    """What a problem-set file says; with flaws, what could be read of it all the same."""

    competition: Competition
    entries: tuple[Entry, ...]
    notes: tuple[Flaw, ...]
    flaws: tuple[Flaw, ...]


def is_set(document: Node) -> bool | None:
    """Whether a document is a problem set; False: a competition of this project; None: neither shows."""
    top = document.value
    if not isinstance(top, dict):
        return None
    problems = top.get("problems")
    items = problems.value if problems is not None and isinstance(problems.value, list) else []
    keys = {key for item in items if isinstance(item.value, dict) for key in item.value}
    theirs = "directory" in keys or "deadline" in top
    ours = "problem" in keys or not top.keys().isdisjoint(_COMPETITION_KEYS)
    return theirs if theirs != ours else None


def read_set(
    document: Node, *, stem: str, place: str, known: Collection[str] | None = None
) -> SetFile:
    """The competition that a problem-set file defines, its problems' folders, notes, and its flaws.

    ``stem`` is the file's name without its ending: the set's own name. ``known`` are the GPUs of
    this site; a label that is none of them is kept and noted.
    """
    gpus = spellings(known) if known is not None else None
    reading = _Set(Reader(place), gpus)
    competition, entries = reading.competition(document, stem)
    return SetFile(
        competition=competition,
        entries=entries,
        notes=tuple(reading.notes),
        flaws=tuple(reading.reader.flaws),
    )


class _Set(Reading):
    """Reading one problem set."""

    def competition(self, document: Node, stem: str) -> tuple[Competition, tuple[Entry, ...]]:
        top = self.reader.section(document, "", _SET_KEYS)
        name = stem.lower()
        if not NAME.fullmatch(name):
            reason = f"the file's name {shorten(stem)!r} cannot be a competition's"
            self.reader.flaw(0, "", reason, f"Use {NAME_WORDS}")
        closes = self._deadline(top, None)
        node = top.required("problems", "Add 'problems:' with one entry per problem")
        items = self.reader.items(node, "problems", limit=100, what="problems") if node else []
        boards: list[LeaderboardSpec] = []
        entries: list[Entry] = []
        for at, item in enumerate(items):
            section = self.reader.section(item, f"problems[{at}]", _ENTRY_KEYS)
            board, entry = self._entry(section, closes)
            if board.name and board.name in [other.name for other in boards]:
                reason = f"a leaderboard {board.name!r} is already in this set"
                self.reader.flaw(item.line, section.at("name"), reason, "Rename one of them")
            boards.append(board)
            entries.append(entry)
        ends = [closes, *(board.closes for board in boards)]
        last = max((end for end in ends if end), default=None) if all(ends) else None
        competition = Competition(
            name=name,
            title=top.required_text("name", limit=200, remedy="Add 'name: ...', what people read"),
            licence=NO_LICENCE,
            rules=top.text("description", limit=MAX_TEXT),
            closes=last,
            leaderboards=tuple(boards),
        )
        return competition, tuple(entries)

    def _entry(self, section: Section, closes: datetime | None) -> tuple[LeaderboardSpec, Entry]:
        node = section.required("name", "Add 'name: ...', the leaderboard's name")
        name = (node and self.reader.slug(node, section.at("name"), NAME, NAME_WORDS)) or ""
        place = section.required("directory", "Add 'directory: ...', from the folder of this file")
        directory = (place and self.reader.text(place, section.at("directory"), limit=300)) or ""
        directory = posixpath.normpath(directory) if directory else ""
        if place and directory and outside(directory):
            reason = f"{shorten(directory)!r} leaves the folder of this file"
            self.reader.flaw(place.line, section.at("directory"), reason, "Use a folder below it")
        board = LeaderboardSpec(
            name=name,
            problem=name,
            gpus=self.labels(section),
            closes=self._deadline(section, closes),
        )
        return board, Entry(name=name, directory=directory, line=section.line)

    def _deadline(self, section: Section, inherited: datetime | None) -> datetime | None:
        """A problem's own deadline wins, later ones too; an empty one is none."""
        node = section.get("deadline")
        if node is None:
            return inherited
        text = node.text.strip() if not isinstance(node.value, list | dict) else "?"
        if node.value is None or not text:
            return None
        moment = _moment(text)
        if moment is None:
            reason = f"{shorten(text)!r} is no date"
            remedy = "Write 2026-05-31 or 2026-05-31 23:59, in UTC"
            self.reader.flaw(node.line, section.at("deadline"), reason, remedy)
        return moment


def _moment(text: str) -> datetime | None:
    """A deadline: a date is its first moment, a time may have one digit, and what has no zone is UTC."""
    found = _DATE.fullmatch(text)
    try:
        if found is None:
            moment = datetime.fromisoformat(text)
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        return datetime(*[int(part or 0) for part in found.groups()], tzinfo=UTC)  # type: ignore[misc,arg-type]
    except (ValueError, OverflowError):  # the latter: outside the years 1 to 9999 in UTC
        return None
