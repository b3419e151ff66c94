"""Reading what organizers write: located values in, typed values or every flaw at once out.

A definition file arrives as a tree of :class:`Node`, each knowing the line it stands on. A
:class:`Reader` takes typed values out of it and, instead of stopping at the first mistake, notes
each as a :class:`Flaw` and goes on. ``Reader.finish`` raises :class:`DefinitionErrors` with all of
them. No file is opened here: ``services.catalog`` does that.
"""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias

from kernelbot.errors import InvalidInput, did_you_mean

Scalar: TypeAlias = str | int | float | bool | None

SHOWN = 60
"""Characters of somebody's value that a message repeats."""


@dataclass(frozen=True, kw_only=True)
class Flaw:
    """One thing wrong with a definition: where, what, and what to do about it."""

    file: str
    line: int = 0  # counted from 1; 0 is the file as a whole
    path: str = ""  # "tests[2].size"
    reason: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        key = f" {self.path}:" if self.path else ""
        return (
            f"{place}:{key} {self.reason}. {self.remedy}{'' if self.remedy.endswith('?') else '.'}"
        )


class DefinitionErrors(InvalidInput):
    """A problem or competition cannot be used; ``flaws`` holds everything found, in file order."""

    default_code = "invalid_definition"

    def __init__(self, flaws: Iterable[Flaw]) -> None:
        once = dict.fromkeys(flaws)  # two leaderboards may pose one folder
        self.flaws = tuple(sorted(once, key=lambda flaw: (flaw.file, flaw.line)))
        count = f"{len(self.flaws)} mistakes" if len(self.flaws) > 1 else "1 mistake"
        lines = "\n".join(f"  {flaw}" for flaw in self.flaws)
        super().__init__(
            f"{count} in the definition:\n{lines}",
            detail={"flaws": [_as_detail(flaw) for flaw in self.flaws]},
        )


def _as_detail(flaw: Flaw) -> dict[str, str | int]:
    return {
        "file": flaw.file,
        "line": flaw.line,
        "path": flaw.path,
        "reason": flaw.reason,
        "remedy": flaw.remedy,
    }


@dataclass(frozen=True, kw_only=True)
class Node:
    """A value of a definition file and the line it begins on.

    ``text`` is how a scalar was written, so that a person sees their own spelling in a message.
    """

    value: Scalar | list[Node] | dict[str, Node]
    line: int
    text: str = ""
    key_lines: Mapping[str, int] = field(default_factory=dict)  # of a map: where each key stands

    @property
    def described(self) -> str:
        """What this is, for a message: ``the text 'big'``, ``a list``, ``nothing``."""
        match self.value:
            case None:
                return "nothing"
            case bool():
                return f"the truth value {str(self.value).lower()}"
            case int() | float():
                return f"the number {shorten(self.text or str(self.value))}"
            case str():
                return f"the text {shorten(self.value)!r}"
            case list():
                return "a list"
            case _:
                return "a map"


def shorten(text: str) -> str:
    """At most SHOWN characters of it."""
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


class Reader:
    """Takes typed values out of the nodes of one file; each mistake becomes a flaw.

    Every method returns None for a node that is not what was asked for, after noting why.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.flaws: list[Flaw] = []

    def flaw(self, line: int, path: str, reason: str, remedy: str, *, file: str = "") -> None:
        self.flaws.append(
            Flaw(file=file or self.file, line=line, path=path, reason=reason, remedy=remedy)
        )

    def finish(self) -> None:
        """Raises DefinitionErrors if anything was wrong."""
        if self.flaws:
            raise DefinitionErrors(self.flaws)

    def _expected(self, node: Node, path: str, what: str, remedy: str) -> None:
        self.flaw(node.line, path, f"expected {what}, got {node.described}", remedy)

    def text(self, node: Node, path: str, *, limit: int, empty: bool = False) -> str | None:
        """Text of at most ``limit`` characters, without surrounding blanks."""
        if not isinstance(node.value, str):
            self._expected(node, path, "text", "Put the value in quotes if text is meant")
            return None
        text = node.value.strip()
        if not text and not empty:
            self.flaw(node.line, path, "is empty", "Write some text or remove the key")
            return None
        if len(text) > limit:
            reason = f"has {len(text)} characters, {limit} are allowed"
            self.flaw(node.line, path, reason, "Shorten it")
            return None
        if control := next((sign for sign in text if _is_control(sign)), None):
            reason = f"contains the control character U+{ord(control):04X}"
            self.flaw(node.line, path, reason, "Remove it")
            return None
        return text

    def slug(self, node: Node, path: str, pattern: re.Pattern[str], words: str) -> str | None:
        """A name that matches ``pattern``, which ``words`` explains."""
        text = self.text(node, path, limit=200)
        if text is None:
            return None
        if not pattern.fullmatch(text):
            reason = f"{shorten(text)!r} is not a usable name"
            self.flaw(node.line, path, reason, f"Use {words}")
            return None
        return text

    def choice(self, node: Node, path: str, options: Collection[str]) -> str | None:
        """One of ``options``, compared without case; returns the option as it is spelt there."""
        text = self.text(node, path, limit=200)
        if text is None:
            return None
        spelt = {option.lower(): option for option in options}
        if text.lower() not in spelt:
            hint = did_you_mean(shorten(text), options).strip()
            remedy = f"Use one of: {', '.join(options)}"
            reason = f"{shorten(text)!r} is unknown"
            self.flaw(node.line, path, reason, f"{hint} {remedy}" if hint else remedy)
            return None
        return spelt[text.lower()]

    def name(self, node: Node, path: str, known: Collection[str]) -> str | None:
        """The same of names, which differ from place to place, where words are the same everywhere."""
        return self.choice(node, path, known)

    def whole(self, node: Node, path: str, *, low: int, high: int) -> int | None:
        """A whole number between ``low`` and ``high``; true and false are not numbers."""
        if isinstance(node.value, bool) or not isinstance(node.value, int):
            self._expected(
                node, path, "a whole number", f"Write a number such as {max(low, min(high, 1))}"
            )
            return None
        if not low <= node.value <= high:
            reason = f"{shorten(node.text)} is out of range"
            self.flaw(node.line, path, reason, f"Use {low} to {high}")
            return None
        return node.value

    def number(
        self, node: Node, path: str, *, low: float, high: float, above_low: bool = False
    ) -> float | None:
        """A finite number between ``low`` (left out if ``above_low``) and ``high``."""
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            self._expected(node, path, "a number", "Write it in digits, without a unit")
            return None
        value = _as_float(node.value)
        if not math.isfinite(value):
            self.flaw(node.line, path, f"{shorten(node.text)} is not finite", "Use a finite number")
            return None
        if not low <= value <= high or (above_low and value == low):
            reason = f"{shorten(node.text)} is out of range"
            at_least = f"more than {low:g} and" if above_low else f"at least {low:g} and"
            self.flaw(node.line, path, reason, f"Use {at_least} at most {high:g}")
            return None
        return value

    def items(
        self, node: Node, path: str, *, limit: int, what: str, empty: bool = False
    ) -> list[Node]:
        """The entries of a list of at most ``limit``; ``what`` says of what."""
        if not isinstance(node.value, list):
            self._expected(node, path, f"a list of {what}", "Begin each entry with '- '")
            return []
        if not node.value and not empty:
            self.flaw(node.line, path, "is an empty list", f"Add at least one of the {what}")
        if len(node.value) > limit:
            reason = f"has {len(node.value)} entries, {limit} are allowed"
            self.flaw(node.line, path, reason, "Remove some")
            return []
        return node.value

    def moment(self, node: Node, path: str) -> datetime | None:
        """A point in time: ISO 8601 with an explicit zone. A time without one is refused."""
        text = node.text.strip() if not isinstance(node.value, list | dict) else ""
        compact = re.sub(r"\s+(?=[+-]\d\d:?\d\d$|[Zz]$)", "", text)
        try:
            moment = datetime.fromisoformat(compact)
        except ValueError:
            remedy = "Write it like 2026-05-31T23:59:00Z or 2026-05-31T23:59:00+02:00"
            self._expected(node, path, "a date and time in ISO 8601", remedy)
            return None
        if moment.tzinfo is None:
            fixed = moment.isoformat()
            remedy = f"Write {fixed}Z for UTC, or {fixed}+02:00 for two hours ahead of it"
            self.flaw(node.line, path, f"{shorten(text)!r} names no time zone", remedy)
            return None
        try:
            return moment.astimezone(UTC)
        except OverflowError:
            reason = f"{shorten(text)!r} is before the year 1 or after 9999 in UTC"
            self.flaw(node.line, path, reason, "Write a year in between, or leave the key out")
            return None

    def file_path(self, node: Node, path: str, files: Collection[str]) -> str | None:
        """The path of one of ``files``, relative to the folder of the definition."""
        text = self.text(node, path, limit=200)
        if text is None:
            return None
        if climbs(text):
            reason = f"{shorten(text)!r} leaves the problem's folder"
            self.flaw(node.line, path, reason, "Use a path relative to it, with / and without ..")
            return None
        if text not in files:
            hint = did_you_mean(text, files).strip()
            reason = f"there is no file {shorten(text)!r} in the folder"
            self.flaw(node.line, path, reason, hint or "Add the file or fix the path")
            return None
        return text

    def section(self, node: Node, path: str, keys: Sequence[str]) -> Section:
        """A map whose keys are among ``keys``; unknown ones are flaws with a suggestion."""
        if not isinstance(node.value, dict):
            keys_shown = ", ".join(keys)
            self._expected(node, path, "a map", f"Write 'key: value' lines with keys {keys_shown}")
            return Section(self, path, node.line, {}, broken=True)
        for key in node.value:
            if key not in keys:
                hint = did_you_mean(shorten(key), keys).strip()
                reason = f"unknown key {shorten(key)!r}"
                remedy = hint if hint else f"The keys here are: {', '.join(keys)}"
                self.flaw(node.key_lines.get(key, node.line), path, reason, remedy)
        return Section(self, path, node.line, node.value)


class Section:
    """The keys of one map. ``required`` notes an absent key as a flaw, ``get`` does not."""

    def __init__(
        self,
        reader: Reader,
        path: str,
        line: int,
        values: Mapping[str, Node],
        *,
        broken: bool = False,
    ) -> None:
        self.reader = reader
        self.path = path
        self.line = line
        self.values = values
        self.broken = broken  # not a map at all: said once, so no key of it is missed as well

    def at(self, key: str) -> str:
        """The path of a key, as messages show it."""
        return f"{self.path}.{key}" if self.path else key

    def get(self, key: str) -> Node | None:
        return self.values.get(key)

    def required(self, key: str, remedy: str) -> Node | None:
        node = self.values.get(key)
        if node is None and not self.broken:
            self.reader.flaw(self.line, self.path, f"the key {key!r} is missing", remedy)
        return node

    def text(self, key: str, *, limit: int, default: str = "") -> str:
        """Optional text; ``default`` when it is absent or wrong."""
        node = self.get(key)
        read = self.reader.text(node, self.at(key), limit=limit, empty=True) if node else None
        return default if read is None else read

    def required_text(self, key: str, *, limit: int, remedy: str) -> str:
        node = self.required(key, remedy)
        return (node and self.reader.text(node, self.at(key), limit=limit)) or ""

    def moment(self, key: str) -> datetime | None:
        node = self.get(key)
        return self.reader.moment(node, self.at(key)) if node else None


def climbs(path: str) -> bool:
    """Whether a path is absolute, leaves its folder or is written in a roundabout way."""
    return (
        path.startswith(("/", "~"))
        or "\\" in path
        or re.match(r"[A-Za-z]:", path) is not None
        or posixpath.normpath(path) != path
        or path.split("/")[0] in {"..", "."}
    )


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _is_control(sign: str) -> bool:
    return (sign < " " and sign not in "\n\t") or "\x7f" <= sign <= "\x9f"
