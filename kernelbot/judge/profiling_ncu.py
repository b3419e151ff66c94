"""NVIDIA's Nsight Compute: the command, and what its raw page says about each kernel.

``ncu`` replays every kernel of the range some forty times, with the memory it writes saved and put
back between passes, the caches flushed before each and the clocks left alone: other runs on the
machine must not see them move. It needs no rights where the driver lets everybody read counters.
"""

from __future__ import annotations

import csv
import io
import math
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from kernelbot.judge.profiling import MAX_KERNELS, RANGE, SHOWN_STALLS, Kernel, Report

PLACES = ("/usr/local/cuda/bin/ncu", "/opt/nvidia/nsight-compute/ncu")
REPORT = "profile.ncu-rep"
SECTIONS = (
    "SpeedOfLight",
    "SpeedOfLight_RooflineChart",
    "SpeedOfLight_HierarchicalTensorRooflineChart",
    "ComputeWorkloadAnalysis",
    "MemoryWorkloadAnalysis",
    "MemoryWorkloadAnalysis_Chart",
    "MemoryWorkloadAnalysis_Tables",
    "SchedulerStats",
    "WarpStateStats",
    "InstructionStats",
    "LaunchStats",
    "Occupancy",
    "SourceCounters",
)
DRIVER_PARAMETERS = Path("/proc/driver/nvidia/params")
NOT_PERMITTED = (
    "the driver lets only administrators read performance counters (ERR_NVGPUCTRPERM). Whoever runs "
    "this machine can allow it: options nvidia NVreg_RestrictProfilingToAdminUsers=0 in "
    "/etc/modprobe.d, then reload the driver"
)
STALL = re.compile(r"smsp__average_warps_issue_stalled_(\w+)_per_issue_active\.ratio")
STALLS = {
    "long_scoreboard": "waiting for global or local memory",
    "short_scoreboard": "waiting for shared memory or special functions",
    "barrier": "waiting at a barrier",
    "gmma": "waiting for tensor cores",
    "tma": "waiting for a bulk copy",
    "math_pipe_throttle": "arithmetic pipe busy",
    "mio_throttle": "shared-memory queue full",
    "lg_throttle": "global-memory queue full",
    "tex_throttle": "texture queue full",
    "drain": "writing results out at the end",
    "membar": "waiting at a memory fence",
    "wait": "fixed latency between instructions",
    "not_selected": "ready, another warp was issued",
    "selected": "issuing",
    "no_instruction": "fetching instructions",
    "branch_resolving": "resolving branches",
    "imc_miss": "waiting for constants",
    "dispatch_stall": "dispatcher busy",
    "sleeping": "sleeping",
    "misc": "other",
}
LIMITS = {
    "launch__occupancy_limit_registers": "registers",
    "launch__occupancy_limit_shared_mem": "shared memory",
    "launch__occupancy_limit_warps": "the block's size",
    "launch__occupancy_limit_blocks": "blocks a multiprocessor takes",
    "launch__occupancy_limit_barriers": "barriers",
}
TENSOR = re.compile(
    r"sm__ops_path_tensor_op_\w+?_src_(\w+?)(?:_dst_\w+?)?_sparsity_off\.sum\.per_second"
)
TENSOR_OVERALL = re.compile(r"sm__ops_path_tensor_src_(\w+?)(?:_dst_\w+)?\.sum\.per_second")
VECTOR = {"fp32": "f", "fp64": "d", "fp16": "h"}
PER_SECOND = ".sum.per_second"


class NsightCompute:
    """``ncu``, where it is installed and may read the counters."""

    name = "Nsight Compute"
    reports: tuple[Report, ...] = (Report(REPORT, "profile.ncu-rep", "application/octet-stream"),)
    tables: tuple[str, ...] = ()

    def __init__(self, program: str | None = None) -> None:
        self._program = program if program is not None else _found()

    def missing(self) -> str:
        if not self._program:
            return "ncu is not installed on this machine"
        return NOT_PERMITTED if _only_for_administrators() else ""

    def command(self, folder: Path, line: list[str]) -> list[str]:
        sections = [word for name in SECTIONS for word in ("--section", name)]
        return [
            self._program, "--nvtx", "--nvtx-include", f"{RANGE}/", "--nvtx-include", RANGE,
            "--target-processes", "all", "--launch-count", str(MAX_KERNELS),
            "--clock-control", "none", "--cache-control", "all", "--import-source", "yes",
            *sections, "--export", str(folder / REPORT), *line,
        ]  # fmt: skip

    def export(self, folder: Path) -> list[str]:
        return [
            self._program, "--import", str(folder / REPORT),
            "--csv", "--page", "raw", "--print-units", "base",
        ]  # fmt: skip

    def kernels(self, texts: Sequence[str]) -> list[Kernel]:
        return [_kernel(row) for text in texts for row in _rows(text)]

    def trouble(self, output: str) -> str:
        if "ERR_NVGPUCTRPERM" in output:
            return NOT_PERMITTED
        errors = [line for line in output.splitlines() if line.startswith("==ERROR==")]
        if errors:
            return errors[0].removeprefix("==ERROR==").strip()[:300]
        if "No kernels were profiled" in output:
            return "the call started no kernel on the device"
        return ""


def _found() -> str:
    places = [shutil.which("ncu") or "", *PLACES]
    return next((place for place in places if place and os.access(place, os.X_OK)), "")


def _only_for_administrators() -> bool:
    """What the driver says; a submission never runs with an administrator's rights."""
    try:
        text = DRIVER_PARAMETERS.read_text()
    except OSError:
        return False
    found = re.search(r"^RmProfilingAdminOnly: (\d+)", text, re.MULTILINE)
    return found is not None and found.group(1) != "0"


def _rows(text: str) -> list[dict[str, str]]:
    """Rows of the raw page by column; the line below the names holds the units."""
    start = text.find('"ID"')
    lines = list(csv.reader(io.StringIO(text[start:]))) if start >= 0 else []
    if len(lines) < 2 or "Kernel Name" not in lines[0]:
        raise ValueError("this is no raw page of Nsight Compute")
    return [
        dict(zip(lines[0], row, strict=False)) for row in lines[2:] if len(row) == len(lines[0])
    ]


def _number(row: Mapping[str, str], name: str) -> float:
    try:
        return float(row[name].replace(",", ""))
    except (KeyError, ValueError):
        return math.nan


def _whole(row: Mapping[str, str], name: str) -> int:
    value = _number(row, name)
    return int(value) if math.isfinite(value) else 0


def _kernel(row: Mapping[str, str]) -> Kernel:
    flops, flops_pct, flops_of = _arithmetic(row)
    return Kernel(
        name=row["Kernel Name"],
        ns=_number(row, "gpu__time_duration.sum"),
        grid=row.get("Grid Size", ""),
        block=row.get("Block Size", ""),
        compute_pct=_number(row, "sm__throughput.avg.pct_of_peak_sustained_elapsed"),
        memory_pct=_number(row, "gpu__compute_memory_throughput.avg.pct_of_peak_sustained_elapsed"),
        dram_pct=_number(row, "gpu__dram_throughput.avg.pct_of_peak_sustained_elapsed"),
        dram_bytes_s=_number(row, "dram__bytes.sum.per_second"),
        dram_peak_bytes_s=_number(row, "dram__bytes.sum.peak_sustained")
        * _number(row, "dram__cycles_elapsed.avg.per_second"),
        flops=flops,
        flops_pct=flops_pct,
        flops_of=flops_of,
        occupancy_pct=_number(row, "sm__warps_active.avg.pct_of_peak_sustained_active"),
        occupancy_limit_pct=_number(row, "sm__maximum_warps_per_active_cycle_pct"),
        limiter=_limiter(row),
        blocks=_whole(row, "launch__grid_size"),
        processors=_whole(row, "launch__sm_count"),
        waves=_number(row, "launch__waves_per_multiprocessor"),
        l1_hit_pct=_number(row, "l1tex__t_sector_hit_rate.pct"),
        l2_hit_pct=_number(row, "lts__t_sector_hit_rate.pct"),
        registers=_whole(row, "launch__registers_per_thread"),
        shared_bytes=_whole(row, "launch__shared_mem_per_block"),
        stalls=_stalls(row),
    )


def _arithmetic(row: Mapping[str, str]) -> tuple[float, float, str]:
    """FLOP a second, share of the peak and where: whichever kind of unit did most."""
    found = [(0.0, math.nan, "")]
    for pattern in (TENSOR, TENSOR_OVERALL):
        for name in row:
            if match := pattern.fullmatch(name):
                share = name.removesuffix(PER_SECOND) + ".sum.pct_of_peak_sustained_elapsed"
                kind = f"{match.group(1)} on tensor cores"
                found.append((_number(row, name), _number(row, share), kind))
        if found[-1][2] and max(found)[0] > 0:
            break  # the first pattern's peak is the dense one, the other's counts sparsity in
    found += [_vector(row, kind, letter) for kind, letter in VECTOR.items()]
    return max((item for item in found if not math.isnan(item[0])), key=lambda item: item[0])


def _vector(row: Mapping[str, str], kind: str, letter: str) -> tuple[float, float, str]:
    each = "smsp__sass_thread_inst_executed_op_{}{}_pred_on.sum.per_cycle_elapsed"
    weights = {"add": 1, "mul": 1, "fma": 2}
    counts = [weight * _number(row, each.format(letter, op)) for op, weight in weights.items()]
    cycle = sum(counts)
    peak = 2 * _number(
        row, f"sm__sass_thread_inst_executed_op_{letter}fma_pred_on.sum.peak_sustained"
    )
    rate = cycle * _number(row, "smsp__cycles_elapsed.avg.per_second")
    return rate, 100 * cycle / peak if peak > 0 else math.nan, kind


def _limiter(row: Mapping[str, str]) -> str:
    """What keeps more blocks off a multiprocessor; nothing where all its warps are taken."""
    limits = {name: _number(row, name) for name in LIMITS}
    known = {name: value for name, value in limits.items() if not math.isnan(value)}
    if not known or _number(row, "sm__maximum_warps_per_active_cycle_pct") >= 100:
        return ""
    least = min(known.values())
    return " and ".join(LIMITS[name] for name, value in known.items() if value == least)


def _stalls(row: Mapping[str, str]) -> tuple[tuple[str, float], ...]:
    values = {
        match.group(1): _number(row, name) for name in row if (match := STALL.fullmatch(name))
    }
    total = sum(value for value in values.values() if value > 0)
    if not total:
        return ()
    top = sorted(values, key=lambda name: -values[name])[:SHOWN_STALLS]
    return tuple((STALLS.get(name, name), values[name] / total) for name in top if values[name] > 0)
