"""JSON schemas for editors, had from the reading itself: what is asked of a definition is what is written.

The examples of ``problems/README.md`` (and a few more for values that can be written in several ways) are
read by the very functions that read definitions, with a reader that notes what it was asked for: keys,
types, bounds, words to choose from. What the examples do not show the schema does not know, so a test
demands that they show every key. Comments beside keys become descriptions.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kernelbot.domain.competition_file import read_competition
from kernelbot.domain.definition import Node, Reader, Section
from kernelbot.domain.peaks import DTYPES
from kernelbot.domain.problem_file import OUTPUT_DTYPES, read_problem
from kernelbot.services.catalog import load_problem
from kernelbot.services.located_yaml import parse

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MOMENT = r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?\s*([Zz]|[+-]\d{2}:?\d{2})$"

COMMENT = re.compile(r"\s#\s(?P<words>.+)$")
BLOCK = re.compile(r"```yaml\n(.*?)```", re.DOTALL)

_ALL = "[1, 1.5, x, true, [1], [1.5], [x], [true]]"
ARGUMENTS = "[{a: 1, b: 1.5, c: x, d: true, e: [1], f: [1.5], g: [x], h: [true]}]"
EVERY = f"[{{a: {{each: {_ALL}}}, b: {{from: 1, to: 2, step: 1}}}}]"
HIDDEN = f"{ARGUMENTS[:-1]}, {{count: 1, a: {{choose: {_ALL}}}, b: {{from: 1, to: 2, step: 1}}}}]"

TOLERANCES = ", ".join(f"{dtype}: {{rtol: 0.1, atol: 0.1}}" for dtype in OUTPUT_DTYPES)


def _light(amount: str) -> str:
    """Every key of it that is an amount; those are formulas or numbers."""
    types = ", ".join(f"{name}: {amount}" for name in DTYPES)
    return (
        f"name: vectoradd\ntitle: A\nlanguages: [python]\ntests: {ARGUMENTS}\nbenchmarks: {ARGUMENTS}\n"
        f"world_size: 2\ncpu: {{world_size: 2}}\ntolerance: {{{TOLERANCES}}}\n"
        "speed_of_light: {floor: [bytes, flops, link_bytes], "
        f"reads: {amount}, writes: {amount}, link_bytes: {amount}, flops: {{{types}}}}}\n"
    )


MORE_PROBLEMS = (
    f"name: vectoradd\ntitle: A\nlanguages: [python, cuda, hip, cpp]\ntests: {ARGUMENTS}\n"
    f"benchmarks: {ARGUMENTS}\ntolerance: [{{rtol: 0.1, atol: 0.1}}]\nlimits: {{memory: 1000000000}}\n"
    f"hidden: {HIDDEN}\ncpu: {{tests: {ARGUMENTS}, benchmarks: {ARGUMENTS}, hidden: {HIDDEN}}}\n"
    "native: {a: const float16*, b: float16*}\n"
    "compile_flags: {cuda: [-O2], hip: [-O2], cpp: [-O2]}\n"
    "speed_of_light: {bytes: a}\n",
    f"name: vectoradd\ntitle: A\nlanguages: [python]\ntests: {EVERY}\nbenchmarks: {EVERY}\n"
    f"cpu: {{tests: {EVERY}, benchmarks: {EVERY}}}\n",
    _light("a"),
    _light("1.5"),
    _light("1.5").replace("world_size: 2\ncpu", "world_size: [4, 2, 8]\ncpu"),
    _light("1.5").replace("reads: 1.5, writes: 1.5", "bytes: 1.5"),
)
MORE_COMPETITIONS = (
    "name: a\ntitle: A\nlicence: MIT\ngpus: [CPU]\nopens: 2026-01-01T00:00:00Z\ncode_opens: 2026-01-01T00:00:00Z\n"
    "visibility: invite\npublic_from: 2026-01-01T00:00:00Z\nchannel: 1189498204333543425\n"
    "scoring: {rule: points, places: 3, missing: baseline}\nfreeze: null\ncloses: null\ngpu_seconds_per_day: 60\n"
    "phases: [{name: a, opens: null, closes: 2026-02-01T00:00:00Z, freeze: {from: 2026-01-01T00:00:00Z, until: 2026-02-01T00:00:00Z},"
    " gpus: [CPU], code_opens: never, title: A, advance: 1, problems: [{problem: vectoradd, points: 1,"
    " opens: null, closes: null, freeze: null, code_opens: never, baseline: {CPU: 1}}]},"
    " {name: b, opens: 2026-02-01T00:00:00Z, closes: null, freeze: null, code_opens: 2027-01-01T00:00:00Z, problems: [{problem: vectoradd, leaderboard: b, points: 1,"
    " baseline: 1, code_opens: 2027-01-01T00:00:00Z,"
    " freeze: {from: 2026-01-01T00:00:00Z, until: 2026-02-01T00:00:00Z}}]}]\n",
)


def problem(root: Path) -> dict[str, Any]:
    """Of ``problem.yaml``, by the examples under ``root`` (this project's ``problems/``)."""
    files = dict(load_problem(root / "vectoradd").files)
    shown = _Shown()
    for text in (_examples(root)[0], *MORE_PROBLEMS):
        if text in MORE_PROBLEMS:  # arguments of all types, for a reference that takes them
            files["reference.py"] = (
                b"OUTPUTS = 1\ndef generate_input(**given): ...\ndef reference(data): ...\n"
            )
        reader = _Recorder(shown)
        document = _parsed(text)
        read_problem(document, folder="vectoradd", files=files, place="example", reader=reader)
        shown.leaves(document, reader.typed, text)
    return _schema("problem.yaml of KernelBot", shown)


def competition(root: Path) -> dict[str, Any]:
    """Of ``competitions/NAME.yaml``."""
    shown = _Shown()
    for text in (*_examples(root)[1:], *MORE_COMPETITIONS):
        reader = _Recorder(shown)
        document = _parsed(text)
        read_competition(
            document, place="example", problems=_Anything(), gpus=_Anything(), reader=reader
        )
        shown.leaves(document, reader.typed, text)
    return _schema("A competition of KernelBot", shown)


def _examples(root: Path) -> list[str]:
    return BLOCK.findall((root / "README.md").read_text())


def _parsed(text: str) -> Node:
    document, flaws = parse(text.encode(), "example")
    assert document is not None
    assert not flaws, flaws
    return document


class _Anything(Collection[str]):
    """Names that another installation has others of."""

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


# --- what was asked for ----------------------------------------------------------------------------

_Path = tuple[str, ...]
_INNER = "[]"


def _path(path: str) -> _Path:
    return tuple(part for part in re.sub(r"\[\d+\]", f".{_INNER}", path).split(".") if part)


class _Shown:
    """What all examples together have shown about each place."""

    def __init__(self) -> None:
        self.kinds: dict[_Path, list[dict[str, Any]]] = {}
        self.keys: dict[_Path, Sequence[str]] = {}
        self.visits: dict[_Path, int] = {}
        self.demands: dict[_Path, int] = {}
        self.words: dict[_Path, str] = {}
        self._same: dict[_Path, _Path] = {}
        self._first: dict[Sequence[str], _Path] = {}

    def section(self, path: str, keys: Sequence[str]) -> None:
        """A map with these keys; where two maps have the same ones, what one shows holds of both."""
        place = self.known(_path(path))
        first = self._first.setdefault(keys, place)
        if first != place:
            self._same[place] = first
        self.keys[place] = keys
        self.visits[first] = self.visits.get(first, 0) + 1

    def known(self, place: _Path) -> _Path:
        """The place under the map that was first seen with its keys."""
        for end in range(len(place) - 1, 0, -1):
            if (first := self._same.get(place[:end])) is not None:
                return self.known((*first, *place[end:]))
        return place

    def demand(self, path: str, key: str) -> None:
        place = self.known((*_path(path), key))
        self.demands[place] = self.demands.get(place, 0) + 1

    def is_needed(self, place: _Path, key: str) -> bool:
        """Whether every reading of the map asks for this key; of problems and phases one will do."""
        inner = self.known((*place, key))
        return self.demands.get(inner, 0) >= self.visits[inner[:-1]]

    def kind(self, path: str | _Path, **schema: Any) -> None:
        place = self.known(_path(path) if isinstance(path, str) else path)
        known = self.kinds.setdefault(place, [])
        if schema not in known:
            known.append(schema)

    def leaves(self, node: Node, typed: Collection[int], text: str, at: _Path = ()) -> None:
        """Types of the values that no typed method was asked for, and the comments beside keys."""
        if isinstance(node.value, dict):
            for name, item in node.value.items():
                line = text.splitlines()[node.key_lines[name] - 1].lstrip(" -")
                if line.startswith(f"{name}:") and (said := COMMENT.search(line)):
                    self.words.setdefault((*at, name), said["words"])
                self.leaves(item, typed, text, (*at, name))
        elif isinstance(node.value, list):
            for item in node.value:
                self.leaves(item, typed, text, (*at, _INNER))
        elif id(node) not in typed:
            self.kind(at, type=_JSON_TYPES[type(node.value)])


_JSON_TYPES = {type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string"}


class _Recorder(Reader):
    def __init__(self, shown: _Shown) -> None:
        super().__init__("example")
        self.shown = shown
        self.typed: set[int] = set()

    def _note(self, node: Node, path: str, **schema: Any) -> None:
        self.typed.add(id(node))
        self.shown.kind(path, **schema)

    def text(self, node: Node, path: str, *, limit: int, empty: bool = False) -> str | None:
        least = {} if empty else {"minLength": 1}
        self._note(node, path, type="string", **least, maxLength=limit)
        return super().text(node, path, limit=limit, empty=empty)

    def slug(self, node: Node, path: str, pattern: re.Pattern[str], words: str) -> str | None:
        self._note(node, path, type="string", pattern=f"^{pattern.pattern}$")
        return str(node.value)

    def choice(self, node: Node, path: str, options: Collection[str]) -> str | None:
        self._note(node, path, enum=list(options))
        return {option.lower(): option for option in options}[str(node.value).lower()]

    def name(self, node: Node, path: str, known: Collection[str]) -> str | None:
        self._note(node, path, type="string")
        return str(node.value)

    def whole(self, node: Node, path: str, *, low: int, high: int) -> int | None:
        self._note(node, path, type="integer", minimum=low, maximum=high)
        return super().whole(node, path, low=low, high=high)

    def number(
        self, node: Node, path: str, *, low: float, high: float, above_low: bool = False
    ) -> float | None:
        least = {"exclusiveMinimum" if above_low else "minimum": low}
        self._note(node, path, type="number", **least, maximum=high)
        return super().number(node, path, low=low, high=high, above_low=above_low)

    def items(
        self, node: Node, path: str, *, limit: int, what: str, empty: bool = False
    ) -> list[Node]:
        least = {} if empty else {"minItems": 1}
        self.shown.kind(path, type="array", **least, maxItems=limit)
        return super().items(node, path, limit=limit, what=what, empty=empty)

    def moment(self, node: Node, path: str) -> Any:
        self._note(node, path, type="string", pattern=MOMENT)
        return super().moment(node, path)

    def section(self, node: Node, path: str, keys: Sequence[str]) -> Section:
        self.shown.section(path, keys)
        made = super().section(node, path, keys)
        return _Section(self, path, made.line, made.values, broken=made.broken)


class _Section(Section):
    def required(self, key: str, remedy: str) -> Node | None:
        assert isinstance(self.reader, _Recorder)
        self.reader.shown.demand(self.path, key)
        return super().required(key, remedy)


# --- as a schema -------------------------------------------------------------------------------------


def _schema(title: str, shown: _Shown) -> dict[str, Any]:
    return {"$schema": DIALECT, "title": title, **_at((), shown)}


def _at(place: _Path, shown: _Shown) -> dict[str, Any]:
    """What may stand at one place."""
    words, place = shown.words.get(place), shown.known(place)
    kinds = [_filled(kind, place, shown) for kind in shown.kinds.get(place, ())]
    inner = {path[len(place)] for path in _below(place, shown)} - {_INNER}
    if place in shown.keys:
        kinds.append(_object(place, shown.keys[place], shown))
    elif inner:
        values = [_at((*place, name), shown) for name in sorted(inner)]
        kinds.append({"type": "object", "additionalProperties": _either(values)})
    found = _either(kinds)
    return {"description": words, **found} if words else found


def _filled(kind: Mapping[str, Any], place: _Path, shown: _Shown) -> dict[str, Any]:
    if kind.get("type") != "array":
        return dict(kind)
    return {**kind, "items": _at((*place, _INNER), shown)}


def _below(place: _Path, shown: _Shown) -> Iterator[_Path]:
    for path in (*shown.kinds, *shown.keys):
        if len(path) > len(place) and path[: len(place)] == place:
            yield path


def _object(place: _Path, keys: Sequence[str], shown: _Shown) -> dict[str, Any]:
    needed = [key for key in keys if shown.is_needed(place, key)]
    return {
        "type": "object",
        "properties": {key: _at((*place, key), shown) for key in keys},
        **({"required": needed} if needed else {}),
        "additionalProperties": False,
    }


def _either(kinds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    plain = [{key: item for key, item in kind.items() if key != "description"} for kind in kinds]
    unique = [kind for at, kind in enumerate(plain) if kind not in plain[:at]]
    if len(unique) == 1:
        return unique[0]
    return {"anyOf": unique} if unique else {}
