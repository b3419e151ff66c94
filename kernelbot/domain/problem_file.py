"""Reading a problem's folder, already in memory, into a :class:`Problem`, or into every flaw it has."""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kernelbot.domain import native, open_cases, speed_of_light
from kernelbot.domain.definition import Node, Reader, Section, shorten
from kernelbot.domain.directives import MARKER
from kernelbot.domain.open_cases import (
    CHOICE_KEY,
    COUNT,
    EACH_KEY,
    MAX_OPTIONS,
    RANGE_KEYS,
    HiddenCase,
)
from kernelbot.domain.problem import (
    EXAMPLES_DIR,
    NAME,
    NAME_WORDS,
    PROBLEM_FILE,
    REFERENCE_FILE,
    STARTER_DIR,
    STATEMENT_FILE,
    SUFFIXES,
    Case,
    DeviceKind,
    Example,
    Problem,
    case_of_ranks,
    sealed,
)
from kernelbot.domain.reference_source import GIVEN_BY_JUDGE, MAX_OUTPUTS, ReferenceSource
from kernelbot.domain.scoring import Scoring
from kernelbot.domain.speed_of_light import SpeedOfLight
from kernelbot.errors import did_you_mean
from kernelbot.judge.protocol import MOST_RANKS, DtypeTolerance, Limits, Tolerance, VerdictKind

MAX_CASES = 200
MAX_ARGUMENTS = 32
MAX_ARGUMENT_TEXT = 1000
MAX_ARGUMENT_LIST = 1024
MAX_STATEMENT = 100_000
MAX_SUMMARY = 300
LONGEST_STAGE_S = 3600.0
MOST_RANGED = 1 << 53
LEAST_MEMORY, MOST_MEMORY = 64 << 20, 2 << 40

IN_PYTHON = ("triton", "torch", "pytorch", "helion", "cutedsl", "tilelang", "gluon")
"""What people mean by a language that comes in ``.py`` files."""

_KEYS = (
    "name", "title", "summary", "languages", "tests", "benchmarks", "cpu", "tolerance", "limits",
    "scoring", "contestant_files", "starters", "tags", "native", "compile_flags", "speed_of_light",
    "hidden", "deterministic", "world_size", "packages",
)  # fmt: skip
_CPU_KEYS = ("tests", "benchmarks", "limits", "hidden", "world_size")
_OPEN_KEYS = (*RANGE_KEYS, CHOICE_KEY, EACH_KEY)
_LIMIT_KEYS = ("build", "check", "measure", "memory")
_TOLERANCE_KEYS = ("rtol", "atol")
OUTPUT_DTYPES = (*native.DTYPES, "complex64", "complex128")
_OUTPUT_KEYS = (*_TOLERANCE_KEYS, *OUTPUT_DTYPES)
_TAKEN_MODULES = sys.stdlib_module_names | {"kernelbot", "numpy", "torch", "triton"}
_ALWAYS_THERE = sys.stdlib_module_names | {"torch", "triton"}
PACKAGE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_BINARY_UNITS = {"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40}


def read_problem(
    document: Node,
    *,
    folder: str,
    files: Mapping[str, bytes],
    place: str,
    reader: Reader | None = None,
) -> Problem:
    """The problem that ``problem.yaml`` (parsed: ``document``) and the ``files`` beside it define.

    ``folder`` is the folder's own name; ``place`` its path as messages show it; a ``reader`` may be
    given that notes what it is asked for. Raises DefinitionErrors with every flaw found.
    """
    reader = reader or Reader(f"{place}/{PROBLEM_FILE}")
    top = reader.section(document, "", _KEYS)
    tests, benchmarks = _required_cases(top, "tests"), _required_cases(top, "benchmarks")
    limits = _limits(top.get("limits"), "limits", Limits(), reader)
    hidden = _hidden(reader, top.get("hidden"), "hidden")
    world_size, *others = _world_sizes(top)
    cpu = _cpu(top, tests, benchmarks, limits, hidden, world_size)
    tolerances = _tolerances(top)
    contestant_files, starters = _contestant_files(top, files), _starters(top, files)
    if hidden or cpu.hidden:
        _keep_definition(top, (*contestant_files, *starters.values()))
    reference = ReferenceSource(reader, f"{place}/{REFERENCE_FILE}", files.get(REFERENCE_FILE))
    reference.check(top, outputs=len(tolerances), ranks=world_size)
    _check_module_names(reader, place, files)
    languages = _languages(top)
    listed = tuple(
        (place, tuple(case_of_ranks(case, ranks) for case in cases))
        for place, cases, ranks in (
            *(("tests", tests, ranks) for ranks in (world_size, *others)),
            *(("benchmarks", benchmarks, ranks) for ranks in (world_size, *others)),
            ("cpu.tests", cpu.tests, cpu.world_size), ("cpu.benchmarks", cpu.benchmarks, cpu.world_size),
        )
    )  # fmt: skip
    light = speed_of_light.read(top, listed)
    problem = Problem(
        name=_name(top, folder),
        title=top.required_text("title", limit=100, remedy="Add 'title: ...', what people read"),
        summary=top.text("summary", limit=MAX_SUMMARY),
        statement=_statement(reader, f"{place}/{STATEMENT_FILE}", files.get(STATEMENT_FILE)),
        languages=languages,
        tests=tests,
        benchmarks=benchmarks,
        cpu_tests=cpu.tests,
        cpu_benchmarks=cpu.benchmarks,
        tolerances=tolerances,
        limits=limits,
        cpu_limits=cpu.limits,
        scoring=_scoring(top, light),
        contestant_files=contestant_files,
        starters=starters,
        examples=_examples(reader, place, files, starters.values()),
        tags=_tags(top),
        files=files,
        native=native.read_parameters(top, languages, reference.outputs),
        compile_flags=native.read_flags(top, languages),
        speed_of_light=light,
        hidden=hidden,
        cpu_hidden=cpu.hidden,
        deterministic=_deterministic(top),
        world_size=world_size,
        world_sizes=tuple(sorted([world_size, *others])) if _lists_world_sizes(top) else (),
        cpu_world_size=cpu.world_size,
        packages=_packages(top),
    )
    reader.finish()
    return sealed(problem)


def _name(top: Section, folder: str) -> str:
    node = top.required("name", f"Add 'name: {shorten(folder)}'")
    name = node and top.reader.slug(node, "name", NAME, NAME_WORDS)
    if node and name and name != folder:
        reason = f"{name!r} is not the name of the folder, {shorten(folder)!r}"
        top.reader.flaw(node.line, "name", reason, "Rename one of the two")
    return name or ""


def _languages(top: Section) -> tuple[str, ...]:
    reader = top.reader
    node = top.required("languages", "Add 'languages: [python]'")
    if node is None:
        return ()
    read = []
    for at, item in enumerate(reader.items(node, "languages", limit=10, what="languages")):
        path = f"languages[{at}]"
        if str(item.value).lower() in IN_PYTHON:
            reason = f"{shorten(str(item.value))!r} is written in Python files"
            reader.flaw(item.line, path, reason, "Use python")
            continue
        language = reader.choice(item, path, list(SUFFIXES))
        if language in read:
            reader.flaw(item.line, path, f"{language!r} is listed twice", "Remove one")
        elif language:
            read.append(language)
    return tuple(read)


def _scoring(top: Section, light: SpeedOfLight | None) -> Scoring:
    node = top.get("scoring")
    word = node and top.reader.choice(node, "scoring", [item.value for item in Scoring])
    if node and word == Scoring.SPEED_OF_LIGHT and light is None:
        reason = f"{word!r} needs to know the least work of every case"
        remedy = "Add 'speed_of_light:' with 'reads:', 'writes:' and 'flops:'"
        top.reader.flaw(node.line, "scoring", reason, remedy)
    return Scoring(word) if word else Scoring.GEOM


def _deterministic(top: Section) -> bool:
    node = top.get("deterministic")
    if node is not None and not isinstance(node.value, bool):
        reason = f"expected true or false, got {node.described}"
        remedy = "Write true if two calls on the same input must agree bit for bit"
        top.reader.flaw(node.line, "deterministic", reason, remedy)
    return node is not None and node.value is True


def _lists_world_sizes(top: Section) -> bool:
    node = top.get("world_size")
    return node is not None and isinstance(node.value, list)


def _world_sizes(top: Section) -> list[int]:
    """At least one; the first is meant where nothing says how many devices there are."""
    node, reader = top.get("world_size"), top.reader
    if node is None:
        return [1]
    if _lists_world_sizes(top):
        sizes = _listed_world_sizes(reader, node)
    else:
        sizes = [reader.whole(node, "world_size", low=1, high=MOST_RANKS) or 1]
    if sizes != [1] and top.get("native") is not None:
        reason = "an entry point in C cannot be given the other ranks"
        reader.flaw(node.line, "world_size", reason, "Remove 'native', or judge on one device")
    return sizes


def _listed_world_sizes(reader: Reader, node: Node) -> list[int]:
    sizes: list[int] = []
    for at, item in enumerate(
        reader.items(node, "world_size", limit=MOST_RANKS, what="numbers of devices")
    ):
        path = f"world_size[{at}]"
        size = reader.whole(item, path, low=2, high=MOST_RANKS)
        if size in sizes:
            reader.flaw(item.line, path, f"{size} is listed twice", "Remove one")
        elif size:
            sizes.append(size)
    return sizes or [2]  # what else is wrong is that of a problem for several


def _statement(reader: Reader, file: str, content: bytes | None) -> str:
    if content is None:
        reader.flaw(0, "", "is missing", "Write what to compute, shapes and tolerance", file=file)
        return ""
    text = content.decode(errors="replace").strip()
    if not text:
        reader.flaw(0, "", "is empty", "Write what to compute, shapes and tolerance", file=file)
    if len(text) > MAX_STATEMENT:
        reason = f"has {len(text)} characters, {MAX_STATEMENT} are allowed"
        reader.flaw(0, "", reason, "Shorten it", file=file)
    return text


def _tags(top: Section) -> tuple[str, ...]:
    return _unique(
        top, "tags", lambda node, path: top.reader.slug(node, path, NAME, NAME_WORDS), "tags"
    )


def _packages(top: Section) -> tuple[str, ...]:
    """Names as they are imported, not as they are installed."""

    def read(node: Node, path: str) -> str | None:
        words = "the name that is imported: cutlass, not nvidia-cutlass-dsl or cutlass.cute"
        name = top.reader.slug(node, path, PACKAGE, words)
        if name in _ALWAYS_THERE:
            top.reader.flaw(node.line, path, f"{name!r} is always there", "Remove it")
            return None
        return name

    return _unique(top, "packages", read, "packages")


def _contestant_files(top: Section, files: Mapping[str, bytes]) -> tuple[str, ...]:
    def read(node: Node, path: str) -> str | None:
        name = top.reader.file_path(node, path, files)
        if name == REFERENCE_FILE:
            reason = f"{name!r} holds the expected answer and the check"
            top.reader.flaw(node.line, path, reason, "Move what is shared into a file of its own")
            return None
        if name == "submission.py":
            reason = f"{name!r} is the name the submission itself gets"
            top.reader.flaw(node.line, path, reason, "Rename the file")
            return None
        return name

    return _unique(top, "contestant_files", read, "files")


def _keep_definition(top: Section, given_out: Collection[str]) -> None:
    """Whoever is given the definition as it is knows the hidden cases."""
    if PROBLEM_FILE in given_out:
        reason = f"{PROBLEM_FILE!r} holds hidden cases and is among contestant_files or starters"
        top.reader.flaw(top.line, "hidden", reason, "Keep it out of both")


def _unique(
    top: Section, key: str, read: Callable[[Node, str], str | None], what: str
) -> tuple[str, ...]:
    """An optional list of different words."""
    node = top.get(key)
    if node is None:
        return ()
    words: list[str] = []
    for at, item in enumerate(top.reader.items(node, key, limit=50, what=what, empty=True)):
        word = read(item, f"{key}[{at}]")
        if word in words:
            top.reader.flaw(item.line, f"{key}[{at}]", f"{word!r} is listed twice", "Remove one")
        elif word:
            words.append(word)
    return tuple(words)


def _starters(top: Section, files: Mapping[str, bytes]) -> dict[str, str]:
    node = top.get("starters")
    if node is None:
        return {}
    if not isinstance(node.value, dict):
        remedy = f"Write 'torch: {STARTER_DIR}/with_torch.py' lines below it"
        top.reader.flaw(node.line, "starters", f"expected a map, got {node.described}", remedy)
        return {}
    starters = {}
    for name, item in node.value.items():
        path = f"starters.{shorten(name)}"
        if not NAME.fullmatch(name):
            top.reader.flaw(item.line, path, "is not a usable name", f"Use {NAME_WORDS}")
        elif file := top.reader.file_path(item, path, files):
            starters[name] = file
    return starters


# --- cases, tolerances, limits -----------------------------------------------------------------


def _required_cases(top: Section, key: str) -> tuple[Case, ...]:
    node = top.required(key, f"Add '{key}:' with one line '- {{size: 1024}}' per case")
    return _cases(top.reader, node, key) if node else ()


def _cases(reader: Reader, node: Node, path: str) -> tuple[Case, ...]:
    """Everybody sees them, so nothing is drawn: an entry with open arguments stands for all that they may be."""
    items = reader.items(node, path, limit=MAX_CASES, what="cases")
    entries = [_case(reader, item, f"{path}[{at}]", _every) for at, item in enumerate(items)]
    if (total := sum(map(open_cases.combinations, entries))) > MAX_CASES:
        reason = f"stands for {total} cases, {MAX_CASES} are allowed"
        reader.flaw(node.line, path, reason, "Shorten a list, or give a range a larger 'step'")
        return ()
    return tuple(case for entry in entries for case in open_cases.every(entry))


def _every(reader: Reader, node: Node, path: str) -> Any:
    """An argument of a test or benchmark: a value, or all of a list or range, one case for each."""
    if not isinstance(node.value, dict) or node.value.keys().isdisjoint(_OPEN_KEYS):
        return _argument(reader, node, path)
    if CHOICE_KEY in node.value:
        reason = f"{CHOICE_KEY!r} draws, and is for 'hidden' cases"
        reader.flaw(node.line, path, reason, f"Write {{{EACH_KEY}: [...]}} for a case of each")
        return None
    said = _open(reader, node, path, EACH_KEY)
    return said if EACH_KEY in said or said.keys() >= set(RANGE_KEYS) else None


def _hidden(reader: Reader, node: Node | None, path: str) -> tuple[HiddenCase, ...]:
    if node is None:
        return ()
    items = reader.items(node, path, limit=MAX_CASES, what="cases")
    cases = tuple(_hidden_case(reader, item, f"{path}[{at}]") for at, item in enumerate(items))
    if (total := sum(case.count for case in cases)) > MAX_CASES:
        reason = f"stands for {total} cases, {MAX_CASES} are allowed"
        reader.flaw(node.line, path, reason, f"Lower a '{COUNT}'")
    return cases


def _hidden_case(reader: Reader, node: Node, path: str) -> HiddenCase:
    count = 1
    if isinstance(node.value, dict) and (said := node.value.get(COUNT)) is not None:
        count = reader.whole(said, f"{path}.{COUNT}", low=1, high=MAX_CASES) or 1
        node = replace(
            node, value={name: item for name, item in node.value.items() if name != COUNT}
        )
    return HiddenCase(arguments=_case(reader, node, path, _open_argument), count=count)


def _open_argument(reader: Reader, node: Node, path: str) -> Any:
    """An argument of a hidden case: a value, or what it is drawn from."""
    if not isinstance(node.value, dict):
        return _argument(reader, node, path)
    return _open(reader, node, path, CHOICE_KEY)


def _open(reader: Reader, node: Node, path: str, listing: str) -> dict[str, Any]:
    """A range, or values under the key ``listing``."""
    section = reader.section(node, path, (*RANGE_KEYS, listing))
    options = section.get(listing)
    if options is None:
        return _range(section, listing)
    if len(section.values) > 1:
        reader.flaw(node.line, path, f"{listing!r} needs no other key", "Remove the others")
    place = section.at(listing)
    items = reader.items(options, place, limit=MAX_OPTIONS, what="values")
    return {listing: [_argument(reader, item, f"{place}[{at}]") for at, item in enumerate(items)]}


def _range(section: Section, listing: str) -> dict[str, int]:
    """Whole numbers, both ends included."""
    reader = section.reader
    remedy = f"Write {{from: 1, to: 5000}}, or {{{listing}: [1, 7, 1023]}}"
    read: dict[str, int] = {"step": 1}
    for key, low in zip(RANGE_KEYS, (-MOST_RANGED, -MOST_RANGED, 1), strict=True):
        node = section.get(key) if key in read else section.required(key, remedy)
        if (
            node
            and (said := reader.whole(node, section.at(key), low=low, high=MOST_RANGED)) is not None
        ):
            read[key] = said
    if "from" in read and "to" in read and read["to"] < read["from"]:
        reason = f"there is no number from {read['from']} to {read['to']}"
        reader.flaw(section.line, section.path, reason, "Swap the two")
    return read


def _case(
    reader: Reader,
    node: Node,
    path: str,
    argument: Callable[[Reader, Node, str], Any] | None = None,
) -> Case:
    if not isinstance(node.value, dict):
        remedy = "Write its arguments as a map, like {size: 1024}; {} if there are none"
        reader.flaw(node.line, path, f"expected a map, got {node.described}", remedy)
        return {}
    if len(node.value) > MAX_ARGUMENTS:
        reason = f"has {len(node.value)} arguments, {MAX_ARGUMENTS} are allowed"
        reader.flaw(node.line, path, reason, "Derive some of them in generate_input")
    case = {}
    for name, value in node.value.items():
        where = f"{path}.{shorten(name)}"
        if name in GIVEN_BY_JUDGE:
            reason = f"{name!r} is chosen by the judge for every run"
            reader.flaw(value.line, where, reason, "Remove it")
        elif not name.isidentifier() or keyword.iskeyword(name) or len(name) > 64:
            reason = f"{shorten(name)!r} cannot be the name of an argument"
            reader.flaw(value.line, where, reason, "Use letters, digits and _")
        else:
            case[name] = (argument or _argument)(reader, value, where)
    return case


def _argument(reader: Reader, node: Node, path: str) -> Any:
    match node.value:
        case bool():
            return node.value
        case int():
            return reader.whole(node, path, low=-(1 << 63), high=(1 << 63) - 1)
        case float():
            return reader.number(node, path, low=-1e300, high=1e300)
        case str():
            return reader.text(node, path, limit=MAX_ARGUMENT_TEXT, empty=True)
        case list():
            return _argument_list(reader, node, path)
        case _:
            remedy = "Use a number, text, true, false or a flat list of one of these"
            reader.flaw(node.line, path, f"{node.described} cannot be an argument", remedy)
            return None


def _argument_list(reader: Reader, node: Node, path: str) -> list[Any]:
    items = reader.items(node, path, limit=MAX_ARGUMENT_LIST, what="values", empty=True)
    values = []
    for at, item in enumerate(items):
        if isinstance(item.value, list):
            reader.flaw(item.line, f"{path}[{at}]", "a list inside a list", "Use a flat list")
        else:
            values.append(_argument(reader, item, f"{path}[{at}]"))
    return values


def _tolerances(top: Section) -> tuple[Tolerance, ...]:
    node = top.get("tolerance")
    if node is None:
        return (Tolerance(),)
    if not isinstance(node.value, list):
        return (_tolerance(top.reader, node, "tolerance"),)
    items = top.reader.items(node, "tolerance", limit=MAX_OUTPUTS, what="tolerances")
    return tuple(_tolerance(top.reader, item, f"tolerance[{at}]") for at, item in enumerate(items))


def _tolerance(reader: Reader, node: Node, path: str) -> Tolerance:
    """Of one output: numbers, numbers for each dtype it may have, or both."""
    section = reader.section(node, path, _OUTPUT_KEYS)
    dtypes = tuple(
        DtypeTolerance(
            dtype=key, **_allowed(reader.section(item, section.at(key), _TOLERANCE_KEYS))
        )
        for key, item in section.values.items()
        if key in OUTPUT_DTYPES
    )
    others = not dtypes or not section.values.keys().isdisjoint(_TOLERANCE_KEYS)
    return Tolerance(**_allowed(section), dtypes=dtypes, others=others)


def _allowed(section: Section) -> dict[str, float]:
    return {
        # Relative tolerance of 1 accepts zeros everywhere.
        key: (item and section.reader.number(item, section.at(key), low=0.0, high=high)) or 0.0
        for key, high in (("rtol", 0.999), ("atol", 1e30))
        for item in [section.get(key)]
    }


def _limits(node: Node | None, path: str, base: Limits, reader: Reader) -> Limits:
    """``base`` with what the section changes."""
    if node is None:
        return base
    section = reader.section(node, path, _LIMIT_KEYS)
    changed: dict[str, Any] = {}
    for key in ("build", "check", "measure"):
        if item := section.get(key):
            seconds = reader.number(
                item, section.at(key), low=0.0, high=LONGEST_STAGE_S, above_low=True
            )
            changed[f"{key}_s"] = seconds or getattr(base, f"{key}_s")
    if item := section.get("memory"):
        changed["memory_bytes"] = _memory(reader, item, section.at("memory")) or base.memory_bytes
    return replace(base, **changed)


def _memory(reader: Reader, node: Node, path: str) -> int | None:
    """Bytes, from a whole number or a text such as ``4 GiB``."""
    if isinstance(node.value, str):
        parts = re.fullmatch(r"(\d{1,12})\s*([KMGT]iB)", node.value.strip(), re.IGNORECASE)
        if parts is None:
            reason = f"{shorten(node.value)!r} is not a size"
            reader.flaw(node.line, path, reason, "Write '4 GiB', '512 MiB' or a number of bytes")
            return None
        size = int(parts[1]) * _BINARY_UNITS[parts[2].lower()]
        node = Node(value=size, line=node.line, text=node.text)
    read = reader.whole(node, path, low=0, high=1 << 62)
    if read is not None and not LEAST_MEMORY <= read <= MOST_MEMORY:
        reason = f"{shorten(node.text)} is out of range"
        reader.flaw(node.line, path, reason, "Use 64 MiB to 2 TiB")
        return None
    return read


@dataclass(frozen=True, kw_only=True)
class _Cpu:
    tests: tuple[Case, ...]
    benchmarks: tuple[Case, ...]
    limits: Limits
    hidden: tuple[HiddenCase, ...]
    world_size: int


def _cpu(
    top: Section,
    tests: tuple[Case, ...],
    benchmarks: tuple[Case, ...],
    limits: Limits,
    hidden: tuple[HiddenCase, ...],
    world_size: int,
) -> _Cpu:
    """What the CPU target does instead: sizes made for a GPU do not fit a laptop."""
    node = top.get("cpu")
    if node is None:
        return _Cpu(
            tests=tests, benchmarks=benchmarks, limits=limits, hidden=hidden, world_size=world_size
        )
    reader = top.reader
    cpu = reader.section(node, "cpu", _CPU_KEYS)
    own_tests, own_benchmarks = cpu.get("tests"), cpu.get("benchmarks")
    own_hidden = cpu.get("hidden")
    return _Cpu(
        tests=_cases(reader, own_tests, "cpu.tests") if own_tests else tests,
        benchmarks=_cases(reader, own_benchmarks, "cpu.benchmarks")
        if own_benchmarks
        else benchmarks,
        limits=_limits(cpu.get("limits"), "cpu.limits", limits, reader),
        hidden=_hidden(reader, own_hidden, "cpu.hidden") if own_hidden else hidden,
        world_size=_cpu_world_size(cpu, world_size),
    )


def _cpu_world_size(cpu: Section, world_size: int) -> int:
    """Fewer ranks will do on a processor, but not one alone: it is given other data."""
    node, path = cpu.get("world_size"), cpu.at("world_size")
    if node is None:
        return world_size
    if world_size == 1:
        reason = "the problem is for one device"
        cpu.reader.flaw(node.line, path, reason, "Say 'world_size:' at the top as well")
        return 1
    return cpu.reader.whole(node, path, low=2, high=MOST_RANKS) or world_size


def _check_module_names(reader: Reader, place: str, files: Collection[str]) -> None:
    """A ``torch.py`` beside the reference would be what ``import torch`` finds."""
    for path in files:
        module = path.removesuffix(".py")
        if "/" not in path and module != path and module in _TAKEN_MODULES:
            reason = f"hides the module {module!r} from everything beside it"
            reader.flaw(0, "", reason, "Rename the file", file=f"{place}/{path}")


# --- examples ----------------------------------------------------------------------------------

_HEADER = re.compile(r"(?:#|//)\s*expect:\s*(?P<verdict>\S+)(?P<options>(?:\s+\w+=\w+)*)\s*")


def _examples(
    reader: Reader, place: str, files: Mapping[str, bytes], starters: Collection[str]
) -> tuple[Example, ...]:
    """The files in ``examples/``, and every starter: what people begin with must work."""
    read = (
        _example(reader, f"{place}/{path}", path, content, starter=path in starters)
        for path, content in sorted(files.items())
        if path.endswith(tuple(SUFFIXES.values()))
        and (path in starters or path.startswith(f"{EXAMPLES_DIR}/"))
    )
    return tuple(example for example in read if example)


def _example(
    reader: Reader, file: str, path: str, content: bytes, *, starter: bool
) -> Example | None:
    """An example by its first line: ``# expect: wrong_answer`` or ``// expect: passed device=cuda``.

    Directives may stand above it. A starter that has no such line must pass.
    """
    kinds = [kind.value for kind in VerdictKind if kind is not VerdictKind.JUDGE_FAILED]
    lines = enumerate(content.decode(errors="replace").splitlines(), start=1)
    found = ((at, line.strip()) for at, line in lines if not MARKER.match(line))
    at, first = next(found, (1, ""))
    if starter and "expect:" not in first:
        first = "# expect: passed"
    header = _HEADER.fullmatch(first)
    if header is None:
        reason = f"its first line is {shorten(first)!r}"
        remedy = "Begin with '# expect: ' ('// expect: ' in C++) and the verdict it must get"
        reader.flaw(at, "", reason, remedy, file=file)
        return None
    options = dict(option.split("=", 1) for option in header["options"].split())
    device = options.pop("device", None)
    if header["verdict"] not in kinds:
        hint = did_you_mean(header["verdict"], kinds).strip()
        reason = f"{shorten(header['verdict'])!r} is no verdict"
        reader.flaw(at, "", reason, f"{hint} Use one of: {', '.join(kinds)}".strip(), file=file)
        return None
    if options or device not in {None, "cpu", "cuda"}:
        reason = f"{shorten(header['options'].strip())!r} is not understood"
        reader.flaw(at, "", reason, "Use device=cpu, device=cuda or nothing", file=file)
        return None
    if device is None:  # a compiled language knows one kind of device
        device = {".cu": "cuda", ".hip": "cuda", ".cpp": "cpu"}.get(path[path.rfind(".") :])
    kind: DeviceKind | None = None if device is None else "cpu" if device == "cpu" else "cuda"
    return Example(path=path, expect=VerdictKind(header["verdict"]), device=kind)
