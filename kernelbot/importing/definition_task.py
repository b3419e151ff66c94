"""Tasks written as data: ``definition.json`` with a PyTorch ``run``, and workloads, one a line.

The form of FlashInfer-Bench and SOL-ExecBench. Axes that vary and scalars become arguments of the
cases, each workload a case, outputs the buffers that a submission fills. The reference is kept as it
is, in a file of its own.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from kernelbot.domain.definition import DefinitionErrors, Flaw, shorten
from kernelbot.domain.problem_file import MAX_STATEMENT
from kernelbot.importing.definition import TOLERANCES, Allowance, Definition, Tensor, read
from kernelbot.importing.folder import Imported, chosen, fenced, name_of, problem_yaml


def imported(definition: bytes, workloads: bytes, *, name: str, file: str, lines: str) -> Imported:
    """The problem that a definition and its workloads make; ``name`` wins over the definition's own.

    ``file`` and ``lines`` are what the two are called in messages. Raises DefinitionErrors.
    """
    found, cases = read(definition, workloads, file=file, lines=lines)
    if not (name := name or name_of(found.name)):
        reason = f"nothing of {shorten(found.name)!r} can be the name of a problem"
        raise DefinitionErrors([Flaw(file=file, path="name", reason=reason, remedy="Give --name")])
    tests, benchmarks = chosen(cases, [found.elements(case) for case in cases])
    tolerances, notes = _tolerances(found)
    if found.unread:
        notes.append(f"Not checked: {'; '.join(map(shorten, found.unread))}.")
    if len(benchmarks) < len(cases):
        notes.append(f"{len(benchmarks)} of {len(cases)} workloads are benchmarks, spread by size.")
    return Imported(
        name,
        {
            "problem.yaml": problem_yaml(
                name=name,
                title=found.name,
                summary=found.description or f"The kernel {found.name}.",
                tests=tests,
                benchmarks=benchmarks,
                tolerances=tolerances,
                contestant_files=["definition.py", "task.py"],
            ),
            "statement.md": _statement(name, found),
            "definition.py": found.reference.rstrip() + "\n",
            "task.py": _task(found),
            "reference.py": _reference(found),
            "starter/with_torch.py": _starter(name, found),
            "examples/wrong_zeros.py": _zeros(found),
        },
        tuple(notes),
    )


def _tolerances(found: Definition) -> tuple[list[dict[str, float]], list[str]]:
    """Of each output, and what its author should know of them."""
    by_type = [
        TOLERANCES.get(tensor.dtype, {"rtol": 0, "atol": 0}) for tensor in found.outputs.values()
    ]
    allowed = sorted(found.allowances, key=repr)
    notes = []
    if found.unused:
        notes.append(f"Not used of the workloads' tolerances: {', '.join(sorted(found.unused))}.")
    if len(allowed) > 1:
        told = ", ".join(_allowed_words(item) for item in allowed[:4])
        more = f" and {len(allowed) - 4} more" if len(allowed) > 4 else ""
        notes.append(
            f"The workloads have tolerances that differ ({told}{more}), and a problem has one: each output has that "
            "of its type. Narrow or widen it by what the check says."
        )
        return by_type, notes
    (own,) = allowed
    said = {"rtol": own.rtol, "atol": own.atol}
    given = {key: value for key, value in said.items() if value is not None}
    if own.share < 1:
        notes.append(
            f"The workloads ask for {own.share:.6g} of the elements to be within tolerance; here every one must be. "
            "Widen it if right answers are refused."
        )
    if not given:
        notes.append(
            "Tolerances follow from each output's type alone: narrow or widen them by what the check says."
        )
        return by_type, notes
    notes.append(
        f"The tolerance is that of the workloads ({_allowed_words(own)}); whole numbers and truth values are compared exactly."
    )
    tensors = found.outputs.values()
    return [
        {**base, **given} if tensor.dtype in TOLERANCES else base
        for tensor, base in zip(tensors, by_type, strict=True)
    ], notes


def _allowed_words(item: Allowance) -> str:
    said = [("rtol", item.rtol), ("atol", item.atol)]
    return " ".join(f"{key} {value:g}" for key, value in said if value is not None) or "none"


def _shape_text(shape: Sequence[str]) -> str:
    return f"({', '.join(shape)}{',' if len(shape) == 1 else ''})"


def _lines_of_axes(found: Definition) -> list[str]:
    lines = [f"{name} = {value}" for name, value in found.constants.items()]
    for name, formula in found.derived.items():
        text = ast.unparse(ast.parse(formula.text, mode="eval"))  # one line, without comments
        lines.append(f"{name} = int({text})")
    return lines


def _reference(found: Definition) -> str:
    scalars = [
        name
        for name, tensor in found.inputs.items()
        if tensor.shape is None and name not in found.drawn
    ]
    arguments = "".join(f", {name}" for name in (*found.variables, *scalars))
    body = _lines_of_axes(found)
    if found.entry:
        named = ", ".join(
            f'"{name}": {name}'
            for name in (*found.constants, *found.variables, *found.derived, *scalars)
        )
        body += [
            "torch.manual_seed(seed)  # the task draws from the global generators",
            f"given = definition.{found.entry}({{{named}}}, torch.device(device))",
            f"inputs = tuple(given[name] for name in {tuple(found.inputs)!r})",
        ]
    else:
        body.append("source = torch.Generator(device=device).manual_seed(seed)")
        for name, tensor in found.inputs.items():
            if tensor.shape is not None:
                shape = _shape_text(tensor.shape)
                body.append(f"{name} = drawn({shape}, torch.{tensor.dtype}, source)")
            elif name in found.drawn:
                body.append(f"{name} = drawn((), torch.{tensor.dtype}, source).item()")
        body.append(f"inputs = ({', '.join(found.inputs)},)")
    for name, tensor in found.outputs.items():
        shape = _shape_text(tensor.shape or ())
        body.append(f"{name} = torch.empty({shape}, dtype=torch.{tensor.dtype}, device=device)")
    lines = "\n    ".join([*body, f"return (*inputs, {', '.join(found.outputs)})"])
    return (
        _REFERENCE.replace("@OUTPUTS@", str(len(found.outputs)))
        .replace("@ARGUMENTS@", arguments)
        .replace("@DRAWN@", "" if found.entry else _DRAWN)
        .replace("@BODY@", lines)
    )


_REFERENCE = '''\
"""Inputs and the right answer. Runs in the judge only."""

from __future__ import annotations

import copy

import definition
import torch
from task import in_order

OUTPUTS = @OUTPUTS@


def generate_input(*, seed, device@ARGUMENTS@):
    """The inputs in order, then a buffer for each output."""
    @BODY@


def reference(data):
    inputs = copy.deepcopy(data[: len(data) - OUTPUTS])  # run() may work in place
    torch.backends.cudnn.allow_tf32 = False
    with torch.no_grad():
        answer = definition.run(*inputs)
    buffers = data[len(data) - OUTPUTS :]
    placed = tuple(
        torch.as_tensor(found, dtype=buffer.dtype, device=buffer.device).expand_as(buffer)
        for found, buffer in zip(in_order(answer), buffers, strict=True)
    )
    return placed[0] if OUTPUTS == 1 else placed
@DRAWN@'''

_DRAWN = '''

def drawn(shape, dtype, source):
    """N(0, 1) for floats, cut at 2 for fp8; whole numbers from -1024 (int8: all there are)."""
    device = source.device
    if dtype == torch.bool:
        return torch.randint(0, 2, shape, generator=source, device=device).bool()
    if not dtype.is_floating_point:
        edge = 128 if dtype == torch.int8 else 1024
        return torch.randint(-edge, edge, shape, generator=source, device=device, dtype=dtype)
    values = torch.randn(shape, generator=source, device=device)
    return (values.clamp(-2, 2) if dtype.itemsize == 1 else values).to(dtype)
'''


def _names(tensors: Mapping[str, Tensor]) -> str:
    return ", ".join(tensors)


def _task(found: Definition) -> str:
    def kind(tensor: Tensor) -> str:
        return "float" if tensor.shape is None else "torch.Tensor"

    given = ", ".join(kind(tensor) for tensor in (*found.inputs.values(), *found.outputs.values()))
    count = len(found.outputs)
    returned = "torch.Tensor" if count == 1 else f"tuple[{', '.join(['torch.Tensor'] * count)}]"
    return f'''\
"""Types of the data a submission gets and gives."""

from __future__ import annotations

import torch

input_t = tuple[{given}]
"""({_names(found.inputs)}, {_names(found.outputs)}): the inputs, then a buffer for each output"""

output_t = {returned}
"""{_names(found.outputs)}"""


def in_order(answer):
    """What run() of definition.py returned, an output each: it may name them."""
    if isinstance(answer, dict):
        return tuple(answer[name] for name in {tuple(found.outputs)!r})
    return tuple(answer) if isinstance(answer, tuple | list) else (answer,)
'''


def _starter(name: str, found: Definition) -> str:
    return f"""\
#!kernelbot leaderboard {name}
from definition import run
from task import in_order, input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    {_names(found.inputs)}, {_names(found.outputs)} = data
    answers = in_order(run({_names(found.inputs)}))
    for buffer, answer in zip(data[-{len(found.outputs)}:], answers, strict=True):
        buffer.copy_(answer)
    return {_names(found.outputs)}
"""


def _zeros(found: Definition) -> str:
    returned = "data[-1]" if len(found.outputs) == 1 else f"tuple(data[-{len(found.outputs)}:])"
    return f'''\
# expect: wrong_answer
"""Nothing computed: zeros."""


def custom_kernel(data):
    for buffer in data[-{len(found.outputs)}:]:
        buffer.zero_()
    return {returned}
'''


def _statement(name: str, found: Definition) -> str:
    def row(tensor_name: str, tensor: Tensor, what: str) -> str:
        shape = "a number" if tensor.shape is None else f"`[{', '.join(tensor.shape)}]`"
        return f"| `{tensor_name}` | {tensor.dtype} | {shape} | {what} |"

    rows = [row(key, tensor, "input") for key, tensor in found.inputs.items()]
    rows += [row(key, tensor, "buffer to fill") for key, tensor in found.outputs.items()]
    axes = "\n".join(f"    {line}" for line in _lines_of_axes(found))
    text = _STATEMENT.format(
        name=name,
        title=found.name,
        about=found.description.strip(),
        rows="\n".join(rows),
        axes=f"with\n\n{axes}\n" if axes else "",
        inputs=_names(found.inputs),
        outputs=_names(found.outputs),
        source=fenced(found.reference),
    )
    return text[:MAX_STATEMENT]


_STATEMENT = """\
# {title}

{about}

## What to write

```python
from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    {inputs}, {outputs} = data
    ...
    return {outputs}
```

| entry | type | shape | what it is |
|---|---|---|---|
{rows}

{axes}
## What is right

{source}

Each output is compared with that of `run`, element by element, on inputs that nobody has seen before, in tests and in every timed
call. The score is the geometric mean of the times. Lower is better.

## Submit

```
kernelbot submit my_kernel.py --leaderboard {name} --mode test
```
"""
