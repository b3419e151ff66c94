"""What every imported problem consists of."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kernelbot.domain.problem import NAME, Case

MAX_TESTS = 8
MAX_BENCHMARKS = 16
"""Every benchmark is measured in every ranked run; collections list up to hundreds of workloads."""


@dataclass(frozen=True)
class Imported:
    """A problem's files by their paths in its folder, and what its author should know."""

    name: str
    files: Mapping[str, str]
    notes: tuple[str, ...] = ()


def name_of(given: str) -> str:
    """The nearest name that a problem can have; "" when nothing of it is left."""
    plain = re.sub(r"[^a-z0-9_-]+", "-", given.lower()).strip("-_")[:63]
    return plain if NAME.fullmatch(plain) else ""


def chosen(cases: Sequence[Case], sizes: Sequence[int]) -> tuple[list[Case], list[Case]]:
    """Tests and benchmarks out of all cases there are, ``sizes`` being how large each is.

    Tests are the smallest, the first of them twice: an answer kept from it is wrong the second time.
    Benchmarks are spread evenly from the smallest to the largest.
    """
    order = [cases[at] for at in sorted(range(len(cases)), key=lambda at: sizes[at])]
    distinct = [case for at, case in enumerate(order) if case not in order[:at]]
    tests = [distinct[0], *distinct[: MAX_TESTS - 1]]
    count = min(len(distinct), MAX_BENCHMARKS)
    steps = max(count - 1, 1)
    return tests, [distinct[at * (len(distinct) - 1) // steps] for at in range(count)]


def problem_yaml(
    *,
    name: str,
    title: str,
    summary: str,
    tests: Sequence[Case],
    benchmarks: Sequence[Case],
    tolerances: Sequence[Mapping[str, float]],
    contestant_files: Sequence[str],
) -> str:
    """The definition. JSON is YAML, so values are written as JSON."""

    def listed(cases: Sequence[Case]) -> str:
        return "\n".join(f"  - {json.dumps(case)}" for case in cases)

    tolerance: Any = tolerances[0] if len(tolerances) == 1 else tolerances
    return f"""\
name: {name}
title: {json.dumps(one_line(title, 100))}
summary: {json.dumps(one_line(summary, 300))}
languages: [python]

tests:
{listed(tests)}

benchmarks:
{listed(benchmarks)}

tolerance: {json.dumps(tolerance)}

limits: {{build: 300, check: 120, measure: 180, memory: 24 GiB}}
scoring: geom

contestant_files: {json.dumps(list(contestant_files))}
starters:
  torch: starter/with_torch.py
tags: [imported]
"""


def one_line(text: str, limit: int) -> str:
    """Text in one line without control characters, cut at ``limit`` characters."""
    plain = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"


def fenced(source: str) -> str:
    """Python in Markdown, behind a fence that nothing in it can close."""
    longest = max((len(run) for run in re.findall(r"`+", source)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}python\n{source.rstrip()}\n{fence}"
