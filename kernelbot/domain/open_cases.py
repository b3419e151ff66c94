"""Cases with open arguments.

Hidden ones, that ranked runs alone are checked on, are told to nobody and drawn anew for every run: an argument
is a value, ``{"from": 1, "to": 5000, "step": 1}`` or ``{"choose": [...]}``. In tests and benchmarks an entry stands
for all combinations of what is open in it: ``{"from": ...}`` or ``{"each": [...]}``.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

COUNT = "count"
"""Beside the arguments of a hidden case: how many cases are made of it."""
RANGE_KEYS = ("from", "to", "step")
CHOICE_KEY, EACH_KEY = "choose", "each"
MAX_OPTIONS = 50


@dataclass(frozen=True, kw_only=True)
class HiddenCase:
    """``count`` cases; each draws for itself what is left open in the arguments."""

    arguments: dict[str, Any]
    count: int = 1


def drawn(cases: Iterable[HiddenCase], source: random.Random) -> tuple[dict[str, Any], ...]:
    """The cases of one run."""
    return tuple(
        {name: _drawn(said, source) for name, said in case.arguments.items()}
        for case in cases
        for _ in range(case.count)
    )


def covering(cases: Iterable[HiddenCase]) -> tuple[dict[str, Any], ...]:
    """Cases that have each end of each range and each option, for trying a problem out."""
    return tuple(
        {name: options[at % len(options)] for name, options in ends.items()}
        for case in cases
        for ends in [{name: _ends(said) for name, said in case.arguments.items()}]
        for at in range(max(map(len, ends.values()), default=1))
    )


def every(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The cases that an entry of tests or benchmarks stands for, the last open argument changing first."""
    for values in itertools.product(*map(_options, entry.values())):
        yield dict(zip(entry, values, strict=True))


def combinations(entry: dict[str, Any]) -> int:
    """How many :func:`every` gives, without making them."""
    return math.prod(len(_options(said)) for said in entry.values())


def _drawn(said: Any, source: random.Random) -> Any:
    return source.choice(_options(said)) if isinstance(said, dict) else said


def _ends(said: Any) -> Sequence[Any]:
    options = _options(said)
    return [options[0], options[-1]] if isinstance(options, range) else options


def _options(said: Any) -> Sequence[Any]:
    """What an argument may be."""
    if not isinstance(said, dict):
        return [said]
    for key in (CHOICE_KEY, EACH_KEY):
        if key in said:
            options: Sequence[Any] = said[key]
            return options
    return range(said["from"], said["to"] + 1, said["step"])
