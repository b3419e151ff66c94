"""YAML into :class:`Node` trees that know their lines; what is not plain data is refused.

Built on PyYAML's event stream rather than its constructors, because the latter keep the last of two
equal keys silently, expand aliases without bound, recurse as deep as the file nests, and read
``1e-3`` as text and ``no`` as false (YAML 1.1). Scalars follow YAML 1.2's core schema. Reading
stops at the first token that breaks a bound, so a hostile file costs what was read until there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace

import yaml

from kernelbot.domain.definition import Flaw, Node, Scalar, shorten

MAX_BYTES = 256 << 10
MAX_DEPTH = 20
MAX_NODES = 20_000

_INT = re.compile(r"[-+]?(0|[1-9][0-9_]{0,60})")
_HEX = re.compile(r"0x[0-9a-fA-F]{1,16}")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,60}|[0-9]{1,60}(\.[0-9]{0,60})?)([eE][-+]?[0-9]{1,4})?")
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)")
_NAN = re.compile(r"\.(nan|NaN|NAN)")
_BEYOND = re.compile(r"\\U(?!000|0010)[0-9a-fA-F]{8}")
_HALF = re.compile(r"[\ud800-\udfff]")


Read = tuple[Node | None, list[Flaw]]
_BEFORE: ContextVar[dict[bytes, Read] | None] = ContextVar("read before", default=None)


@contextmanager
def each_once() -> Iterator[None]:
    """Within it whatever is read again is remembered, under whichever name. What was read is not to be changed."""
    token = _BEFORE.set({})
    try:
        yield
    finally:
        _BEFORE.reset(token)


def parse(content: bytes, file: str) -> Read:
    """The one document of a file, and what is wrong with it as YAML.

    The node is None when the file cannot be read to its end; flaws next to a node (a key given
    twice) leave the rest usable, so that its own mistakes can be told in the same breath.
    """
    before = _BEFORE.get()
    if before is None:
        return _read(content, file)
    if content not in before:
        before[content] = _read(content, file)
    node, flaws = before[content]
    return node, [replace(flaw, file=file) for flaw in flaws]


def _read(content: bytes, file: str) -> Read:
    if len(content) > MAX_BYTES:
        reason = f"has {len(content)} bytes, a definition may have {MAX_BYTES}"
        return None, [Flaw(file=file, reason=reason, remedy="Shorten it")]
    text, undecodable = decode(content, file)
    if undecodable:
        return None, [undecodable]
    composer = _Composer(file)
    try:
        return composer.document(text), composer.flaws
    except _Unreadable as stop:
        return None, [*composer.flaws, stop.flaw]
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        reason = f"contains the character U+{ord(text[error.position]):04X}, which YAML forbids"
        return None, [Flaw(file=file, line=line, reason=reason, remedy="Remove it")]
    except yaml.MarkedYAMLError as error:
        return None, [*composer.flaws, _syntax_flaw(file, error)]
    except (ValueError, OverflowError):
        # PyYAML asks chr() for what an escape stands for, whatever it is.
        return None, [*composer.flaws, _escape_flaw(file, text)]


def written(document: Node) -> str:
    """The text of a document without its comments; ``parse`` makes the same values of it."""
    text: str = yaml.dump(
        _values(document), Dumper=_Writer, sort_keys=False, allow_unicode=True, width=100
    )
    return text


def decode(content: bytes, file: str) -> tuple[str, Flaw | None]:
    """Text of a UTF-8 file, or the flaw that keeps it from being one."""
    if (at := content.find(b"\0")) >= 0:
        line = content.count(b"\n", 0, at) + 1
        return "", Flaw(
            file=file, line=line, reason="contains a NUL byte", remedy="Save it as plain UTF-8 text"
        )
    try:
        return content.decode("utf-8-sig"), None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        reason = f"is not UTF-8: byte 0x{content[error.start]:02X} at offset {error.start}"
        return "", Flaw(file=file, line=line, reason=reason, remedy="Save the file as UTF-8")


class _Writer(yaml.SafeDumper):
    """Puts text in quotes where YAML 1.2 would not take it for text either."""

    def ignore_aliases(self, data: object) -> bool:
        return True

    def represent_text(self, text: str) -> yaml.ScalarNode:
        taken = _plain(text) == text and not _LEADING_ZERO.fullmatch(text)
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=None if taken else '"')


_Writer.add_representer(str, _Writer.represent_text)


def _values(node: Node) -> object:
    if isinstance(node.value, dict):
        return {name: _values(item) for name, item in node.value.items()}
    if isinstance(node.value, list):
        return [_values(item) for item in node.value]
    return node.value


class _Unreadable(Exception):
    def __init__(self, flaw: Flaw) -> None:
        self.flaw = flaw


class _Composer:
    def __init__(self, file: str) -> None:
        self.file = file
        self.flaws: list[Flaw] = []
        self.nodes = 0

    def document(self, text: str) -> Node:
        events = iter(yaml.parse(text, Loader=yaml.BaseLoader))
        root: Node | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    self._stop(
                        event, "holds a second document", "Keep one document: remove the '---'"
                    )
                root = self._node(next(events), events, 0)
        if root is None or root.value is None:
            raise _Unreadable(
                Flaw(
                    file=self.file, reason="is empty", remedy="See problems/README.md for its keys"
                )
            )
        return root

    def _node(self, event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Node:
        self._within_bounds(event, depth)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(event, events, depth)
        return self._mapping(event, events, depth)

    def _within_bounds(self, event: yaml.Event, depth: int) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self._stop(event, f"holds more than {MAX_NODES} values", "Shorten it")
        if depth > MAX_DEPTH:
            self._stop(event, f"is nested more than {MAX_DEPTH} deep", "Flatten it")
        # An alias stands for a copy: nine levels of nine aliases are 387 million values.
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            self._stop(event, "uses a YAML anchor or alias", "Write the value out where it is used")
        if tag := getattr(event, "tag", None):
            self._stop(
                event, f"uses the YAML tag {shorten(tag)!r}", "Remove the tag; plain values suffice"
            )

    def _sequence(self, event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Node:
        items = []
        while not isinstance(inner := next(events), yaml.SequenceEndEvent):
            items.append(self._node(inner, events, depth + 1))
        return Node(value=items, line=_line(event))

    def _mapping(self, event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Node:
        values: dict[str, Node] = {}
        lines: dict[str, int] = {}
        while not isinstance(inner := next(events), yaml.MappingEndEvent):
            key = self._key(self._node(inner, events, depth + 1))
            value = self._node(next(events), events, depth + 1)
            if key in values:
                self._note(
                    _line(inner),
                    f"the key {shorten(key)!r} is given twice, first in line {lines[key]}",
                    "Keep one of them",
                )
            else:
                values[key], lines[key] = value, _line(inner)
        return Node(value=values, line=_line(event), key_lines=lines)

    def _key(self, node: Node) -> str:
        if isinstance(node.value, str):
            return node.value
        self._note(
            node.line,
            f"{node.described} is used as a key",
            "Use text as the key; put it in quotes if it looks like a number",
        )
        return node.text

    def _scalar(self, event: yaml.ScalarEvent) -> Node:
        text = str(event.value)
        if half := _HALF.search(text):
            reason = f"an escape stands for U+{ord(half[0]):04X}, half of a character"
            self._stop(event, reason, "Write the character itself")
        if event.style is not None:  # quoted or a block: always text
            return Node(value=text, line=_line(event), text=text)
        if _LEADING_ZERO.fullmatch(text):
            self._note(
                _line(event),
                f"{shorten(text)} begins with a zero, which some YAML readers take for octal",
                "Remove the zero, or put it in quotes if text is meant",
            )
        return Node(value=_plain(text), line=_line(event), text=text)

    def _note(self, line: int, reason: str, remedy: str) -> None:
        self.flaws.append(Flaw(file=self.file, line=line, reason=reason, remedy=remedy))

    def _stop(self, event: yaml.Event, reason: str, remedy: str) -> None:
        raise _Unreadable(Flaw(file=self.file, line=_line(event), reason=reason, remedy=remedy))


def _plain(text: str) -> Scalar:
    """What an unquoted scalar means in YAML 1.2's core schema (and 1_000, as people write it)."""
    if text in {"", "~", "null", "Null", "NULL"}:
        return None
    if text in {"true", "True", "TRUE"}:
        return True
    if text in {"false", "False", "FALSE"}:
        return False
    if _INT.fullmatch(text) and not text.endswith("_"):
        return int(text.replace("_", ""))
    if _HEX.fullmatch(text):
        return int(text, 16)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITE.fullmatch(text):
        return float("-inf" if text.startswith("-") else "inf")
    if _NAN.fullmatch(text):
        return float("nan")
    return text


def _line(event: yaml.Event) -> int:
    mark = event.start_mark
    return mark.line + 1 if mark else 0


def _escape_flaw(file: str, text: str) -> Flaw:
    found = _BEYOND.search(text)
    line = text.count("\n", 0, found.start()) + 1 if found else 0
    reason = f"the escape {found[0] if found else ''} stands for no character"
    return Flaw(file=file, line=line, reason=reason, remedy="Write the character itself")


def _syntax_flaw(file: str, error: yaml.MarkedYAMLError) -> Flaw:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 0
    reason = error.problem or str(error)
    if "'\\t'" in reason:
        reason = "a tab is used for indentation"
        return Flaw(file=file, line=line, reason=reason, remedy="Indent with spaces")
    if reason.startswith("mapping values are not allowed"):
        reason = "a key where none can be: indented differently, or a text with ': ' in it"
        remedy = "Indent it like the keys above it; put a text with a colon into quotes"
        return Flaw(file=file, line=line, reason=reason, remedy=remedy)
    return Flaw(
        file=file,
        line=line,
        reason=f"is not YAML: {shorten(reason)}",
        remedy="Check the indentation, quotes and brackets around this line",
    )
