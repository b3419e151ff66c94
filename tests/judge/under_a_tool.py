"""The judge with a scripted program in the place of a vendor's profiler: ``DIR JSON``.

The script is a shell's: ``$FOLDER`` is where reports go, ``"$@"`` is the program to be run under it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from kernelbot.judge import __main__, profiling_run
from kernelbot.judge.profiling_ncu import NsightCompute


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


if __name__ == "__main__":
    script = json.loads(sys.argv[2])
    profiling_run.tool_for = lambda device: Scripted(**script)  # type: ignore[assignment]
    sys.exit(__main__.main(["run", sys.argv[1]]))
