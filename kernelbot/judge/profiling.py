"""Where the time of a call goes: what a profiler must do, and its findings in plain words.

One tool is a class with a command line and a parser; which one is used is up to the machine. A tool
that is missing, refused or fails costs nothing but its own findings: torch's profiler, which runs
inside the contestant, has been asked before.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

RANGE = "custom_kernel"
"""The range around the one call that is profiled (NVTX, roctx), the same as everywhere in the field."""
MAX_KERNELS = 24
"""Launches that are looked at: each is run some 40 times over to read all counters."""
BUSY_PCT = 60.0
"""Of what the device can do. Below that in both arithmetic and memory, latency is what a kernel waits
for: the rule of Nsight Compute's own "Speed Of Light" section."""
SHORT_NS = 5_000.0
"""A kernel as short as this costs about as much to launch as to run."""
SHOWN_STALLS = 3
TOLD = 6
"""Kernels that get a paragraph of their own, the longest."""
HEADINGS = ("#", "kernel", "launches", "time", "share", "bound", "compute", "memory", "occupancy")


@dataclass(frozen=True)
class Report:
    """A file that a tool wrote into the work folder, and what it is called afterwards."""

    path: str  # its name in the tool's folder
    name: str
    media_type: str


class Profiler(Protocol):
    """A tool that runs the contestant's process under itself."""

    name: str
    reports: tuple[Report, ...]
    tables: tuple[str, ...]
    """Files in its folder that hold what was found, where no command is needed to print it."""

    def missing(self) -> str:
        """Why it cannot be used on this machine; empty when nothing is known against it."""
        ...

    def command(self, folder: Path, line: list[str]) -> list[str]:
        """``line`` as it is run under the tool, which writes into ``folder``."""
        ...

    def export(self, folder: Path) -> list[str]:
        """The command that prints what was found as text; empty where ``tables`` are written."""
        ...

    def kernels(self, texts: Sequence[str]) -> list[Kernel]:
        """What the text or the tables say. Raises ValueError for what is none of them."""
        ...

    def trouble(self, output: str) -> str:
        """What the tool complained about while it ran, with what helps; empty when nothing."""
        ...


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """One launch. What a tool does not tell is NaN or 0 or empty."""

    name: str
    ns: float
    grid: str = ""
    block: str = ""
    compute_pct: float = math.nan  # of the device's peak, over the kernel's time
    memory_pct: float = math.nan  # the busiest part of the memory system
    dram_pct: float = math.nan
    dram_bytes_s: float = math.nan
    dram_peak_bytes_s: float = math.nan
    flops: float = math.nan  # a second
    flops_pct: float = math.nan
    flops_of: str = ""  # "fp32", "fp16 tensor cores" ...
    occupancy_pct: float = math.nan  # warps resident, of those that fit a multiprocessor
    occupancy_limit_pct: float = math.nan  # what registers, shared memory and block size allow
    limiter: str = ""
    blocks: int = 0
    processors: int = 0  # multiprocessors of the device
    waves: float = math.nan
    l1_hit_pct: float = math.nan
    l2_hit_pct: float = math.nan
    registers: int = 0
    shared_bytes: int = 0
    stalls: tuple[tuple[str, float], ...] = field(default=())  # reason, share of the warps' time


def bound(kernel: Kernel) -> str:
    """What holds the kernel back: memory, compute, launch, latency; empty when nothing tells."""
    if math.isnan(kernel.compute_pct) or math.isnan(kernel.memory_pct):
        return "launch" if kernel.ns < SHORT_NS else ""
    if max(kernel.compute_pct, kernel.memory_pct) >= BUSY_PCT:
        return "memory" if kernel.memory_pct >= kernel.compute_pct else "compute"
    return "launch" if kernel.ns < SHORT_NS else "latency"


def words(kernel: Kernel) -> str:
    """Why it is said to be bound that way, in a sentence."""
    busy = (
        f"compute at {kernel.compute_pct:.0f} % and memory at {kernel.memory_pct:.0f} % of the peak"
    )
    kind = bound(kernel)
    if kind == "memory":
        return f"memory-bound: {busy}{_which_memory(kernel)}"
    if kind == "compute":
        return f"compute-bound: {busy}"
    if kind == "latency":
        return f"latency-bound: {busy}, both below {BUSY_PCT:.0f} %{_few_blocks(kernel)}"
    if kind == "launch":
        return f"launch-bound: {_time(kernel.ns)} is about what a launch costs{_few_blocks(kernel)}"
    return "not told: this profiler reads no counters"


def _which_memory(kernel: Kernel) -> str:
    """The caches may be the busy part; then fewer bytes from device memory would not help."""
    if kernel.dram_pct < 0.8 * kernel.memory_pct:
        return f" (caches and shared memory; device memory itself is at {kernel.dram_pct:.0f} %)"
    return " (device memory)"


def _few_blocks(kernel: Kernel) -> str:
    if 0 < kernel.blocks < kernel.processors:
        return (
            f"; its grid of {kernel.blocks} leaves some of {kernel.processors} multiprocessors idle"
        )
    return ""


def summary(kernels: Sequence[Kernel], call_ns: float = math.nan) -> str:
    """The table, the longest first, and a paragraph for each kernel that matters.

    Launches of one kernel with one grid are told together, by the longest of them.
    """
    if not kernels:
        return "No kernel ran on the device during the call."
    total = sum(kernel.ns for kernel in kernels)
    alike: dict[tuple[str, str, str], list[Kernel]] = {}
    for kernel in kernels:
        alike.setdefault((kernel.name, kernel.grid, kernel.block), []).append(kernel)
    groups = sorted(alike.values(), key=lambda group: -sum(kernel.ns for kernel in group))
    rows: list[tuple[str, ...]] = [HEADINGS]
    rows += [_row(at, group, total) for at, group in enumerate(groups, start=1)]
    told = [_paragraph(at, group) for at, group in enumerate(groups[:TOLD], start=1)]
    return "\n\n".join((_aligned(rows), _whole(kernels, total, call_ns), *told))


def _longest(group: Sequence[Kernel]) -> Kernel:
    return max(group, key=lambda kernel: kernel.ns)


def _row(number: int, group: Sequence[Kernel], total: float) -> tuple[str, ...]:
    kernel, ns = _longest(group), sum(item.ns for item in group)
    return (
        str(number),
        _short(kernel.name),
        str(len(group)),
        _time(ns),
        f"{100 * ns / total:.0f} %" if total else "",
        bound(kernel) or "?",
        _pct(kernel.compute_pct),
        _pct(kernel.memory_pct),
        _pct(kernel.occupancy_pct),
    )


def _whole(kernels: Sequence[Kernel], total: float, call_ns: float) -> str:
    text = f"{len(kernels)} kernel{'s' if len(kernels) > 1 else ''}, {_time(total)} on the device"
    if len(kernels) >= MAX_KERNELS:
        text += f"; only the first {MAX_KERNELS} launches were looked at"
    elif call_ns > 0 and total < 0.6 * call_ns:
        text += (
            f" of the {_time(call_ns)} that the call takes: as a whole it is launch-bound. Fewer, "
            "larger kernels or a CUDA graph would help more than a faster kernel"
        )
    return text + "."


def _paragraph(number: int, group: Sequence[Kernel]) -> str:
    kernel = _longest(group)
    lines = [f"#{number} {_short(kernel.name, 100)}", f"  {words(kernel)}"]
    if kernel.dram_bytes_s >= 0:
        peak = (
            f" of {_rate(kernel.dram_peak_bytes_s, 'B/s')}" if kernel.dram_peak_bytes_s > 0 else ""
        )
        lines.append(
            f"  device memory: {_rate(kernel.dram_bytes_s, 'B/s')}{peak} ({_pct(kernel.dram_pct)})"
        )
    if kernel.flops > 0:
        share = f" ({_pct(kernel.flops_pct)} of their peak)" if kernel.flops_pct > 0 else ""
        lines.append(f"  arithmetic: {_rate(kernel.flops, 'FLOP/s')} in {kernel.flops_of}{share}")
    if kernel.occupancy_pct >= 0:
        lines.append(f"  occupancy: {_pct(kernel.occupancy_pct)}{_possible(kernel)}")
    if kernel.stalls:
        told = ", ".join(f"{reason} {100 * share:.0f} %" for reason, share in kernel.stalls)
        lines.append(f"  warps spend their time on: {told}")
    if kernel.l2_hit_pct >= 0:
        lines.append(
            f"  caches: L1 {_pct(kernel.l1_hit_pct)}, L2 {_pct(kernel.l2_hit_pct)} of accesses hit"
        )
    if kernel.grid:
        lines.append(
            f"  launch: grid {kernel.grid}, block {kernel.block}, {kernel.registers} registers, "
            f"{kernel.shared_bytes:,} B shared memory a block{_waves(kernel)}"
        )
    return "\n".join(lines)


def _possible(kernel: Kernel) -> str:
    if not kernel.occupancy_limit_pct > 0:
        return ""
    limiter = f", limited by {kernel.limiter}" if kernel.limiter else ""
    return f" of the warps that fit; {_pct(kernel.occupancy_limit_pct)} are possible{limiter}"


def _waves(kernel: Kernel) -> str:
    return f", {kernel.waves:.2f} waves" if kernel.waves >= 0 else ""


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if at in (1, 5) else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _short(name: str, characters: int = 44) -> str:
    """A kernel's name without its template arguments' thicket, and without signs of no shape."""
    shown = "".join(sign if sign.isprintable() else "?" for sign in name)
    if len(shown) > characters:
        shown = shown.removeprefix("void ")
        for nameless in ("<unnamed>::", "(anonymous namespace)::"):
            shown = shown.replace(nameless, "")
        shown = re.split(r"[<(]", shown, maxsplit=1)[0] or shown
    return shown if len(shown) <= characters else shown[: characters - 3] + "..."


def _time(ns: float) -> str:
    for factor, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "us")):
        if ns >= factor:
            return (
                f"{ns / factor:.3g} {unit}" if ns < 1000 * factor else f"{ns / factor:.0f} {unit}"
            )
    return f"{ns:.0f} ns"


def _rate(value: float, unit: str) -> str:
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if value >= factor:
            return f"{value / factor:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"


def _pct(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.0f} %"
