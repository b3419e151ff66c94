"""A template of the judge with scripted programs in the place of a vendor's profiler: ``DESCRIPTOR --device KIND``.

What a run's program does is in ``script.json`` of its directory, in a shell's words: ``$FOLDER`` is where
reports go, ``"$@"`` is the program to be run under it. There is one program for each item of its list; what is
found by the first comes where it does always, what by the others after it, behind ``NEXT``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from kernelbot.judge import __main__ as judge
from kernelbot.judge import profiling_run, warm
from kernelbot.judge.artefacts import Shelf
from kernelbot.judge.profiling import Profiler
from kernelbot.judge.profiling_ncu import NsightCompute
from kernelbot.judge.profiling_run import Stand

SCRIPT = "script.json"
NEXT = "\n--- another tool ---\n"
PROFILE = profiling_run.profile


class Scripted(NsightCompute):
    """Nsight Compute's words and parser around another program."""

    def __init__(self, around: str, export: str, why_missing: str = "") -> None:
        super().__init__("scripted")
        self._around = around
        self._export = export
        self._why_missing = why_missing

    def missing(self) -> str:
        return self._why_missing

    def command(self, folder: Path, line: list[str]) -> list[str]:
        return ["sh", "-c", f"FOLDER={folder}\n{self._around}", "tool", *line]

    def export(self, folder: Path) -> list[str]:
        return ["sh", "-c", f"FOLDER={folder}\n{self._export}"]


def judge_task(task: warm.Task, nursery: warm.Nursery) -> None:
    scripts = json.loads((task.directory / SCRIPT).read_text())
    first, *others = [Scripted(**script) for script in scripts]

    def profile(stand: Stand, tool: Profiler | None, shelf: Shelf, call_ns: float) -> str:
        found = [PROFILE(stand, tool, shelf, call_ns)]
        found += [profiling_run._counted(stand, other, shelf, call_ns) for other in others]
        return NEXT.join(found)

    profiling_run.tool_for = lambda device: first
    profiling_run.profile = profile  # type: ignore[assignment]
    judge.judge_task(task, nursery)


if __name__ == "__main__":
    descriptor, _, device = sys.argv[1:]
    sys.argv[1:] = ["template", descriptor, str(os.getppid()), device]
    warm.main(judge_task)
