"""AMD's rocprofv3: the command, and what its tables of kernels and ranges say.

Written from AMD's documentation of ROCprofiler-SDK (ROCm 6.3 to 7.1) and not yet seen on AMD
hardware. Only times and launches are read: counters would need a run of their own for each group,
and what bounds a kernel is not told without them.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from kernelbot.judge.profiling import MAX_KERNELS, RANGE, Kernel, Report

PLACE = "/opt/rocm/bin/rocprofv3"
NAME = "profile"
KERNELS, MARKERS = f"{NAME}_kernel_trace.csv", f"{NAME}_marker_api_trace.csv"


class RocProf:
    """``rocprofv3``, where it is installed."""

    name = "rocprofv3"
    reports: tuple[Report, ...] = (
        Report(f"{NAME}_results.pftrace", "profile.pftrace", "application/octet-stream"),
        Report(KERNELS, "kernels.csv", "text/csv"),
    )
    tables: tuple[str, ...] = (KERNELS, MARKERS)

    def __init__(self, program: str | None = None) -> None:
        self._program = program if program is not None else _found()

    def missing(self) -> str:
        return "" if self._program else "rocprofv3 is not installed on this machine"

    def command(self, folder: Path, line: list[str]) -> list[str]:
        return [
            self._program, "--hip-trace", "--kernel-trace", "--memory-copy-trace", "--marker-trace",
            "--output-format", "csv", "pftrace", "--output-directory", str(folder),
            "--output-file", NAME, "--", *line,
        ]  # fmt: skip

    def export(self, folder: Path) -> list[str]:
        return []

    def kernels(self, texts: Sequence[str]) -> list[Kernel]:
        """Kernels that began within the range; all of the process where no range was recorded."""
        rows = _rows(texts[0], "kernel_name")
        spans = _spans(texts[1] if len(texts) > 1 else "")
        inside = [row for row in rows if not spans or _within(row, spans)]
        return [_kernel(row) for row in inside[:MAX_KERNELS]]

    def trouble(self, output: str) -> str:
        errors = [
            line.strip() for line in output.splitlines() if "rocprofv3: error" in line.lower()
        ]
        return errors[0][:300] if errors else ""


def _found() -> str:
    places = [shutil.which("rocprofv3") or "", PLACE]
    return next((place for place in places if place and os.access(place, os.X_OK)), "")


def _rows(text: str, needed: str) -> list[dict[str, str]]:
    """Rows by column in small letters: their case has changed between versions."""
    lines = list(csv.reader(io.StringIO(text)))
    names = [name.strip().lower() for name in lines[0]] if lines else []
    if needed not in names:
        raise ValueError("this is no table of rocprofv3")
    return [dict(zip(names, row, strict=False)) for row in lines[1:] if len(row) == len(names)]


def _spans(text: str) -> list[tuple[int, int]]:
    if not text.strip():
        return []
    return [
        (_whole(row, "start_timestamp"), _whole(row, "end_timestamp"))
        for row in _rows(text, "function")
        if row["function"].strip('"') == RANGE
    ]


def _within(row: Mapping[str, str], spans: Sequence[tuple[int, int]]) -> bool:
    began = _whole(row, "start_timestamp")
    return any(start <= began <= end for start, end in spans)


def _whole(row: Mapping[str, str], name: str) -> int:
    try:
        return int(row[name])
    except (KeyError, ValueError):
        return 0


def _kernel(row: Mapping[str, str]) -> Kernel:
    return Kernel(
        name=row["kernel_name"].strip('"'),
        ns=float(max(0, _whole(row, "end_timestamp") - _whole(row, "start_timestamp"))),
        grid=_size(row, "grid_size"),
        block=_size(row, "workgroup_size"),
        registers=_whole(row, "vgpr_count"),
        shared_bytes=_whole(row, "lds_block_size"),
    )


def _size(row: Mapping[str, str], name: str) -> str:
    return f"({', '.join(str(_whole(row, f'{name}_{axis}')) for axis in 'xyz')})"
