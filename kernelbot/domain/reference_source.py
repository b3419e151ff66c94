"""What a problem's ``reference.py`` defines, read from its syntax: code of an organizer runs in the
judge and nowhere else."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from dataclasses import replace

from kernelbot.domain.definition import Node, Reader, Section, shorten
from kernelbot.domain.open_cases import CHOICE_KEY, COUNT, EACH_KEY, RANGE_KEYS
from kernelbot.domain.problem import REFERENCE_FILE
from kernelbot.errors import did_you_mean
from kernelbot.judge.protocol import AS_MADE, VALUES, VALUES_KEY

GIVEN_BY_JUDGE = ("seed", "device")
"""Arguments of ``generate_input`` that no case may set."""
GIVEN_TO_RANKS = ("rank", "world_size")
"""More of them, where several ranks run a submission."""
MAX_OUTPUTS = 32
TYPE_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "list": "a list",
}
"""Annotations of arguments that a case can be held to, and what they ask for."""


class ReferenceSource:
    """What ``reference.py`` defines, from its syntax alone."""

    def __init__(self, reader: Reader, file: str, content: bytes | None) -> None:
        self.reader = reader
        self.file = file
        self.given: tuple[str, ...] = GIVEN_BY_JUDGE
        self.names: dict[str, ast.AST] = {}
        self.readable = False
        if content is None:
            self._flaw(0, "", "is missing", "Define generate_input and reference in it")
        else:
            self._parse(content)

    def _flaw(self, line: int, path: str, reason: str, remedy: str) -> None:
        self.reader.flaw(line, path, reason, remedy, file=self.file)

    def _parse(self, content: bytes) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # "\d" in a string is the author's business
                tree = ast.parse(content)
        except SyntaxError as error:
            reason = f"does not parse: {error.msg}"
            self._flaw(error.lineno or 0, "", reason, "Fix the syntax")
            return
        except (ValueError, RecursionError, MemoryError) as error:
            self._flaw(0, "", f"does not parse: {error}", "Simplify it")
            return
        self.readable = True
        for statement in tree.body:
            for name in _bound(statement):
                self.names[name] = statement

    @property
    def outputs(self) -> int:
        """How many entries at the end of the data are output buffers, as far as it can be told."""
        value = getattr(self.names.get("OUTPUTS"), "value", None)
        count = value.value if isinstance(value, ast.Constant) else 0
        return count if isinstance(count, int) else 0

    def check(self, top: Section, *, outputs: int, ranks: int = 1) -> None:
        """Notes what is missing, and cases that ``generate_input`` does not take."""
        if not self.readable:
            return
        forms = {
            "generate_input": "generate_input(*, seed: int, device: str, ...) -> tuple",
            "reference": "reference(data) -> Tensor | tuple",
        }
        if ranks > 1:
            self.given = GIVEN_BY_JUDGE + GIVEN_TO_RANKS
            forms = {
                "generate_input": "generate_input(*, seed, device, rank, world_size, ...) -> tuple",
                "reference": "reference(data: list) -> list, one entry for each rank",
            }
        for name, form in forms.items():
            if name not in self.names:
                self._flaw(0, name, "is not defined", f"Define {form}")
        self._check_positional("reference", 1, 1)
        self._check_positional("check", 2, 3)
        said = top.get("tolerance")
        self._check_outputs(outputs, said.line if said else 0)
        if isinstance(function := self.names.get("generate_input"), ast.FunctionDef):
            self._check_generator(function, top)

    def _check_positional(self, name: str, count: int, most: int) -> None:
        function = self.names.get(name)
        if not isinstance(function, ast.FunctionDef):
            return
        arguments = function.args
        taken = len(arguments.posonlyargs) + len(arguments.args)
        needed = taken - len(arguments.defaults)
        if needed > most or (taken < count and arguments.vararg is None):
            words = "data" if count == 1 else "data, output"
            self._flaw(function.lineno, name, f"cannot be called as {name}({words})", "Change it")

    def _check_outputs(self, tolerances: int, line: int) -> None:
        statement = self.names.get("OUTPUTS")
        if not isinstance(statement, ast.Assign | ast.AnnAssign):
            return
        value = statement.value
        count = value.value if isinstance(value, ast.Constant) else None
        if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= MAX_OUTPUTS:
            remedy = (
                "Write how many entries at the end of data are output buffers, like OUTPUTS = 1"
            )
            self._flaw(statement.lineno, "OUTPUTS", "is not a plain small number", remedy)
        elif tolerances > 1 and count and tolerances != count:
            outputs = "1 output" if count == 1 else f"{count} outputs"
            reason = f"{tolerances} tolerances for {outputs}"
            remedy = "Give one tolerance for all outputs or one for each"
            self.reader.flaw(line, "tolerance", reason, remedy)

    def _check_generator(self, function: ast.FunctionDef, top: Section) -> None:
        arguments = function.args
        by_name = [*arguments.args, *arguments.kwonlyargs]
        accepted = {item.arg for item in by_name}
        if arguments.kwarg is None:
            for name in self.given:
                if name not in accepted:
                    remedy = f"Declare it as generate_input(*, {', '.join(self.given)}, ...)"
                    reason = f"does not take the keyword {name!r}"
                    self._flaw(function.lineno, "generate_input", reason, remedy)
        if arguments.posonlyargs:
            reason = f"takes {arguments.posonlyargs[0].arg!r} by position only"
            self._flaw(function.lineno, "generate_input", reason, "Arguments are given by keyword")
        if COUNT in accepted and any(_hidden_nodes(top).values()):
            reason = f"takes {COUNT!r}, which says of a hidden case how many are drawn"
            self._flaw(function.lineno, "generate_input", reason, "Rename the argument")
        required = _without_default(arguments) - set(self.given)
        types = {item.arg: kind for item in by_name if (kind := _annotated(item)) is not None}
        for path, node in _case_nodes(top):
            self._check_case(
                path, node, accepted, required, types, open_ended=arguments.kwarg is not None
            )

    def _check_case(
        self,
        path: str,
        node: Node,
        accepted: set[str],
        required: set[str],
        types: Mapping[str, str],
        *,
        open_ended: bool,
    ) -> None:
        given = node.value if isinstance(node.value, dict) else {}
        for name, value in given.items():
            if name in self.given and name not in GIVEN_BY_JUDGE:  # of those every case is told
                reason = f"{name!r} is chosen by the judge for every run"
                self.reader.flaw(value.line, f"{path}.{name}", reason, "Remove it")
            elif name == VALUES_KEY and name not in accepted and not open_ended:
                self._check_values(f"{path}.{name}", value)
            elif name in types:
                self._check_type(f"{path}.{name}", value, types[name])
            elif name not in accepted and name not in GIVEN_BY_JUDGE and not open_ended:
                choices = sorted(accepted - set(self.given))
                hint = did_you_mean(shorten(name), choices).strip()
                remedy = hint or f"It takes: {', '.join(choices) or 'nothing'}"
                reason = f"generate_input in {REFERENCE_FILE} takes no {shorten(name)!r}"
                self.reader.flaw(value.line, f"{path}.{shorten(name)}", reason, remedy)
        for name in sorted(required - set(given)):
            reason = f"generate_input in {REFERENCE_FILE} needs {name!r}"
            self.reader.flaw(node.line, path, reason, "Add it to the case or give it a default")

    def _check_type(self, path: str, node: Node, kind: str) -> None:
        """A value against the annotation of its argument; of a list of them, each option."""
        if isinstance(node.value, dict):
            listing = EACH_KEY if EACH_KEY in node.value else CHOICE_KEY
            if (options := node.value.get(listing)) and isinstance(options.value, list):
                for at, option in enumerate(options.value):
                    self._check_type(f"{path}.{listing}[{at}]", option, kind)
            elif kind not in ("int", "float") and node.value.keys() & set(RANGE_KEYS):
                reason = f"generate_input in {REFERENCE_FILE} wants {TYPE_WORDS[kind]}, no range"
                listing = CHOICE_KEY if "hidden[" in path else EACH_KEY
                self.reader.flaw(node.line, path, reason, f"Write {{{listing}: [...]}}")
        elif type(node.value).__name__ not in (kind, "int" if kind == "float" else kind):
            reason = f"generate_input in {REFERENCE_FILE} wants {TYPE_WORDS[kind]}"
            remedy = f"It is {node.described}: change the value, or the argument's annotation"
            self.reader.flaw(node.line, path, reason, remedy)

    def _check_values(self, path: str, node: Node) -> None:
        """Words of the judge's own for the values of inputs; behind 'choose' or 'each' there are several."""
        if isinstance(node.value, dict):
            for key, item in node.value.items():
                listing = key in (CHOICE_KEY, EACH_KEY)
                options = item.value if listing and isinstance(item.value, list) else [item]
                for at, option in enumerate(options):
                    self._check_values(f"{path}.{key}[{at}]", option)
        elif isinstance(node.value, list):
            for at, item in enumerate(node.value):
                self._check_word(f"{path}[{at}]", item, (*VALUES, AS_MADE))
        else:
            self._check_word(path, node, VALUES)

    def _check_word(self, path: str, node: Node, words: tuple[str, ...]) -> None:
        if node.value not in words:
            text = shorten(str(node.value))
            remedy = f"{did_you_mean(text, words)} Use one of: {', '.join(words)}".strip()
            reason = f"{node.described} is no way to change values"
            self.reader.flaw(node.line, path, reason, remedy)


def _annotated(argument: ast.arg) -> str | None:
    """The type of a case's value that an annotation asks for, where it is a plain one."""
    match argument.annotation:
        case ast.Name(id=name) | ast.Subscript(value=ast.Name(id=name)) if name in TYPE_WORDS:
            return name
        case _:
            return None


def _bound(statement: ast.stmt) -> list[str]:
    """Names a top-level statement defines."""
    match statement:
        case ast.FunctionDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
            return [name]
        case ast.ImportFrom(names=names) | ast.Import(names=names):
            return [alias.asname or alias.name for alias in names]
        case _:
            return []


def _without_default(arguments: ast.arguments) -> set[str]:
    plain = arguments.args[: len(arguments.args) - len(arguments.defaults)]
    by_keyword = [
        item
        for item, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is None
    ]
    return {item.arg for item in [*plain, *by_keyword]}


def _case_nodes(top: Section) -> list[tuple[str, Node]]:
    """Every case of the document with its path."""
    under_cpu = _under_cpu(top)
    lists = [
        *((key, top.get(key)) for key in ("tests", "benchmarks")),
        *((f"cpu.{key}", under_cpu.get(key)) for key in ("tests", "benchmarks")),
        *_hidden_nodes(top).items(),
    ]
    return [
        (f"{path}[{at}]", _without_count(item) if path.endswith("hidden") else item)
        for path, node in lists
        if node is not None and isinstance(node.value, list)
        for at, item in enumerate(node.value)
        if isinstance(item.value, dict)
    ]


def _hidden_nodes(top: Section) -> dict[str, Node | None]:
    return {"hidden": top.get("hidden"), "cpu.hidden": _under_cpu(top).get("hidden")}


def _under_cpu(top: Section) -> dict[str, Node]:
    cpu = top.get("cpu")
    return cpu.value if cpu and isinstance(cpu.value, dict) else {}


def _without_count(case: Node) -> Node:
    """A hidden case with nothing but what generate_input is given."""
    if not isinstance(case.value, dict):
        return case
    return replace(case, value={name: item for name, item in case.value.items() if name != COUNT})
