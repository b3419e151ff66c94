"""Tasks written as a module: ``class Model``, ``get_inputs()`` and ``get_init_inputs()``.

The form of KernelBench. The file itself becomes part of the problem, unchanged; what stands around
it draws inputs and weights anew for every call and lets the arguments of a case take the place of the
constants at the top of the file, so that its author can add sizes without touching it.
"""

from __future__ import annotations

import ast
import symtable
import warnings
from typing import Any

from kernelbot.domain import expression
from kernelbot.domain.definition import DefinitionErrors, Flaw
from kernelbot.domain.expression import ExpressionError
from kernelbot.domain.problem import Case
from kernelbot.domain.reference_source import GIVEN_BY_JUDGE
from kernelbot.importing.folder import Imported, fenced, problem_yaml

TOLERANCE = {"rtol": 1e-4, "atol": 1e-4}
"""What KernelBench allows fp32 since its version 0.1."""
DRAWS = ("get_inputs", "get_init_inputs")


def imported(source: bytes, *, name: str, file: str) -> Imported:
    """The problem that a task makes. Raises DefinitionErrors for what is no such task."""
    tree, text = _parsed(source, file)
    _demand(tree, file)
    case = _constants(tree, text)
    title = name.replace("-", " ").replace("_", " ").capitalize()
    notes = [
        "The tolerance is that of fp32; narrow or widen it by what `kernelbot problem check` says.",
        "Add smaller sizes under `cpu:` for people without a GPU, and a formula under `speed_of_light`.",
    ]
    if not case:
        notes.append(
            "The file has no plain constants that get_inputs uses: there is one case only."
        )
    return Imported(
        name,
        {
            "problem.yaml": problem_yaml(
                name=name,
                title=title,
                summary=_about(tree) or f"The module {title}, faster.",
                tests=[case, case],
                benchmarks=[case],
                tolerances=[TOLERANCE],
                contestant_files=["model.py", "task.py"],
            ),
            "statement.md": _STATEMENT.format(name=name, title=title, source=fenced(text)),
            "model.py": text,
            "task.py": _TASK,
            "reference.py": _reference(case),
            "starter/with_torch.py": _STARTER.format(name=name),
            "examples/wrong_zeros.py": _ZEROS,
        },
        tuple(notes),
    )


def _parsed(source: bytes, file: str) -> tuple[ast.Module, str]:
    try:
        text = source.decode()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text), text
    except UnicodeDecodeError:
        raise DefinitionErrors(
            [Flaw(file=file, reason="is not UTF-8 text", remedy="Save it as UTF-8")]
        ) from None
    except SyntaxError as error:
        flaw = Flaw(
            file=file,
            line=error.lineno or 0,
            reason=f"does not parse: {error.msg}",
            remedy="Fix the syntax",
        )
        raise DefinitionErrors([flaw]) from None
    except (ValueError, RecursionError, MemoryError) as error:
        flaw = Flaw(file=file, reason=f"does not parse: {error}", remedy="Simplify it")
        raise DefinitionErrors([flaw]) from None


def _demand(tree: ast.Module, file: str) -> None:
    """Raises DefinitionErrors for what a task must define and this one does not."""
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    flaws = [
        Flaw(file=file, path=name, reason="is not defined", remedy=f"Define {name}() in it")
        for name in DRAWS
        if name not in functions
    ]
    model = classes.get("Model")
    if model is None:
        flaws.append(
            Flaw(
                file=file, path="Model", reason="is not defined", remedy="Define class Model in it"
            )
        )
    elif not any(
        isinstance(node, ast.FunctionDef) and node.name == "forward" for node in model.body
    ):
        flaws.append(
            Flaw(
                file=file,
                line=model.lineno,
                path="Model",
                reason="has no method forward",
                remedy="Define forward in the class itself",
            )
        )
    if flaws:
        raise DefinitionErrors(flaws)


def _constants(tree: ast.Module, text: str) -> Case:
    """The plain values at the top of the file that inputs are made from.

    One that a class or another function reads as well stays what it is: the answer to an input is
    worked out without knowing which case the input is of.
    """
    used: set[str] = set()
    fixed: set[str] = set()
    for table in symtable.symtable(text, "model.py", "exec").get_children():
        (used if table.get_name() in DRAWS else fixed).update(_globals_of(table))
    assigned = [
        (node.targets[0].id, node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    ]
    for name, value in reversed(assigned):  # who reads a name reads what it was made from
        read = {part.id for part in ast.walk(value) if isinstance(part, ast.Name)}
        used |= read if name in used else set()
        fixed |= read if name in fixed else set()
    names = used - fixed - set(GIVEN_BY_JUDGE)
    values = ((name, _plain(value)) for name, value in assigned if name in names)
    return {name: value for name, value in values if value is not None}


def _globals_of(table: symtable.SymbolTable) -> set[str]:
    own = {
        symbol.get_name()
        for symbol in table.get_symbols()
        if symbol.is_referenced() and symbol.is_global()
    }
    return own.union(*(_globals_of(inner) for inner in table.get_children()))


def _plain(value: ast.expr) -> Any:
    """A number, a truth value, a text, a flat list of these, or None; ``16 * 1024`` is a number."""
    if isinstance(value, ast.List | ast.Tuple):
        entries = [_plain(entry) for entry in value.elts]
        flat = entries and not any(entry is None or isinstance(entry, list) for entry in entries)
        return entries if flat else None
    if isinstance(value, ast.Constant):
        return value.value if isinstance(value.value, bool | int | float | str) else None
    try:
        number = expression.parse(ast.unparse(value)).evaluate({})
    except ExpressionError:
        return None
    divides = any(isinstance(part, ast.Div) for part in ast.walk(value))
    broken = any(isinstance(part, ast.Constant) and isinstance(part.value, float)
                 for part in ast.walk(value))  # fmt: skip
    return number if divides or broken or number != int(number) else int(number)


def _about(tree: ast.Module) -> str:
    """The first sentence of what the class says of itself."""
    model = next(
        node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Model"
    )
    said = (ast.get_docstring(model) or "").strip()
    return said.split("\n\n")[0].split(". ")[0]


def _reference(case: Case) -> str:
    names = "".join(f", {name}" for name in case)
    given = ", ".join(f"{name}={name}" for name in case)
    return _REFERENCE.replace("@NAMES@", names).replace("@GIVEN@", given)


_REFERENCE = '''\
"""Inputs, weights and the right answer. Runs in the judge only."""

from __future__ import annotations

import ast
import copy
import functools
from pathlib import Path

import torch
from model import Model
from task import device_of

OUTPUTS = 0


def generate_input(*, seed, device@NAMES@):
    """(inputs of forward, parameters and buffers by name, arguments of the constructor)."""
    task = _with_constants(dict(@GIVEN@))
    torch.manual_seed(seed)  # the task draws from the global generators
    with torch.device(device):
        arguments = tuple(task["get_init_inputs"]())
        model = task["Model"](*arguments)
        inputs = tuple(task["get_inputs"]())
    tensors = dict(model.named_parameters()) | dict(model.named_buffers())
    return inputs, {name: tensor.detach() for name, tensor in tensors.items()}, arguments


def reference(data):
    inputs, weights, arguments = copy.deepcopy(data)
    torch.backends.cudnn.allow_tf32 = False
    with torch.no_grad(), torch.device(device_of(data)):
        answer = torch.func.functional_call(Model(*arguments), weights, inputs)
    return tuple(answer) if isinstance(answer, list) else answer


@functools.lru_cache(maxsize=1)
def _tree():
    return ast.parse(Path(__file__).with_name("model.py").read_text())


def _with_constants(constants):
    """What model.py defines when the constants at its top have other values."""
    tree = copy.deepcopy(_tree())
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name in constants:
                value = constants[name]
                written = tuple(value) if isinstance(node.value, ast.Tuple) else value
                node.value = ast.parse(repr(written), mode="eval").body
    defined = {"__name__": "model"}
    exec(compile(ast.fix_missing_locations(tree), "model.py", "exec"), defined)
    return defined
'''

_TASK = '''\
"""The data of this problem, and a module of yours as custom_kernel."""

from __future__ import annotations

import torch

input_t = tuple[tuple, dict[str, torch.Tensor], tuple]
"""(inputs of Model.forward, its parameters and buffers by name, arguments of its constructor)"""

output_t = torch.Tensor | tuple[torch.Tensor, ...]
"""What Model.forward returns"""


def device_of(data: input_t) -> torch.device:
    inputs, weights, _ = data
    tensors = (entry for entry in (*inputs, *weights.values()) if isinstance(entry, torch.Tensor))
    return next(tensors).device


def kernel_of(kind: type[torch.nn.Module]):
    """custom_kernel of a class with Model's constructor and forward, and weights of the same names."""
    made: dict[str, torch.nn.Module] = {}

    def custom_kernel(data: input_t) -> output_t:
        inputs, weights, arguments = data
        if (key := repr(arguments)) not in made:
            with torch.device(device_of(data)):
                made[key] = kind(*arguments)
        with torch.no_grad():
            return torch.func.functional_call(made[key], weights, inputs)

    return custom_kernel
'''

_STARTER = """\
#!kernelbot leaderboard {name}
from model import Model
from task import kernel_of

# A class of your own with the same constructor and forward (often called ModelNew) will do; so does
# a plain function custom_kernel(data), which saves the time that putting weights in place takes.
custom_kernel = kernel_of(Model)
"""

_ZEROS = '''\
# expect: wrong_answer
"""Nothing computed: zeros of the right form."""

import torch
from model import Model
from task import kernel_of

compute = kernel_of(Model)


def custom_kernel(data):
    return torch.utils._pytree.tree_map(torch.zeros_like, compute(data))
'''

_STATEMENT = """\
# {title}

Make this module faster:

{source}

## What to write

```python
from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    inputs, weights, arguments = data
    ...
```

| entry | content |
|---|---|
| `inputs` | what `Model.forward` takes, made by `get_inputs()` anew for every call |
| `weights` | parameters and buffers of the module by name, drawn anew for every call |
| `arguments` | what the constructor was given |
| returned | what `Model.forward` returns |

A class with the constructor and `forward` of `Model`, its weights under the same names, becomes a submission by one line:

```python
from task import kernel_of

custom_kernel = kernel_of(ModelNew)
```

## How it is judged

The answer is compared with that of `Model` in fp32, element by element, on inputs and weights that nobody has seen before, in tests and in
every timed call. The score is the geometric mean of the times. Lower is better.

## Submit

```
kernelbot submit my_kernel.py --leaderboard {name} --mode test
```
"""
