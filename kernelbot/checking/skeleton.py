"""The files that a new problem begins with: small, complete, and fit to be published as they are."""

from __future__ import annotations

from kernelbot.domain.problem import NAME, NAME_WORDS
from kernelbot.errors import InvalidInput

RESERVED = ("competitions",)


def files(name: str) -> dict[str, str]:
    """Paths in the folder and their texts. Raises InvalidInput for a name no problem can have."""
    if not NAME.fullmatch(name) or name in RESERVED:
        raise InvalidInput(
            f"{name!r} cannot be the name of a problem. Use {NAME_WORDS}.", code="bad_name"
        )
    title = name.replace("-", " ").replace("_", " ").capitalize()
    return {
        path: text.replace("@NAME@", name).replace("@TITLE@", title)
        for path, text in _FILES.items()
    }


_PROBLEM = """\
name: @NAME@
title: @TITLE@
summary: Scale each row of a matrix to length one. (Say here in a sentence what yours is about.)
languages: [python]

# What correctness is checked on: sizes that no block divides, the smallest, every branch.
tests:
  - {rows: 1, columns: 257}
  - {rows: 64, columns: 1000}
  - {rows: 64, columns: 1000} # again, with other data: an answer kept from the first is wrong here
  - {rows: 300, columns: 129}
  - {rows: 300, columns: 129, values: outliers} # the same with a few values that are 64 times as large

# What is timed: a few sizes that people run.
benchmarks:
  - {rows: 1024, columns: 4096}
  - {rows: 8192, columns: 8192}

# |got - expected| <= atol + rtol * |expected|, for every element.
tolerance: {rtol: 1.0e-5, atol: 1.0e-7}

limits: {build: 300, check: 60, measure: 120, memory: 16 GiB}
scoring: geom

# The least that a case takes, from which the speed of light of every GPU follows: bytes from memory,
# bytes to memory, operations by type. Each input once, each output once.
speed_of_light:
  reads: 4 * rows * columns
  writes: 4 * rows * columns
  flops: {fp32: 3 * rows * columns}

# What a processor does instead: full sizes do not fit a laptop.
cpu:
  benchmarks:
    - {rows: 128, columns: 512}
    - {rows: 256, columns: 1024}
  limits: {build: 60, check: 30, measure: 30}

contestant_files: [task.py]
starters:
  torch: starter/with_torch.py
tags: [reduction]
"""

_REFERENCE = '''\
"""@TITLE@: inputs and the expected output. Runs in the judge only."""

from __future__ import annotations

import torch

OUTPUTS = 1  # the last entry of data is the output buffer


def generate_input(
    *, seed: int, device: str, rows: int, columns: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """x of N(0, 1) values and an output buffer, both fp32 [rows, columns].

    Draw everything from a generator made of the seed: the judge calls this for every timed call.
    """
    source = torch.Generator(device=device).manual_seed(seed)
    x = torch.randn((rows, columns), generator=source, device=device)
    return x, torch.empty_like(x)


def reference(data: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """The right answer, more precise than what is asked for. Leaves the input as it is."""
    x = data[0].double()
    return (x / x.norm(dim=1, keepdim=True)).float()
'''

_TASK = '''\
"""Types of the data a submission gets and gives."""

from __future__ import annotations

import torch

input_t = tuple[torch.Tensor, torch.Tensor]
"""(x, out): fp32 [rows, columns], and a buffer of the same shape to be filled."""

output_t = torch.Tensor
"""fp32 [rows, columns]"""
'''

_STATEMENT = """\
# @TITLE@

Scale each row of a matrix to Euclidean length one: `out[i, j] = x[i, j] / sqrt(sum over k of x[i, k]^2)`.

## What to write

A Python file with

```python
from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, out = data
    ...
    return out
```

| entry | type | shape | content |
|---|---|---|---|
| `x` | fp32, contiguous | `[rows, columns]` | N(0, 1) values, new in every call |
| `out` | fp32, contiguous | `[rows, columns]` | a buffer for the result; what is in it before the call means nothing |
| returned | fp32 | `[rows, columns]` | `out`, or a tensor of your own |

## How it is judged

- **Correct** means `|out - expected| <= 1e-7 + 1e-5 * |expected|` for every element, where `expected` is computed in fp64.
- Each timed call gets inputs nobody has seen before, and its output is checked as well.
- The score is the geometric mean of the times. Lower is better.

## How fast can it be

Each element is read once and written once, 8 bytes in all: the memory is the limit.

## Submit

```
kernelbot submit my_kernel.py --leaderboard @NAME@ --gpu CPU --mode test
```
"""

_STARTER = """\
#!kernelbot leaderboard @NAME@
import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, out = data
    return torch.div(x, x.norm(dim=1, keepdim=True), out=out)
"""

_SLOW = '''\
# expect: passed
"""Correct, and slow: one row after the other."""

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, out = data
    for row in range(x.shape[0]):
        out[row] = x[row] / x[row].norm()
    return out
'''

_WRONG = '''\
# expect: wrong_answer
"""Divides by the sum of the absolute values: another length."""

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, out = data
    out.copy_(x / x.abs().sum(dim=1, keepdim=True))
    return out
'''

_CHEAT = '''\
# expect: wrong_answer
"""Takes every other element for the whole row: right on average only."""

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, out = data
    length = (2 * x[:, ::2].square().sum(dim=1, keepdim=True)).sqrt()
    out.copy_(x / length)
    return out
'''

_FILES = {
    "problem.yaml": _PROBLEM,
    "statement.md": _STATEMENT,
    "reference.py": _REFERENCE,
    "task.py": _TASK,
    "starter/with_torch.py": _STARTER,
    "examples/correct_slow.py": _SLOW,
    "examples/wrong_length.py": _WRONG,
    "examples/cheat_half_the_row.py": _CHEAT,
}
