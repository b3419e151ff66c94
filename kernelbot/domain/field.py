"""The field's ``task.yml``, unmodified, as a Problem.

It is read as its authors' platform means it: files from anywhere inside the tree, cases that travel
as text, only the last benchmark where nothing else is said. What is wrong becomes a flaw like any
other; what is right but will surprise becomes a note.
"""

from __future__ import annotations

import ast
import posixpath
import re
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from kernelbot.domain.definition import Node, Reader, Section, shorten
from kernelbot.domain.field_reading import MAX_TEXT, Reading, outside
from kernelbot.domain.field_task import CHECK, EVALUATOR, FieldTask
from kernelbot.domain.problem import STARTER_DIR, Case, Problem, sealed
from kernelbot.domain.reference_source import ReferenceSource
from kernelbot.domain.scoring import Scoring
from kernelbot.errors import did_you_mean
from kernelbot.judge.protocol import Limits, Tolerance

TASK_FILE = "task.yml"
SLOT = "@SUBMISSION@"
DEFAULT_TIMEOUT_S = 180
LONGEST_TIMEOUT_S = 7200
MAX_CASES, MAX_FILES = 500, 100
RANKINGS = [Scoring.GEOM.value, Scoring.MEAN.value, Scoring.LAST.value]
"""What the field knows; a task.yml cannot say what the speed of light is."""
TEMPLATE_LANGUAGES = ("Python", "Triton", "CUDA", "HIP", "CuteDSL")
DECIDING = ("generate_input", "check_implementation", "ref_kernel")
UNCARRIED = re.compile(r"[;:\n\r\t ]")
PROVIDED = {"torch", "numpy", "triton"}

_TASK_KEYS = (
    "files", "lang", "description", "config", "templates", "tests", "benchmarks", "test_timeout",
    "benchmark_timeout", "ranked_timeout", "ranking_by", "gpus", "multi_gpu", "libraries", "seed",
)  # fmt: skip

Fetch = Callable[[str], "bytes | str"]
"""The bytes of a file by its path from the root of the tree, or the reason why there are none."""


def read_task(
    document: Node,
    *,
    name: str,
    directory: str,
    fetch: Fetch,
    place: str,
) -> Problem:
    """The problem that a ``task.yml`` in ``directory`` defines, with notes on it.

    ``name`` is the leaderboard's: the file itself has none. Raises DefinitionErrors with all flaws.
    """
    reading = _Task(Reader(place), directory, fetch)
    problem = reading.problem(document, name)
    reading.reader.finish()
    return sealed(replace(problem, notes=tuple(reading.notes)))


class _Task(Reading):
    """Reading one ``task.yml``."""

    def __init__(self, reader: Reader, directory: str, fetch: Fetch) -> None:
        super().__init__(reader)
        self.directory = directory
        self.fetch = fetch

    def problem(self, document: Node, name: str) -> Problem:
        top = self.reader.section(document, "", _TASK_KEYS)
        self._language(top)
        files, slot = self._files(top)
        main = self._main(top, files, slot)
        tests, benchmarks = self._cases(top, "tests"), self._cases(top, "benchmarks")
        if not benchmarks and top.get("benchmarks") is None:
            remedy = "Add at least one: they are what is ranked"
            self.reader.flaw(top.line, "", "the key 'benchmarks' is missing", remedy)
        world_size = self._world_size(top, [*tests, *benchmarks])
        style = self._style(files, main, world_size, top)
        scoring = self._scoring(top)
        timeouts = {key: self._timeout(top, key) for key in ("test", "benchmark", "ranked")}
        limits = Limits(
            build_s=120.0, check_s=timeouts["test"], measure_s=timeouts["benchmark"],
            memory_bytes=64 << 30,
        )  # fmt: skip
        starters = self._templates(top, files)
        self._unused(top)
        if top.get("description") is None:
            top.required("description", "Add 'description: |' and what to compute below it")
        return Problem(
            name=name,
            title=name,
            summary="",
            statement=top.text("description", limit=MAX_TEXT),
            languages=("python",),
            tests=tests,
            benchmarks=benchmarks,
            cpu_tests=tests,
            cpu_benchmarks=benchmarks,
            tolerances=(Tolerance(),),
            limits=limits,
            cpu_limits=limits,
            scoring=scoring,
            contestant_files=tuple(
                path for path in files if not path.startswith(STARTER_DIR + "/")
            ),
            starters=starters,
            examples=(),
            tags=(),
            files=files,
            task=FieldTask(
                style=style,
                main=main,
                submission=slot or "submission.py",
                ranked_s=timeouts["ranked"],
                world_size=world_size,
                gpus=self.labels(top),
                needs=self._needs(files),
            ),
        )

    # --- files -----------------------------------------------------------------------------------

    def _language(self, top: Section) -> None:
        node = top.required("lang", "Add 'lang: py'")
        if node and self.reader.choice(node, "lang", ["py", "cu"]) == "cu":
            reason = "a C++ program of the field's would have to be judged by itself"
            remedy = "Write it as a problem of this platform with 'languages: [cuda]'"
            self.reader.flaw(node.line, "lang", reason, remedy)

    def _files(self, top: Section) -> tuple[dict[str, bytes], str]:
        """Contents by the name each file gets where it runs, and the name of the submission."""
        node = top.required("files", "Add 'files:' with lines '- {\"name\": ..., \"source\": ...}'")
        found: dict[str, bytes] = {}
        slots: list[str] = []
        items = self.reader.items(node, "files", limit=MAX_FILES, what="files") if node else []
        for at, item in enumerate(items):
            path = f"files[{at}]"
            entry = self.reader.section(item, path, ("name", "source"))
            name = self._name(entry)
            source = entry.required("source", f"Add '\"source\": ...', a path or {SLOT}")
            text = source and self.reader.text(source, f"{path}.source", limit=300)
            if name in found or name in slots:
                reason = f"{name!r} is given twice"
                self.reader.flaw(item.line, f"{path}.name", reason, "Keep one of them")
            elif source and text == SLOT and name:
                slots.append(name)
            elif source and text and name:
                content = self._fetched(source, f"{path}.source", text)
                if content is not None:
                    found[name] = content
        if node and len(slots) != 1:
            how = "no file is" if not slots else f"{len(slots)} files are"
            reason = f"{how} the submission's"
            self.reader.flaw(node.line, "files", reason, f"Give exactly one the source {SLOT}")
        return found, slots[0] if slots else ""

    def _name(self, entry: Section) -> str:
        node = entry.required("name", "Add '\"name\": ...', what the file is called where it runs")
        name = (node and self.reader.text(node, entry.at("name"), limit=200)) or ""
        if node and name and outside(name):
            reason = f"{shorten(name)!r} is no path inside the folder it runs in"
            self.reader.flaw(node.line, entry.at("name"), reason, "Use a plain file name")
            return ""
        return name

    def _fetched(self, node: Node, path: str, source: str) -> bytes | None:
        """A file of the tree by its path from the task's folder."""
        place = posixpath.normpath(posixpath.join(self.directory, source))
        if outside(place) or "\\" in source or source.startswith("/"):
            reason = f"{shorten(source)!r} leaves the tree of problems"
            self.reader.flaw(node.line, path, reason, "Use a file inside the tree")
            return None
        content = self.fetch(place)
        if isinstance(content, str):
            reason = f"the file {shorten(source)!r} {content}"
            self.reader.flaw(node.line, path, reason, "Add the file or fix the path")
            return None
        try:
            content.decode()
        except UnicodeDecodeError as error:
            reason = f"the file {shorten(source)!r} is not UTF-8 at byte {error.start}"
            self.reader.flaw(node.line, path, reason, "Save it as UTF-8")
        return content

    def _main(self, top: Section, files: Mapping[str, bytes], slot: str) -> str:
        node = top.required("config", "Add 'config:' and below it 'main: \"eval.py\"'")
        if node is None:
            return ""
        config = self.reader.section(node, "config", ("main",))
        main = config.required("main", "Add 'main: \"eval.py\"'")
        name = (main and self.reader.text(main, "config.main", limit=200)) or ""
        if main and name and (name not in files or name == slot):
            hint = did_you_mean(name, files).strip()
            reason = f"{shorten(name)!r} is not among the files"
            self.reader.flaw(main.line, "config.main", reason, hint or "List it under 'files'")
        return name

    def _templates(self, top: Section, files: dict[str, bytes]) -> dict[str, str]:
        """Starters by language. They need not run: many have gaps to fill in."""
        node = top.get("templates")
        if node is None:
            return {}
        if not isinstance(node.value, dict) or not node.value:
            remedy = "Write 'Python: template.py' below it, or remove the key"
            self.reader.flaw(node.line, "templates", f"expected a map, got {node.described}"
                             if node.value else "is empty", remedy)  # fmt: skip
            return {}
        starters = {}
        for language, item in self.reader.section(
            node, "templates", TEMPLATE_LANGUAGES
        ).values.items():
            path = f"templates.{language}"
            source = self.reader.text(item, path, limit=300)
            content = self._fetched(item, path, source) if source else None
            if source and content is not None and language in TEMPLATE_LANGUAGES:
                stored = f"{STARTER_DIR}/{language.lower()}/{posixpath.basename(source)}"
                files[stored] = content
                starters[language.lower()] = stored
        return starters

    def _needs(self, files: Mapping[str, bytes]) -> tuple[str, ...]:
        """Packages that the task's own files import when they are imported."""
        found: set[str] = set()
        for path, content in files.items():
            if path.endswith(".py") and not path.startswith(STARTER_DIR + "/"):
                found |= _imported(content)
        local = {path.removesuffix(".py").split("/")[0] for path in files} | {"submission"}
        needed = sorted(found - local - PROVIDED - sys.stdlib_module_names)
        for name in needed:
            reason = f"its files import the package {name!r}"
            self.note(0, "", reason, f"Install {name} where it is judged")
        return tuple(needed)

    # --- who decides -----------------------------------------------------------------------------

    def _style(self, files: Mapping[str, bytes], main: str, world_size: int, top: Section) -> str:
        """Whether this judge can decide by the folder's check; otherwise its own program does."""
        reference = files.get("reference.py")
        why = ""
        if reference is None:
            why = "there is no reference.py"
        else:
            source = ReferenceSource(self.reader, f"{self.reader.file} (reference.py)", reference)
            missing = [name for name in DECIDING if name not in source.names]
            if source.readable and missing:
                why = f"reference.py defines no {missing[0]}"
            elif b"custom_kernel" not in files.get(main, b""):
                why = f"{main} calls something else than custom_kernel"
            self._check_signature(source, top)
        if world_size > 1:
            why = "it runs on several GPUs at once"
        if why:
            self.note(0, "", f"is evaluated by its own program, because {why}",
                      "Its results are shown as self-evaluated")  # fmt: skip
        return EVALUATOR if why else CHECK

    def _check_signature(self, source: ReferenceSource, top: Section) -> None:
        """Cases against the arguments of ``generate_input``; the field's own type list is not kept up."""
        function = source.names.get("generate_input")
        if not isinstance(function, ast.FunctionDef):
            return
        arguments = function.args
        by_name = [item.arg for item in (*arguments.args, *arguments.kwonlyargs)]
        needed = set(_required(arguments)) - {"seed", "rank", "device"}
        for key in ("tests", "benchmarks"):
            node = top.get(key)
            for at, item in enumerate(node.value if node and isinstance(node.value, list) else []):
                item = _spelt_out(item) if isinstance(item.value, str) else item
                if not isinstance(item.value, dict):
                    continue
                path = f"{key}[{at}]"
                for name in item.value:
                    if name not in by_name and arguments.kwarg is None and name != "world_size":
                        hint = did_you_mean(shorten(name), by_name).strip()
                        reason = f"generate_input in reference.py takes no {shorten(name)!r}"
                        remedy = hint or f"It takes: {', '.join(by_name)}"
                        line = item.key_lines.get(name, item.line)
                        self.reader.flaw(line, f"{path}.{shorten(name)}", reason, remedy)
                for name in sorted(needed - set(item.value)):
                    reason = f"generate_input in reference.py needs {name!r}"
                    remedy = "Add it to the case or give it a default"
                    self.reader.flaw(item.line, path, reason, remedy)

    # --- cases and numbers -----------------------------------------------------------------------

    def _cases(self, top: Section, key: str) -> tuple[Case, ...]:
        node = top.get(key)
        if node is None:
            return ()
        items = self.reader.items(node, key, limit=MAX_CASES, what="cases", empty=key == "tests")
        booleans: list[Node] = []
        cases = [self._case(item, f"{key}[{at}]", booleans) for at, item in enumerate(items)]
        if booleans:
            reason = f"{len(booleans)} truth values travel as text, where 'False' is true"
            remedy = "Write 0 and 1 if that is not what is meant"
            self.note(booleans[0].line, key, reason, remedy)
        return tuple(cases)

    def _case(self, node: Node, path: str, booleans: list[Node]) -> Case:
        if isinstance(node.value, str):
            node = _spelt_out(node)
        if not isinstance(node.value, dict):
            remedy = "Write its arguments as a map, like {size: 1024, seed: 1}"
            self.reader.flaw(node.line, path, f"expected a map, got {node.described}", remedy)
            return {}
        case: Case = {}
        for name, value in node.value.items():
            where = f"{path}.{shorten(name)}"
            if not name.isidentifier():
                reason = f"{shorten(name)!r} cannot be the name of an argument"
                self.reader.flaw(value.line, where, reason, "Use letters, digits and _")
                continue
            case[name] = self._argument(value, where)
            if isinstance(value.value, bool):
                booleans.append(value)
        return case

    def _argument(self, node: Node, path: str) -> Any:
        """A value as it arrives: what the field's programs make of its text."""
        match node.value:
            case bool():
                return str(node.value)
            case int():
                return self.reader.whole(node, path, low=-(1 << 63), high=(1 << 63) - 1)
            case str():
                if UNCARRIED.search(node.value) or not node.value:
                    reason = f"{shorten(node.value)!r} cannot travel as text between ; and :"
                    remedy = "Use letters, digits and _"
                    self.reader.flaw(node.line, path, reason, remedy)
                number = re.fullmatch(r"[+-]?\d{1,19}", node.value)
                return int(node.value) if number else node.value
            case list():
                return [self._argument(item, f"{path}[{at}]") for at, item in enumerate(node.value)]
            case _:
                remedy = "Use a whole number, a word, true, false or a list of whole numbers"
                reason = f"{node.described} cannot be an argument"
                self.reader.flaw(node.line, path, reason, remedy)
                return None

    def _world_size(self, top: Section, cases: Collection[Case]) -> int:
        node = top.get("multi_gpu")
        wanted = False
        if node is not None:
            if not isinstance(node.value, bool):
                remedy = "Write true or false"
                reason = f"expected a truth value, got {node.described}"
                self.reader.flaw(node.line, "multi_gpu", reason, remedy)
            wanted = node.value is True
        sizes = [case.get("world_size") for case in cases]
        if wanted and node and not all(isinstance(size, int) and size > 0 for size in sizes):
            reason = "a case has no 'world_size'"
            self.reader.flaw(node.line, "multi_gpu", reason, "Add it to every case")
        elif not wanted and any(size is not None for size in sizes):
            reason = "cases have a 'world_size', and the task is not for several GPUs"
            self.reader.flaw(top.line, "", reason, "Add 'multi_gpu: true'")
        known = [size for size in sizes if isinstance(size, int)]
        return max(known, default=1) if wanted else 1

    def _scoring(self, top: Section) -> Scoring:
        node = top.get("ranking_by")
        word = node and self.reader.choice(node, "ranking_by", RANKINGS)
        return Scoring(word) if word else Scoring.LAST

    def _timeout(self, top: Section, stage: str) -> float:
        key = f"{stage}_timeout"
        node = top.get(key)
        read = self.reader.whole(node, key, low=1, high=LONGEST_TIMEOUT_S) if node else None
        return float(read or DEFAULT_TIMEOUT_S)

    def _unused(self, top: Section) -> None:
        for key, why in (
            ("libraries", "no runner of the field ever saw it"),
            ("seed", "every run of this platform has a seed of its own"),
        ):
            if node := top.get(key):
                self.note(node.line, key, f"has no effect: {why}", "Remove it if it misleads")


def _spelt_out(node: Node) -> Node:
    """A case written as one line of text, ``size: 128; seed: 1``, as the map it stands for."""
    values: dict[str, Node] = {}
    for part in str(node.value).split(";"):
        name, colon, value = part.partition(":")
        if colon:
            values[name.strip()] = Node(value=value.strip(), line=node.line, text=value.strip())
    return Node(value=values, line=node.line) if values else node


def _required(arguments: ast.arguments) -> list[str]:
    plain = arguments.args[: len(arguments.args) - len(arguments.defaults)]
    named = [
        item
        for item, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is None
    ]
    return [item.arg for item in (*plain, *named)]


def _imported(content: bytes) -> set[str]:
    """Top-level packages that a file imports while it is imported itself."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    found: set[str] = set()
    for statement in tree.body:
        if isinstance(statement, ast.Import):
            found |= {name.name.split(".")[0] for name in statement.names}
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            found.add(statement.module.split(".")[0])
    return found
