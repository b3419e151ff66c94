"""The problem's side of a case: inputs from a secret seed, the expected output, the check.

Runs in the referee only; reference.py is the organizer's code and trusted, but its failures are
ours, never the contestant's.
"""

from __future__ import annotations

import importlib.util
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from kernelbot.judge.compare import compare
from kernelbot.judge.protocol import Tolerance


class ProblemFault(Exception):
    """The problem's own code failed or broke its contract: an operator must look at it."""


@dataclass(frozen=True)
class Case:
    """One fresh input with its truth."""

    data: tuple[Any, ...]
    expected: Any  # a tensor or a tuple of tensors

    @property
    def answers(self) -> list[Any]:
        return list(self.expected) if isinstance(self.expected, tuple | list) else [self.expected]


class Problem:
    """A loaded reference.py."""

    def __init__(self, directory: Path, device: str, tolerances: tuple[Tolerance, ...]) -> None:
        self._module = _load(directory)
        self._device = device
        self._tolerances = tolerances
        self.outputs = int(getattr(self._module, "OUTPUTS", 0))
        for name in ("generate_input", "reference"):
            if not callable(getattr(self._module, name, None)):
                raise ProblemFault(f"reference.py defines no function {name}")

    def fresh(self, args: Mapping[str, Any]) -> Case:
        """An input that nobody could know before, and what the right answer to it is."""
        import torch

        seed = secrets.randbits(31)
        try:
            data = self._module.generate_input(seed=seed, device=self._device, **args)
            expected = self._module.reference(data)
        except Exception as error:
            raise ProblemFault(f"reference.py failed for {dict(args)}: {error!r}") from error
        if not isinstance(data, tuple | list) or len(data) < self.outputs:
            raise ProblemFault(f"generate_input returned a {type(data).__name__}, not a tuple")
        case = Case(tuple(data), expected)
        if not all(isinstance(answer, torch.Tensor) for answer in case.answers):
            raise ProblemFault("reference returned something else than tensors")
        return case

    def verdict(self, case: Case, got: list[Any]) -> tuple[str, str]:
        """What is wrong with the output, for the contestant and for a secret run; "" if right."""
        placed = [mine.to(truth.device) for mine, truth in zip(got, case.answers, strict=True)]
        check = getattr(self._module, "check", None)
        if check is not None:
            return self._by_check(check, case, placed)
        try:
            found = compare(placed, case.answers, self._tolerances)
        except ValueError as error:
            raise ProblemFault(
                f"the problem's tolerances do not fit its outputs: {error}"
            ) from error
        return (found.message(), found.secret_message()) if found else ("", "")

    def _by_check(self, check: Any, case: Case, got: list[Any]) -> tuple[str, str]:
        output = tuple(got) if isinstance(case.expected, tuple | list) else got[0]
        try:
            complaint = check(case.data, output)
        except Exception as error:
            raise ProblemFault(f"check() of reference.py failed: {error!r}") from error
        return (str(complaint), "the problem's check refuses the output") if complaint else ("", "")


def _load(directory: Path) -> ModuleType:
    path = directory / "reference.py"
    sys.path.insert(0, str(directory))
    spec = importlib.util.spec_from_file_location("reference", path)
    if spec is None or spec.loader is None:
        raise ProblemFault("reference.py cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules["reference"] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ProblemFault(f"reference.py cannot be imported: {error!r}") from error
    return module
