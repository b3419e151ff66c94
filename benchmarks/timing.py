"""How repeatable and how right the judge's times are, beside what others measure.

    python3 -m benchmarks.timing [--quick] [--processes N]      needs a CUDA device and torch

Seven kernels, each measured in fresh processes by this judge (a whole ranked run: isolation, fresh
inputs, every answer compared), by the field's loop of event pairs and by Triton's do_bench. The
truth beside them is the profiler's (CUPTI): from the start of a call's first kernel to the end of its
last, launched into a busy stream behind the same reading flush, and the same as a CUDA graph.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

KERNELS = """
import torch

SIZES = {"add 64M": 1 << 26, "add 64M + 0.75 %": (1 << 26) * 403 // 400 // 8 * 8, "elementwise 1M": 1 << 20,
         "add 1K": 1 << 10, "chain of 16": 1 << 14}

def inputs(kind, device, generator):
    def normal(*shape, dtype=torch.float16):
        return torch.randn(*shape, device=device, generator=generator).to(dtype)
    if kind == "softmax":
        a = normal(8192, 4096, dtype=torch.bfloat16)
        return a, a.new_empty(0), torch.empty_like(a)
    if kind == "GEMM 4096":
        a, b = (normal(4096, 4096, dtype=torch.bfloat16) for _ in range(2))
        return a, b, torch.empty_like(a)
    a = normal(SIZES[kind])
    b = normal(SIZES[kind]) if kind.startswith("add") else a.new_empty(0)
    return a, b, torch.empty_like(a)

def kernel(kind, a, b, out):
    if kind == "softmax":
        torch.ops.aten._softmax.out(a, -1, False, out=out)
    elif kind == "GEMM 4096":
        torch.matmul(a, b, out=out)
    elif kind == "elementwise 1M":
        torch.mul(a, 2.0, out=out)
    elif kind == "chain of 16":
        for at in range(15):
            a = torch.relu(a) if at % 2 else a + 0.5
        torch.add(a, 1.0, out=out)
    else:
        torch.add(a, b, out=out)
    return out
"""
REFERENCE = (
    KERNELS
    + """
OUTPUTS = 1

def generate_input(seed, device, kind):
    generator = torch.Generator(device).manual_seed(seed)
    return (kind, *inputs(kind, device, generator))

def reference(data):
    kind, a, b, out = data
    return kernel(kind, a, b, torch.empty_like(out))
"""
)
SUBMISSION = (
    KERNELS
    + """
def custom_kernel(data):
    return kernel(*data)
"""
)
PAIR = ("add 64M", "add 64M + 0.75 %")
KINDS = (*PAIR, "softmax", "GEMM 4096", "elementwise 1M", "add 1K", "chain of 16")
FIELD_BYTES = 256 << 20


@dataclass
class Method:
    """What one way of measuring gave: microseconds by kernel and process, and what it cost."""

    name: str
    found: dict[str, list[float]]
    wall_s: float = 0.0
    device_s: float = 0.0  # in which the GPU was held
    warnings: tuple[str, ...] = ()


def main() -> int:
    options = _options()
    began = time.monotonic()
    import torch  # before the first fork: every process measured has it already

    truth = _middle([_forked(_truth) for _ in range(options.truths)])
    baselines = [
        _in_processes(name, measure, options.baselines)
        for name, measure in (("event pairs", _field), ("do_bench", _do_bench))
    ]
    ours = _ours(options.processes)
    _print(truth, [ours, *baselines])
    summary = {
        "torch": torch.__version__,
        "processes": options.processes,
        "wall_s": round(time.monotonic() - began, 1),
        "truth_us": truth,
        "methods": {
            method.name: {
                "us": method.found,
                "wall_s": round(method.wall_s, 1),
                "device_s": round(method.device_s, 1),
            }
            for method in (ours, *baselines)
        },
    }
    print(json.dumps(summary))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer processes: about a minute")
    parser.add_argument("--processes", type=int, default=0, help="fresh ones for this judge")
    options = parser.parse_args()
    options.processes = options.processes or (4 if options.quick else 10)
    options.baselines = 3 if options.quick else 8
    options.truths = 1 if options.quick else 3
    return options


# --- this judge ----------------------------------------------------------------------------------


def _ours(processes: int) -> Method:
    """One ranked run of all kernels in this many fresh processes."""
    from kernelbot.judge import guard, staging, timing
    from kernelbot.judge.protocol import Job, Limits, Mode, Tolerance
    from kernelbot.judge.referee import Events, Referee
    from kernelbot.judge.warm import Nursery

    job = Job(
        run_id="timing",
        mode=Mode.RANKED,
        problem="timing",
        problem_digest="",
        tests=({"kind": "add 1K"},),
        benchmarks=tuple({"kind": kind} for kind in KINDS),
        tolerances=(Tolerance(rtol=2e-2, atol=2e-2),),
        limits=Limits(build_s=300, check_s=60, measure_s=600),
        device="cuda",
    )
    guard.harden_referee()
    with tempfile.TemporaryDirectory() as folder:
        staging.stage(Path(folder), job, {"reference.py": REFERENCE.encode()}, SUBMISSION.encode())
        nursery = Nursery.started()
        began = time.monotonic()
        referee = Referee(Path(folder), job, Events(None), nursery, "")
        referee.plan = replace(timing.CUDA_PLAN, processes=processes)
        verdict = referee.judge()
        wall = time.monotonic() - began
    if not verdict.measurements:
        sys.exit(
            f"{verdict.kind}: {verdict.message}\n{verdict.evidence}{verdict.fault}{verdict.log}"
        )
    found, notes = {}, [f"{verdict.kind} {verdict.evidence}", f"{verdict.harness}"]
    for kind, runs, combined in zip(KINDS, referee.series, verdict.measurements, strict=True):
        gated = verdict.harness.evidence == "outside-clock"
        found[kind] = [one.ns / 1e3 for one in timing.decide(runs, gated=gated)]
        outside = statistics.median(run.by_outside().ns for run in runs) / 1e3
        device = statistics.median(run.by_device().ns for run in runs if run.has_claims) / 1e3
        notes.append(
            f"{kind}: {combined.ns / 1e3:.3f} us [{combined.low_ns / 1e3:.3f}, "
            f"{combined.high_ns / 1e3:.3f}] by the {combined.clock} clock, {combined.samples} calls; "
            f"outside {outside:.2f}, device {device:.2f} us; {combined.sm_mhz:.0f} MHz, {combined.watts:.0f} W"
            + "".join(f"; {warning}" for warning in combined.warnings)
        )
    return Method("this judge", found, wall, verdict.spent.device_s, tuple(notes))


# --- the others ----------------------------------------------------------------------------------


def _in_processes(name: str, measure: Callable[[], Any], count: int) -> Method:
    began = time.monotonic()
    runs = [_forked(functools.partial(_holding, measure)) for _ in range(count)]
    found = {kind: [run[kind] for run, _ in runs] for kind in KINDS}
    return Method(name, found, time.monotonic() - began, sum(held_s for _, held_s in runs))


def _holding(measure: Callable[[], Any]) -> tuple[Any, float]:
    """What a function returns, and the seconds from before a context is made until then."""
    import torch

    began = time.monotonic()
    torch.zeros(1, device="cuda")
    return measure(), time.monotonic() - began


def _forked(measure: Callable[[], Any]) -> Any:
    """What a function returns in a process of its own, which has torch but no CUDA context yet."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            os.close(reader)
            with os.fdopen(writer, "w") as file:
                file.write(json.dumps(measure()))
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as file:
        text = file.read()
    os.waitpid(pid, 0)
    return json.loads(text)


def _calls() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Each kernel with inputs of its own."""
    import torch

    space: dict[str, Any] = {}
    exec(KERNELS, space)
    generator = torch.Generator("cuda").manual_seed(1)
    for kind in KINDS:
        data = space["inputs"](kind, "cuda", generator)
        yield kind, functools.partial(space["kernel"], kind, *data)


def _field() -> dict[str, float]:
    """Mean of event pairs behind a writing flush, until its standard error is below 0.1 %."""
    import torch

    found = {}
    for kind, call in _calls():
        for _ in range(5):
            call()
        times: list[float] = []
        while len(times) < 100:
            flush = torch.empty(FIELD_BYTES // 8, dtype=torch.int64, device="cuda").fill_(42)
            del flush
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            torch.cuda.synchronize()
            start.record()
            call()
            end.record()
            torch.cuda.synchronize()
            times.append(start.elapsed_time(end) * 1e3)
            if len(times) >= 3:
                error = statistics.stdev(times) / math.sqrt(len(times))
                if error < 0.001 * statistics.fmean(times):
                    break
        found[kind] = statistics.fmean(times)
    return found


def _do_bench() -> dict[str, float]:
    from triton.testing import do_bench

    return {kind: do_bench(call) * 1e3 for kind, call in _calls()}


# --- the truth -----------------------------------------------------------------------------------


def _truth() -> dict[str, dict[str, float]]:
    """What the profiler says of each kernel: in a stream, its kernels alone, and as a graph."""
    import torch

    flush = _reading_flush()
    found: dict[str, dict[str, float]] = {}
    for kind, call in _calls():
        call()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            call()
        stream, alone = _profiled(call, flush)
        found[kind] = {
            "stream": stream,
            "kernels": alone,
            "graph": _profiled(graph.replay, flush)[0],
        }
    return found


def _middle(runs: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """The median of each figure over processes."""
    return {
        kind: {name: statistics.median(run[kind][name] for run in runs) for name in runs[0][kind]}
        for kind in KINDS
    }


def _reading_flush() -> Callable[[], None]:
    import ctypes

    import torch

    from kernelbot.judge.inside.driver import L2_CACHE_SIZE, MULTIPROCESSORS, Driver

    torch.zeros(1, device="cuda")
    driver = Driver()
    kernels = driver.kernels()
    memory = torch.zeros(2 * driver.attribute(L2_CACHE_SIZE), dtype=torch.uint8, device="cuda")
    sink = torch.zeros(1, dtype=torch.int32, device="cuda")
    blocks = 2 * driver.attribute(MULTIPROCESSORS)
    arguments = (
        ctypes.c_void_p(memory.data_ptr()),
        ctypes.c_uint64(memory.numel() // 16),
        ctypes.c_void_p(sink.data_ptr()),
    )

    def flush() -> None:
        kernels.launch("sweep", torch.cuda.current_stream().cuda_stream, arguments, blocks, 1024)

    flush.memory = (memory, sink)  # type: ignore[attr-defined]  # alive as long as the function
    return flush


def _profiled(
    call: Callable[[], Any], flush: Callable[[], None], calls: int = 40
) -> tuple[float, float]:
    """Microseconds from the first kernel's start to the last one's end, and of the kernels alone."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    for _ in range(3):
        call()
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        for _ in range(calls):
            flush()
            torch.cuda._sleep(1_000_000)  # half a millisecond, in which everything is enqueued
            call()
            torch.cuda.synchronize()
    groups: list[list[tuple[int, int]]] = []
    for event in sorted(
        profiler.profiler.kineto_results.events(), key=lambda event: event.start_ns()
    ):
        name = event.name()
        if not str(event.device_type()).endswith("CUDA") or not event.duration_ns():
            continue
        if name == "sweep":
            groups.append([])
        elif groups and "spin_kernel" not in name and "Synchronize" not in name:
            groups[-1].append((event.start_ns(), event.duration_ns()))
    groups = [group for group in groups if group]
    spans = [group[-1][0] + group[-1][1] - group[0][0] for group in groups]
    sums = [sum(duration for _, duration in group) for group in groups]
    return statistics.median(spans) / 1e3, statistics.median(sums) / 1e3


# --- the table -----------------------------------------------------------------------------------


def _print(truth: dict[str, dict[str, float]], methods: list[Method]) -> None:
    print(f"{'kernel':18} {'CUPTI us':>9} {'kernels':>8} {'graph':>8} ", end="")
    print(" ".join(f"| {method.name + ': us, CV, bias':34}" for method in methods))
    for kind in KINDS:
        true = truth[kind]
        line = f"{kind:18} {true['stream']:9.2f} {true['kernels']:8.2f} {true['graph']:8.2f} "
        for method in methods:
            values = method.found[kind]
            middle = statistics.median(values)
            variation = statistics.stdev(values) / statistics.fmean(values)
            bias = middle / true["stream"] - 1
            line += f"| {middle:10.3f} {100 * variation:8.2f} % {100 * bias:+9.1f} %   "
        print(line)
    print(
        "chance that the pair comes out in the right order, and seconds for each kernel and process:"
    )
    for method in methods:
        first, second = (method.found[kind] for kind in PAIR)
        right = statistics.fmean(float(a < b) for a in first for b in second)
        count = sum(map(len, method.found.values()))
        print(
            f"  {method.name:12} {right:.2f}   {method.wall_s / count:.2f} s, {method.wall_s:.1f} s in all; "
            f"GPU held for {method.device_s / count:.2f} s, {method.device_s:.1f} s in all"
        )
    results = {kind: _as_ranked(us) for kind, us in methods[0].found.items()}
    print("  results of ranked runs, by drawing from these processes, each kernel for itself:")
    for kind, us in results.items():
        print(f"    {kind:18} CV {100 * statistics.stdev(us) / statistics.fmean(us):.2f} %")
    first, second = (results[kind] for kind in PAIR)
    right = statistics.fmean(float(a < b) for a, b in zip(first, second, strict=True))
    print(f"    the pair comes out in the right order: {right:.2f}")
    for method in methods:
        for note in method.warnings:
            print(f"  {method.name}: {note}")


def _as_ranked(us: list[float], draws: int = 2000) -> list[float]:
    """Times of ranked runs: of three processes, or of up to five where they differ among themselves."""
    from kernelbot.judge.protocol import Measurement
    from kernelbot.judge.timing import CUDA_PLAN, combine

    def one(time_us: float) -> Measurement:
        ns = 1e3 * time_us
        return Measurement(
            ns=ns, low_ns=ns, high_ns=ns, stderr_ns=0.0, best_ns=ns, worst_ns=ns, samples=1,
            clock="device",
        )  # fmt: skip

    chance = random.Random(1)
    found = []
    for _ in range(draws):
        drawn = [one(chance.choice(us)) for _ in range(CUDA_PLAN.processes)]
        (result,) = combine([drawn])
        while (
            result.stderr_ns > CUDA_PLAN.unsure * result.ns
            and len(drawn) < CUDA_PLAN.most_processes
        ):
            drawn.append(one(chance.choice(us)))
            (result,) = combine([drawn])
        found.append(result.ns / 1e3)
    return found


if __name__ == "__main__":
    sys.exit(main())
