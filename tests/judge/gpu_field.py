"""Folders of the field on a GPU: ``python -m tests.judge.gpu_field``. Prints what each came to.

What the CPU cannot show: tensors that stay in host memory among device ones, column-major fp8,
objects with device buffers, outputs in place, and a program of the problem's own with a process pool.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from kernelbot.judge.protocol import Limits, Mode, Verdict, VerdictKind
from tests.judge.bench import a_job, judge

OBJECTS = b"""
import dataclasses
import torch
from torch import nn

@dataclasses.dataclass
class Config:
    weight: torch.Tensor
    dtype: torch.dtype

class Cache(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.register_buffer("data", torch.zeros(size, 64, device="cuda"))
        self.seq_len = 0
    def append(self, row):
        self.data[self.seq_len] = row
        self.seq_len += 1
        return self.data

def generate_input(size, seed):
    gen = torch.Generator("cuda").manual_seed(seed)
    cache = Cache(size)
    cache.append(torch.randn(64, generator=gen, device="cuda"))
    raw = torch.randn(64, 64, generator=gen, device="cuda")
    scale = torch.rand(64) + 1
    a = raw.to(torch.float8_e4m3fn).t()
    return Config(torch.randn(64, 64, generator=gen, device="cuda"), torch.float32), a, scale, cache

def ref_kernel(data):
    config, a, scale, cache = data
    row = (cache.data[0] @ config.weight) @ (a.float() * scale.cuda())
    return row, cache.append(row)

def check_implementation(data, output):
    good = all(torch.allclose(a, b, rtol=1e-3, atol=1e-2) for a, b in zip(output, ref_kernel(data)))
    return good, "" if good else "row or cache differ"
"""
USES_OBJECTS = """
import torch
from reference import Cache
def custom_kernel(data):
    config, a, scale, cache = data
    assert isinstance(cache, Cache) and cache.seq_len == 1 and cache.data.is_cuda
    assert a.stride() == (1, 64) and a.dtype is torch.float8_e4m3fn and not scale.is_cuda
    row = (cache.data[0] @ config.weight) @ (a.float() * scale.cuda())
    return row, cache.append(row)
"""
ADD = b"""
import torch
def generate_input(size, seed):
    gen = torch.Generator("cuda").manual_seed(seed)
    a, b = (torch.randn(size, size, device="cuda", dtype=torch.float16, generator=gen) for _ in "ab")
    return a, b, torch.empty(size, size, device="cuda", dtype=torch.float16)
def ref_kernel(data):
    a, b, out = data
    out[...] = a + b
    return out
def check_implementation(data, output):
    good = torch.allclose(output, ref_kernel(data))
    return good, "" if good else "sums differ"
"""
ADDS = (
    "import torch\ndef custom_kernel(data):\n    return torch.add(data[0], data[1], out=data[2])\n"
)
PROGRAM = b"""
import multiprocessing, os, sys
import torch
from reference import check_implementation, generate_input

def case(line):
    return {k.strip(): int(v) for k, v in (part.split(":") for part in line.split(";"))}

def run(args, repeats):
    from submission import custom_kernel
    data = generate_input(**args)
    times = []
    for _ in range(repeats):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        output = custom_kernel(data)
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end) * 1e6)
    return check_implementation(data, output)[0], sum(times) / len(times)

def main():
    fd = int(os.environ["POPCORN_FD"])
    os.set_inheritable(fd, False)
    out = os.fdopen(fd, "w")
    mode, lines = sys.argv[1], open(sys.argv[2]).read().splitlines()
    kind = "test" if mode == "test" else "benchmark"
    print(f"{kind}-count: {len(lines)}", file=out, flush=True)
    passed = True
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for at, line in enumerate(lines):
            good, mean = pool.apply(run, (case(line), 1 if kind == "test" else 50))
            passed = passed and good
            if kind == "test":
                print(f"test.{at}.status: {'pass' if good else 'fail'}", file=out, flush=True)
            else:
                print(f"benchmark.{at}.mean: {mean}", file=out, flush=True)
    print(f"check: {'pass' if passed else 'fail'}", file=out, flush=True)
    return 0 if passed else 112

if __name__ == "__main__":
    sys.exit(main())
"""
LIMITS = Limits(build_s=60, check_s=60, measure_s=60)


def run(what: str, expected: VerdictKind, reference: bytes, source: str, **changes: Any) -> Verdict:
    files = {"reference.py": reference, "eval.py": PROGRAM}
    cases = ({"size": 128, "seed": 1},)
    defaults: dict[str, Any] = {
        "style": "check", "device": "cuda", "limits": LIMITS, "tests": cases, "benchmarks": cases,
        "contestant_files": tuple(files),
    }  # fmt: skip
    job = a_job(changes.pop("mode", Mode.TEST), **(defaults | changes))
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        done = judge(Path(folder), source, dataclasses.replace(job), files, timeout_s=180)
    verdict = done.verdict
    right = "ok " if verdict.kind is expected else "BAD"
    times = " ".join(f"{found.ns / 1e3:.1f}us" for found in verdict.measurements)
    fence = verdict.harness.isolation
    print(f"{right} {what}: {verdict.kind} {times} [{fence}, {verdict.harness.evidence}] "
          f"{time.monotonic() - began:.1f} s")  # fmt: skip
    if verdict.kind is not expected:
        print(done.explanation[-3000:])
    return verdict


def comparison() -> None:
    import torch

    from kernelbot.judge.compare import compare
    from kernelbot.judge.protocol import Tolerance

    truth = torch.randn(16384, 16384, device="cuda", dtype=torch.float16)
    close = truth * 1.001
    for what, got in (("equal", truth.clone()), ("close", close), ("wrong", close + 1)):
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        held, began = torch.cuda.memory_allocated(), time.monotonic()
        found = compare([got], [truth], (Tolerance(rtol=0.01, atol=0.01),))
        spent, peak = time.monotonic() - began, torch.cuda.max_memory_allocated() - held
        print(
            f"compare 16384x16384 fp16, {what}: {spent * 1e3:.0f} ms, {peak >> 20} MiB more; {found and found.message()}"
        )


def main() -> int:
    passed, wrong = VerdictKind.PASSED, VerdictKind.WRONG_ANSWER
    sizes = ({"size": 1024, "seed": 1}, {"size": 4096, "seed": 1})
    run("objects, host tensors, fp8", passed, OBJECTS, USES_OBJECTS, mode=Mode.BENCHMARK)
    run("in place, ranked", passed, ADD, ADDS, mode=Mode.RANKED, benchmarks=sizes)
    run("untouched output", wrong, ADD, "def custom_kernel(data):\n    return data[2]\n")
    own = {"style": "evaluator", "main": "eval.py"}
    run("its own program, ranked", passed, ADD, ADDS, mode=Mode.RANKED, benchmarks=sizes, **own)
    comparison()
    return 0


if __name__ == "__main__":
    sys.exit(main())
