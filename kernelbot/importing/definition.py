"""What ``definition.json`` and a file of workloads say, with everything wrong about them at once."""

from __future__ import annotations

import ast
import json
import keyword
import math
from dataclasses import dataclass, field
from typing import Any

from kernelbot.domain import expression
from kernelbot.domain.definition import Node, Reader, Section, shorten
from kernelbot.domain.expression import Expression, ExpressionError
from kernelbot.domain.problem import Case
from kernelbot.domain.reference_source import GIVEN_BY_JUDGE, MAX_OUTPUTS

DEFINITION_FILE = "definition.json"
WORKLOAD_FILES = ("workload.jsonl", "workloads.jsonl")
MAX_WORKLOADS = 10_000
TOLERANCES = {
    "float64": {"rtol": 1e-5, "atol": 1e-6},
    "float32": {"rtol": 1e-3, "atol": 1e-4},
    "float16": {"rtol": 1e-2, "atol": 1e-2},
    "bfloat16": {"rtol": 1e-2, "atol": 1e-2},
    "float8_e4m3fn": {"rtol": 0.125, "atol": 0.1},
    "float8_e5m2": {"rtol": 0.25, "atol": 0.1},
}
"""For sums of a few thousand terms that end in this type; one that is not named is compared exactly."""
DTYPES = (*TOLERANCES, "int64", "int32", "int16", "int8", "bool")
RESERVED = frozenset(("torch", "source", "drawn", "definition", *GIVEN_BY_JUDGE))
"""Names that the written reference.py uses itself."""
ALLOWANCE_KEYS = ("max_atol", "max_rtol", "required_matched_ratio")
TOP_KEYS = (
    "name", "description", "op_type", "tags", "axes", "inputs", "outputs", "reference",
    "custom_inputs_entrypoint", "constraints", "hf_id", "version", "author",
)  # fmt: skip


@dataclass(frozen=True)
class Tensor:
    """An input or output; ``shape`` None is a number."""

    shape: tuple[str, ...] | None
    dtype: str


@dataclass(frozen=True)
class Allowance:
    """What a workload says of how far an answer may be off; None where it does not."""

    rtol: float | None = None
    atol: float | None = None
    share: float = 1.0  # of the elements that must be within


@dataclass
class Definition:
    """What ``definition.json`` says."""

    name: str = ""
    description: str = ""
    reference: str = ""
    entry: str = ""  # function of the reference that makes the inputs
    constants: dict[str, int] = field(default_factory=dict)
    variables: list[str] = field(default_factory=list)
    derived: dict[str, Expression] = field(default_factory=dict)
    inputs: dict[str, Tensor] = field(default_factory=dict)
    outputs: dict[str, Tensor] = field(default_factory=dict)
    constraints: list[Expression] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)  # constraints about data, not about sizes
    drawn: set[str] = field(default_factory=set)  # numbers among the inputs that are random
    allowances: set[Allowance] = field(default_factory=set)  # of all workloads
    unused: set[str] = field(default_factory=set)  # what else workloads say of tolerance

    def axes(self, case: Case) -> dict[str, int]:
        """Every axis for a case. Raises ExpressionError."""
        found = self.constants | {name: case[name] for name in self.variables if name in case}
        for name, formula in self.derived.items():
            found[name] = int(formula.evaluate(found))
        return found

    def elements(self, case: Case) -> int:
        axes = self.axes(case)
        return sum(
            math.prod(int(axis) if _is_size(axis) else axes[axis] for axis in tensor.shape or ())
            for tensor in (*self.inputs.values(), *self.outputs.values())
        )


def read(
    definition: bytes, workloads: bytes, *, file: str, lines: str
) -> tuple[Definition, list[Case]]:
    """A definition and the cases that its workloads make.

    ``file`` and ``lines`` are what the two are called in messages. Raises DefinitionErrors.
    """
    reader = Reader(file)
    found = _definition(reader, definition)
    cases = [] if reader.flaws else _workloads(reader, lines, workloads, found)
    reader.finish()
    return found, cases


def _is_size(axis: str) -> bool:
    """Whether a shape says a number there; ``²`` is a digit too, and no number to ``int``."""
    return axis.isascii() and axis.isdigit()


class _Doubled(ValueError):
    pass


def _nodes(value: Any, line: int) -> Node:
    if isinstance(value, dict):
        return Node(value={key: _nodes(entry, line) for key, entry in value.items()}, line=line)
    if isinstance(value, list):
        return Node(value=[_nodes(entry, line) for entry in value], line=line)
    return Node(value=value, line=line, text=json.dumps(value))


def _json(reader: Reader, content: bytes, file: str, line: int = 0) -> Node | None:
    """A JSON document; its values are all said to stand on ``line``, keys tell where they are."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise _Doubled("an object has the same key twice")
        return found

    try:
        found = json.loads(content.decode(), object_pairs_hook=unique)
        json.dumps(found, ensure_ascii=False).encode()
        return _nodes(found, line)
    except json.JSONDecodeError as error:
        at, reason = line or error.lineno, f"is not JSON: {error.msg}"
    except UnicodeDecodeError:
        at, reason = line, "is not UTF-8 text"
    except UnicodeEncodeError:
        at, reason = line, "holds an escape that stands for half of a character"
    except _Doubled as error:
        at, reason = line, f"is ambiguous: {error}"
    except ValueError:  # Python reads whole numbers up to 4,300 digits
        at, reason = line, "holds a number with too many digits"
    except RecursionError:
        at, reason = line, "nests too deeply"
    reader.flaw(at, "", reason, "Fix it with a JSON editor", file=file)
    return None


def _definition(reader: Reader, content: bytes) -> Definition:
    """What is usable of it; complete only if nothing was noted."""
    document = _json(reader, content, reader.file)
    if document is None:
        return Definition()
    top = reader.section(document, "", TOP_KEYS)
    found = Definition(
        name=top.required_text("name", limit=100, remedy="Name the kernel"),
        description=top.text("description", limit=5000) if _given(top, "description") else "",
        reference=_source(top),
    )
    _read_axes(top, found)
    found.inputs = _tensors(top, "inputs", found)
    found.outputs = _tensors(top, "outputs", found)
    _read_entry(top, found)
    _check_run(top, found)
    _read_constraints(top, found)
    return found


def _given(top: Section, key: str) -> bool:
    node = top.get(key)
    return node is not None and node.value is not None


def _source(top: Section) -> str:
    node = top.required("reference", "Give the source of a PyTorch function run")
    if node is None:
        return ""
    if not isinstance(node.value, str):
        top.reader.flaw(node.line, "reference", f"is {node.described}", "Give Python source")
        return ""
    try:
        ast.parse(node.value)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = f"does not parse: {getattr(error, 'msg', error)}"
        line = getattr(error, "lineno", None)
        where = f"reference, line {line}" if line else "reference"
        top.reader.flaw(node.line, where, reason, "Fix the syntax")
        return ""
    return node.value


def _read_axes(top: Section, found: Definition) -> None:
    node = top.required("axes", "Add the named dimensions")
    reader = top.reader
    if node is None:
        return
    if not isinstance(node.value, dict):
        reader.flaw(node.line, "axes", f"is {node.described}", "Map each axis to its kind")
        return
    for name, entry in node.value.items():
        place = f"axes.{shorten(name)}"
        if not _usable(reader, entry.line, place, name):
            continue
        axis = reader.section(
            entry, place, ("type", "value", "expression", "description", "parent")
        )
        kind_node = axis.required("type", "Say const, var or expr")
        kind = kind_node and reader.choice(kind_node, f"{place}.type", ("const", "var", "expr"))
        if kind == "var":
            found.variables.append(name)
        elif kind == "const" and (value := axis.required("value", "Give its size")):
            size = reader.whole(value, f"{place}.value", low=0, high=1 << 40)
            found.constants[name] = size or 0
        elif kind == "expr" and (value := axis.required("expression", "Give the formula")):
            formula = _formula(reader, value, f"{place}.expression")
            if formula is not None:
                found.derived[name] = formula


def _formula(reader: Reader, node: Node, place: str) -> Expression | None:
    text = reader.text(node, place, limit=expression.MAX_LENGTH)
    if text is None:
        return None
    try:
        return expression.parse(text)
    except ExpressionError as error:
        reader.flaw(node.line, place, f"column {error.column}: {error.reason}", error.remedy)
        return None


def _usable(reader: Reader, line: int, place: str, name: str) -> bool:
    """Whether a name can be one of the written Python, after noting why not."""
    if not name.isidentifier() or keyword.iskeyword(name) or name in RESERVED or len(name) > 64:
        reason = f"{shorten(name)!r} cannot be a name here"
        remedy = f"Use letters, digits and _, and none of {', '.join(sorted(RESERVED))}"
        reader.flaw(line, place, reason, remedy)
        return False
    return True


def _tensors(top: Section, key: str, found: Definition) -> dict[str, Tensor]:
    node = top.required(key, f"Name the {key} with shape and dtype")
    reader = top.reader
    if node is None:
        return {}
    if not isinstance(node.value, dict) or not node.value:
        reader.flaw(node.line, key, f"is {node.described}", "Map each name to a shape and a dtype")
        return {}
    if len(node.value) > MAX_OUTPUTS:
        reader.flaw(node.line, key, f"has {len(node.value)} entries", f"Use at most {MAX_OUTPUTS}")
        return {}
    tensors = {}
    known = {*found.constants, *found.variables, *found.derived}
    for name, entry in node.value.items():
        place = f"{key}.{shorten(name)}"
        taken = name in known or name in found.inputs
        if taken:
            reader.flaw(entry.line, place, "is the name of something else", "Rename one of the two")
        if taken or not _usable(reader, entry.line, place, name):
            continue
        spec = reader.section(entry, place, ("shape", "dtype", "description"))
        kind = spec.required("dtype", "Say of what type its elements are")
        dtype = kind and reader.choice(kind, f"{place}.dtype", DTYPES)
        shape = _shape(reader, spec, place, known)
        if shape is None and key == "outputs":
            reader.flaw(entry.line, place, "is a number", "Return a tensor; shape [] for one value")
        tensors[name] = Tensor(shape, dtype or "")
    return tensors


def _shape(reader: Reader, spec: Section, place: str, known: set[str]) -> tuple[str, ...] | None:
    node = spec.required("shape", "List the names of its axes; null for a number")
    if node is None or node.value is None:
        return None
    axes = []
    items = reader.items(node, f"{place}.shape", limit=16, what="names of axes", empty=True)
    for at, item in enumerate(items):
        axis = reader.text(item, f"{place}.shape[{at}]", limit=100)
        if axis and not _is_size(axis) and axis not in known:
            remedy = f"The axes are: {', '.join(sorted(known))}"
            reader.flaw(item.line, f"{place}.shape[{at}]", f"there is no axis {axis!r}", remedy)
        axes.append(axis or "")
    return tuple(axes)


def _functions(found: Definition) -> dict[str, ast.FunctionDef]:
    body = ast.parse(found.reference).body
    return {node.name: node for node in body if isinstance(node, ast.FunctionDef)}


def _read_entry(top: Section, found: Definition) -> None:
    node = top.get("custom_inputs_entrypoint")
    if node is None or node.value is None:
        return
    place = "custom_inputs_entrypoint"
    found.entry = top.reader.text(node, place, limit=100) or ""
    if found.entry and found.reference and found.entry not in _functions(found):
        reason = f"the reference defines no function {shorten(found.entry)!r}"
        top.reader.flaw(node.line, place, reason, "Define it at the top of the reference")


def _check_run(top: Section, found: Definition) -> None:
    node = top.get("reference")
    if not found.reference or node is None:
        return
    run = _functions(found).get("run")
    if run is None:
        top.reader.flaw(node.line, "reference", "defines no function run", "Name the function run")
        return
    taken = [item.arg for item in (*run.args.posonlyargs, *run.args.args)]
    if found.inputs and taken != list(found.inputs):
        reason = f"run takes ({', '.join(taken)}), the inputs are ({', '.join(found.inputs)})"
        top.reader.flaw(
            node.line, "reference", reason, "Give both the same names in the same order"
        )


def _read_constraints(top: Section, found: Definition) -> None:
    """Those about axes are kept; collections also state some about data, which only a run could tell."""
    node = top.get("constraints")
    if node is None or node.value is None:
        return
    items = top.reader.items(node, "constraints", limit=100, what="formulas", empty=True)
    for at, item in enumerate(items):
        text = top.reader.text(item, f"constraints[{at}]", limit=1000)
        if text is None:
            continue
        try:
            formula = expression.parse(text)
        except ExpressionError:
            found.unread.append(text)
        else:
            found.constraints.append(formula)


def _workloads(reader: Reader, file: str, content: bytes, found: Definition) -> list[Case]:
    """The cases of all lines."""
    lines = Reader(file)
    rows = [(at, row) for at, row in enumerate(content.splitlines(), 1) if row.strip()]
    if not rows:
        lines.flaw(0, "", "holds no workload", "Add a line with the axes and inputs of one")
    if len(rows) > MAX_WORKLOADS:
        lines.flaw(0, "", f"has {len(rows)} lines", f"Keep at most {MAX_WORKLOADS}")
        rows = []
    cases = []
    for at, row in rows:
        document = _json(lines, row, file, at)
        if document is not None:
            cases.append(_workload(lines, document, found))
    reader.flaws += lines.flaws
    return cases


def _workload(reader: Reader, document: Node, found: Definition) -> Case:
    values = document.value if isinstance(document.value, dict) else {}
    inner = values.get("workload", document)  # a line of a trace holds more than the workload
    keys = ("uuid", "axes", "inputs", "tolerance", "description")
    section = reader.section(inner, "", keys)
    case: Case = {}
    axes = section.required("axes", "Give the size of every axis that varies")
    sizes = axes.value if axes and isinstance(axes.value, dict) else {}
    for name in found.variables:
        if name not in sizes:
            reader.flaw(section.line, f"axes.{name}", "is missing", "Give its size")
        else:
            size = reader.whole(sizes[name], f"axes.{name}", low=0, high=1 << 40)
            case[name] = 0 if size is None else size
    inputs = section.required("inputs", "Say for every input where it comes from")
    given = inputs.value if inputs and isinstance(inputs.value, dict) else {}
    for name, tensor in found.inputs.items():
        if name not in given:
            reader.flaw(section.line, f"inputs.{name}", "is missing", "Say where it comes from")
        else:
            _input(reader, given[name], f"inputs.{name}", tensor, found, case)
    found.allowances.add(_allowance(section, found))
    _hold(reader, section.line, found, case)
    return case


def _allowance(workload: Section, found: Definition) -> Allowance:
    if not _given(workload, "tolerance"):
        return Allowance()
    node = workload.values["tolerance"]
    said = node.value if isinstance(node.value, dict) else {}
    found.unused |= {shorten(key) for key in said if key not in ALLOWANCE_KEYS}
    section = workload.reader.section(node, "tolerance", (*ALLOWANCE_KEYS, *said))

    def number(key: str, high: float) -> float | None:
        item = section.get(key)
        if item is None or item.value is None:
            return None
        return workload.reader.number(item, section.at(key), low=0.0, high=high)

    share = number("required_matched_ratio", 1.0)
    # A relative tolerance of 1 accepts zeros everywhere.
    return Allowance(
        rtol=number("max_rtol", 0.999),
        atol=number("max_atol", 1e30),
        share=1.0 if share is None else share,
    )


def _input(
    reader: Reader, node: Node, place: str, tensor: Tensor, found: Definition, case: Case
) -> None:
    name = place.removeprefix("inputs.")
    spec = reader.section(node, place, ("type", "value", "path", "tensor_key"))
    kind = spec.required("type", "Say random, scalar or custom")
    known = ("random", "scalar", "safetensors", "custom")
    chosen_kind = kind and reader.choice(kind, f"{place}.type", known)
    if chosen_kind == "safetensors":
        remedy = "Write a custom_inputs_entrypoint that makes such data from the axes"
        reader.flaw(node.line, place, "comes from a file; the judge needs new data in every call",
                    remedy)  # fmt: skip
    elif chosen_kind == "custom" and not found.entry:
        remedy = "Name the function that makes it in custom_inputs_entrypoint of the definition"
        reader.flaw(node.line, place, "is custom, but nothing makes it", remedy)
    elif chosen_kind == "scalar":
        value = spec.required("value", "Give the number")
        if value is not None and not isinstance(value.value, bool | int | float):
            reader.flaw(node.line, f"{place}.value", f"is {value.described}", "Give a number")
        elif tensor.shape is not None:
            reader.flaw(node.line, place, "is a tensor, not a scalar", "Say random or custom")
        elif value is not None:
            case[name] = value.value
    elif chosen_kind == "random" and tensor.shape is None:
        found.drawn.add(name)


def _hold(reader: Reader, line: int, found: Definition, case: Case) -> None:
    """Note constraints that a workload breaks, and formulas that cannot be worked out."""
    try:
        axes = found.axes(case)
        broken = [formula.text for formula in found.constraints if not formula.evaluate(axes)]
    except ExpressionError as error:
        reader.flaw(line, "axes", f"cannot be worked out: {error.reason}", error.remedy)
        return
    for text in broken:
        reader.flaw(line, "axes", f"{shorten(text)!r} does not hold", "Change the workload")
