"""Judges vectoradd on a GPU in every mode and prints a table of verdicts and times.

Needs torch with CUDA and this tree, nothing else:  python tests/judge/gpu_check.py [--device cpu] [--corpus]
Where there are two, four or eight devices, an all-reduce runs on all of them too:  --only multi

Prints everything that a wrong verdict would need to be understood, and exits 0 only when every
verdict is the expected one.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from kernelbot.judge import staging
from kernelbot.judge.protocol import Job, Limits, Mode, Parameter, Tolerance, Verdict
from tests.judge import corpus

REFERENCE = b"""
import torch
OUTPUTS = 1
def generate_input(*, seed, device, size):
    g = torch.Generator(device=device).manual_seed(seed)
    a = torch.randn(size, size, device=device, dtype=torch.float16, generator=g)
    b = torch.randn(size, size, device=device, dtype=torch.float16, generator=g)
    return a, b, torch.empty_like(a)
def reference(data):
    return data[0] + data[1]
"""

TORCH = """
import torch
def custom_kernel(data):
    a, b, out = data
    return torch.add(a, b, out=out)
"""
TORCH_NEW = """
def custom_kernel(data):
    return data[0] + data[1]
"""
SLOW = """
import torch
def custom_kernel(data):
    a, b, out = data
    for _ in range(8):
        torch.add(a, b, out=out)
    return out
"""
TRITON = """
import torch, triton, triton.language as tl
@triton.jit
def add(a, b, out, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    tl.store(out + at, tl.load(a + at, mask=inside) + tl.load(b + at, mask=inside), mask=inside)
def custom_kernel(data):
    a, b, out = data
    n = a.numel()
    add[(triton.cdiv(n, 4096),)](a, b, out, n, BLOCK=4096)
    return out
"""
INLINE = '''
import torch
from torch.utils.cpp_extension import load_inline
cuda = r"""
#include <cuda_fp16.h>
#include <torch/extension.h>
#include <ATen/cuda/CUDAContext.h>
__global__ void add(const __half2* a, const __half2* b, __half2* out, long n) {
  for (long i = blockIdx.x * (long)blockDim.x + threadIdx.x; i < n; i += (long)gridDim.x * blockDim.x)
    out[i] = __hadd2(a[i], b[i]);
}
__global__ void add_tail(const __half* a, const __half* b, __half* out, long n) {
  if (n & 1) out[n - 1] = __hadd(a[n - 1], b[n - 1]);
}
void run(torch::Tensor a, torch::Tensor b, torch::Tensor out) {
  long n = a.numel();
  auto stream = at::cuda::getCurrentCUDAStream();
  add<<<4096, 256, 0, stream>>>((const __half2*)a.data_ptr(), (const __half2*)b.data_ptr(), (__half2*)out.data_ptr(), n / 2);
  add_tail<<<1, 1, 0, stream>>>((const __half*)a.data_ptr(), (const __half*)b.data_ptr(), (__half*)out.data_ptr(), n);
}
"""
module = load_inline("vectoradd", cpp_sources="#include <torch/extension.h>\\nvoid run(torch::Tensor a, torch::Tensor b, torch::Tensor out);", cuda_sources=cuda, functions=["run"])
def custom_kernel(data):
    module.run(*data)
    return data[2]
'''
COMPILE_ERROR = INLINE.replace("__hadd2(a[i], b[i])", "__hadd2(a[i], missing)")
WRONG = """
def custom_kernel(data):
    a, b, out = data
    out = a + b
    out[-1, -1] += 1
    return out
"""
SMALL_KERNELS = """
import torch
def custom_kernel(data):
    a, b, out = data
    for rows in range(12):
        torch.add(a[rows], b[rows], out=out[rows])
    return torch.add(a, b, out=out)
"""
# Each a kernel of its own, looked up and loaded when it is first called: the pattern that calls with a late input must
# not take for work that was done before the input was there.
MANY_KERNELS = """
import torch
def custom_kernel(data):
    a, b, out = data
    x = torch.stack((a, b)).float()
    x = x.neg().flip(0).roll(1, 1).mul(4).add(1.5).sub(1.5).div(4).transpose(1, 2).contiguous()
    x = x.double().neg().where(x.isfinite(), 0.0).clamp(-100, 100).transpose(1, 2).roll(-1, 1).float()
    y = x.sign().mul(x.abs()).index_select(0, torch.arange(2, device=x.device))
    return torch.sum(y, 0).half().clone()
"""
HOST_SYNC = """
import torch
def custom_kernel(data):
    a, b, out = data
    torch.add(a, b, out=out)
    torch.cuda.synchronize()
    return out
"""
ON_CPU = "def custom_kernel(data):\n    return (data[0] + data[1]).cpu()\n"
ILLEGAL = """
import torch, triton, triton.language as tl
@triton.jit
def poke(a, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK).to(tl.int64) * 1073741824
    tl.store(a + at, tl.zeros((BLOCK,), tl.float16))
def custom_kernel(data):
    poke[(64,)](data[2], BLOCK=1024)
    return data[2]
"""
ENDLESS = """
import torch, triton, triton.language as tl
@triton.jit
def spin(flag):
    while tl.load(flag, volatile=True) == 0:
        pass
flag = torch.zeros(1, dtype=torch.int32, device="cuda")
def custom_kernel(data):
    spin[(1,)](flag)
    return data[2]
"""
# Work on another stream that does not wait for the gate has read an input that was not complete. What begins there when
# the gate is open is counted, not punished: all streams are joined behind the call.
SLEEPS = "        torch.cuda._sleep(200_000_000)\n"
SIDE_STREAM = """
import torch
side = torch.cuda.Stream()
def custom_kernel(data):
    a, b, out = data
    with torch.cuda.stream(side):
        torch.cuda._sleep(200_000_000)
        torch.add(a, b, out=out)
    return out
"""
FAKE_EVENTS = """
import time, torch
torch.cuda.Event.elapsed_time = lambda self, other: 1e-4
def custom_kernel(data):
    a, b, out = data
    for _ in range(8):
        torch.add(a, b, out=out)
    return out
"""
CACHE = """
bank = {}
def custom_kernel(data):
    a, b, out = data
    return bank.setdefault(a.data_ptr(), a + b)
"""
MEMORY = """
import torch
def custom_kernel(data):
    kept = [torch.ones(1 << 33, dtype=torch.uint8, device="cuda") for _ in range(1000)]
    return kept[0]
"""

CUDA = (Path(__file__).parents[2] / "problems/vectoradd/starter/with_cuda.cu").read_text()
LAUNCH = "add_kernel<<<blocks, THREADS, 0, stream>>>(a, b, out, count);"
CUDA_HOPPER = CUDA.replace(
    "    const int64_t first",
    '    asm volatile("wgmma.fence.sync.aligned;");\n    const int64_t first',
    1,
)
CUDA_LIBRARIES = """
#include <cublas_v2.h>
#include <cuda.h>
""" + CUDA.replace(
    "    return 0;",
    """
    static cublasHandle_t handle = nullptr;
    if (handle == nullptr && cublasCreate(&handle) != CUBLAS_STATUS_SUCCESS) return 1;
    CUdevice device;
    return cuCtxGetDevice(&device);""",
)
SPINS = "spin<<<1, 1, 0, side>>>();"
CUDA_SIDE_STREAM = CUDA.replace(
    LAUNCH,
    """
    static cudaStream_t side = nullptr;
    if (side == nullptr) cudaStreamCreateWithFlags(&side, cudaStreamNonBlocking);
    spin<<<1, 1, 0, side>>>();
    add_kernel<<<blocks, THREADS, 0, side>>>(a, b, out, count);""",
).replace(
    "extern",
    "__global__ void spin() { const long long t = clock64(); while (clock64() - t < 200000000) {} }\nextern",
)
CUDA_POKE = CUDA.replace(
    LAUNCH, "add_kernel<<<blocks, THREADS, 0, stream>>>(a, b, out + (1ll << 44), count);"
)
CUDA_ALLOCATES = CUDA.replace(LAUNCH, "void* p; return cudaMalloc(&p, 1ull << 48);")
CPP = 'extern "C" int custom_kernel() { return 0; }\n'

ALL_REDUCE = """
import torch.distributed as dist
def custom_kernel(data):
    x, rank, world_size, out = data
    out.copy_(x)
    dist.all_reduce(out)
    return out
"""
ALL_GATHER = """
import torch, torch.distributed as dist
def custom_kernel(data):
    x, rank, world_size, out = data
    parts = x.new_empty(world_size, x.numel())
    dist.all_gather_into_tensor(parts.view(-1), x)
    return torch.sum(parts, 0, out=out)
"""
SYMMETRIC = """
import torch, torch.distributed as dist
import torch.distributed._symmetric_memory as symmetric
made = {}
def custom_kernel(data):
    x, rank, world_size, out = data
    n = x.numel()
    if n not in made:
        mine = symmetric.empty(n, dtype=x.dtype, device=x.device)
        made[n] = mine, symmetric.rendezvous(mine, dist.group.WORLD)
    mine, shared = made[n]
    mine.copy_(x)
    shared.barrier(channel=0)
    out.copy_(mine)
    for peer in range(world_size):
        if peer != rank:
            out += shared.get_buffer(peer, (n,), x.dtype)
    shared.barrier(channel=1)
    return out
"""
SLOWEST = ALL_REDUCE.replace(
    "    return out",
    "    if rank == world_size - 1:\n        torch.cuda._sleep(2_000_000)\n    return out",
).replace("import", "import torch,", 1)
HOST_BARRIER = ALL_REDUCE.replace("    return out", "    dist.barrier()\n    return out")
ON_RANK_1 = "    if rank == 1: {}\n    dist.all_reduce(out)"
TOGETHER = [
    ("all-reduce", Mode.TEST, ALL_REDUCE, "passed"),
    ("all-reduce", Mode.BENCHMARK, ALL_REDUCE, "passed"),
    ("all-reduce", Mode.RANKED, ALL_REDUCE, "passed"),
    ("all-reduce", Mode.PROFILE, ALL_REDUCE, "passed"),
    ("all-gather", Mode.RANKED, ALL_GATHER, "passed"),
    ("peers' memory", Mode.RANKED, SYMMETRIC, "passed"),
    ("slow last rank", Mode.RANKED, SLOWEST, "passed"),
    ("host barrier", Mode.RANKED, HOST_BARRIER, "passed"),
    ("wrong on one", Mode.TEST, ALL_REDUCE.replace("    return", "    out[3] += rank == 1\n    return"), "wrong_answer"),
    ("raises on one", Mode.TEST, ALL_REDUCE.replace("    dist.all_reduce(out)", ON_RANK_1.format("raise ValueError('no')")), "crashed"),
    ("exits on one", Mode.TEST, ALL_REDUCE.replace("    dist.all_reduce(out)", ON_RANK_1.format("__import__('os')._exit(7)")), "crashed"),
    ("waits in vain", Mode.TEST, ALL_REDUCE.replace("    dist.all_reduce(out)", ON_RANK_1.format("return out")), "timed_out"),
]  # fmt: skip
"""Judged as "multi 2 ...", "multi 4 ..." and "multi 8 ..."."""
MULTI = re.compile(r"multi (\d) (.+)")
AT_LEAST_NS = {
    "slow last rank": 0.9e6,
    "waits on a side stream": 99e6,
    "waits on a side stream.cu": 99e6,
}
ALL_REDUCE_FILES = {
    "reference.py": (Path(__file__).parent / "problems/allreduce/reference.py").read_bytes()
}

NATIVE = (
    Parameter(name="a", what="input", type="float16", entry=0),
    Parameter(name="b", what="input", type="float16", entry=1),
    Parameter(name="out", what="output", type="float16", entry=2),
    Parameter(name="size", what="shape", type="int64", entry=0),
)

SAYS = {  # what the message must contain
    "compile error.cu": 'submission.cu(25): error: identifier "missing" is undefined',
    "another entry.cu": "this problem's entry point is",
    "bad launch.cu": "custom_kernel raised cudaErrorInvalid",
    "illegal access.cu": "illegal memory access",
    "throws.cu": "no such luck",
    "on a GPU.cpp": "C++ needs a processor",
    "wrong on one": "rank 1: 1 of 127 elements are wrong",
    "raises on one": "rank 1: custom_kernel raised ValueError: no",
    "exits on one": "rank 1: The program exited with code 7 during a call",
    "waits in vain": "did not come to an end",
}

RUNS = [
    # name, mode, submission, expected verdict; the name's ending is the file's
    ("right.cu", Mode.TEST, CUDA, "passed"),
    ("right.cu", Mode.RANKED, CUDA, "passed"),
    ("right.cu", Mode.PROFILE, CUDA, "passed"),
    ("Hopper only.cu", Mode.TEST, CUDA_HOPPER, "passed"),
    ("libraries.cu", Mode.TEST, CUDA_LIBRARIES, "passed"),
    ("wrong.cu", Mode.TEST, CUDA.replace("__hadd2", "__hsub2"), "wrong_answer"),
    ("side stream.cu", Mode.TEST, CUDA_SIDE_STREAM.replace(SPINS, ""), "wrong_answer"),
    ("waits on a side stream.cu", Mode.BENCHMARK, CUDA_SIDE_STREAM, "passed"),
    ("compile error.cu", Mode.TEST, CUDA.replace("__hadd(a[at]", "missing(a[at]"), "build_failed"),
    ("another entry.cu", Mode.TEST, CUDA.replace("int64_t size", "int size"), "build_failed"),
    ("bad launch.cu", Mode.TEST, CUDA.replace("blocks, THREADS", "blocks, 4096"), "crashed"),
    ("illegal access.cu", Mode.TEST, CUDA_POKE, "crashed"),
    ("throws.cu", Mode.TEST, "#include <stdexcept>\n" + CUDA.replace(LAUNCH, 'throw std::runtime_error("no such luck");'), "crashed"),
    ("allocates.cu", Mode.TEST, CUDA_ALLOCATES, "out_of_memory"),
    ("on a GPU.cpp", Mode.TEST, CPP, "build_failed"),
    ("torch out=", Mode.TEST, TORCH, "passed"),
    ("torch out=", Mode.BENCHMARK, TORCH, "passed"),
    ("torch out=", Mode.RANKED, TORCH, "passed"),
    ("torch out=", Mode.PROFILE, TORCH, "passed"),
    ("torch new tensor", Mode.BENCHMARK, TORCH_NEW, "passed"),
    ("8 passes", Mode.RANKED, SLOW, "passed"),
    ("host sync", Mode.RANKED, HOST_SYNC, "passed"),
    ("many kernels", Mode.RANKED, MANY_KERNELS, "passed"),
    ("small kernels", Mode.PROFILE, SMALL_KERNELS, "passed"),
    ("triton", Mode.RANKED, TRITON, "passed"),
    ("triton", Mode.PROFILE, TRITON, "passed"),
    ("inline CUDA", Mode.RANKED, INLINE, "passed"),
    ("inline CUDA", Mode.PROFILE, INLINE, "passed"),
    ("fake events", Mode.RANKED, FAKE_EVENTS, "passed"),
    ("wrong element", Mode.TEST, WRONG, "wrong_answer"),
    ("answer on the CPU", Mode.TEST, ON_CPU, "wrong_answer"),
    ("side stream", Mode.BENCHMARK, SIDE_STREAM.replace(SLEEPS, ""), "wrong_answer"),
    ("waits on a side stream", Mode.BENCHMARK, SIDE_STREAM, "passed"),
    ("pointer cache", Mode.BENCHMARK, CACHE, "wrong_answer"),
    ("compile error", Mode.TEST, COMPILE_ERROR, "build_failed"),
    ("illegal access", Mode.TEST, ILLEGAL, "crashed"),
    ("device memory", Mode.TEST, MEMORY, "out_of_memory"),
    ("endless kernel", Mode.TEST, ENDLESS, "timed_out"),
]  # fmt: skip


def posed(name: str, mode: Mode, device: str) -> tuple[Job, dict[str, bytes]]:
    """The job and the problem of a run, by its name."""
    large = 8192 if device == "cuda" else 1024
    limits = Limits(build_s=240, check_s=60, measure_s=120)
    if name.endswith(("endless kernel", "waits in vain")):
        limits = replace(limits, build_s=30, check_s=10)
    job = Job(
        run_id=name,
        mode=mode,
        problem="vectoradd",
        problem_digest="",
        tests=({"size": 127}, {"size": 1024}),
        benchmarks=({"size": 1024}, {"size": large}),
        tolerances=(Tolerance(rtol=1e-3, atol=1e-3),),
        limits=limits,
        device=device,
        submission="submission" + (Path(name).suffix or ".py"),
        native=NATIVE,
    )
    together = MULTI.match(name)
    if together is None:
        return job, {"reference.py": REFERENCE}
    several = replace(
        job,
        problem="allreduce",
        tests=({"n": 127}, {"n": 1 << 20}),
        benchmarks=({"n": 1 << 16}, {"n": large * 2048}),
        tolerances=(Tolerance(rtol=1e-4, atol=1e-4),),
        native=(),
        world_size=int(together[1]),
    )
    return several, ALL_REDUCE_FILES


def together(devices: int) -> list[tuple[str, Mode, str, str]]:
    """The runs on several devices that this many allow."""
    return [
        (f"multi {count} {name}", mode, source, expected)
        for count in (2, 4, 8)
        if count <= devices
        for name, mode, source, expected in TOGETHER
    ]


def judge(
    name: str, mode: Mode, source: str, device: str, keep: Path | None
) -> tuple[Verdict, float, str]:
    """Judge in a real process; the verdict, wall seconds, and what the judge itself printed."""
    job, files = posed(name, mode, device)
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        staging.stage(directory, job, files, source.encode())
        began = time.monotonic()
        tree = str(Path(__file__).resolve().parents[2])
        done = subprocess.run(
            staging.command(directory),
            capture_output=True,
            timeout=500,
            check=False,
            env={**os.environ, "PYTHONPATH": tree},
        )
        wall = time.monotonic() - began
        verdict = staging.read_verdict(directory, name)
        if keep and mode is Mode.PROFILE:
            place = keep / re.sub(r"\W", "-", name)
            shutil.copytree(directory / "artefacts", place, dirs_exist_ok=True)
            (place / "log.txt").write_text(verdict.log)
        return verdict, wall, done.stderr.decode(errors="replace")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda", choices=["cpu", "cuda"])
    parser.add_argument("--only", default="", help="names that contain this")
    parser.add_argument("--without", default="\n", help="names that do not contain this")
    parser.add_argument("--mode", default="", help="this mode only")
    parser.add_argument("--keep", type=Path, help="where logs and files of profiles are copied")
    parser.add_argument(
        "--corpus", action="store_true", help="judge all attacks and honest files on this device"
    )
    parser.add_argument("--workers", type=int, default=4, help="of the corpus, at a time")
    options = parser.parse_args()
    if options.corpus:
        words = options.only.split()
        return corpus.main([*words, "--device", options.device, "--workers", str(options.workers)])
    import torch

    devices = torch.cuda.device_count() if options.device == "cuda" else 2
    failures = 0
    for name, mode, source, expected in RUNS + together(devices):
        if options.only not in name or options.without in name or options.mode not in mode.value:
            continue
        verdict, wall, errors = judge(name, mode, source, options.device, options.keep)
        several = MULTI.match(name)
        what = several[2] if several else name
        good = verdict.kind.value == expected and SAYS.get(what, "") in verdict.message
        good &= all(m.ns >= AT_LEAST_NS.get(what, 0) for m in verdict.measurements)
        if mode is Mode.PROFILE and options.device == "cuda" and not several:
            good &= "-bound: " in verdict.log and len(verdict.artefacts) == 2
        failures += not good
        times = "  ".join(
            f"{m.ns / 1e3:.2f} [{m.low_ns / 1e3:.2f}, {m.high_ns / 1e3:.2f}] us n={m.samples} {m.clock}"
            for m in verdict.measurements
        )
        print(f"{'ok ' if good else 'BAD'} {name:22} {mode.value:9} {verdict.kind.value:13} "
              f"{wall:5.1f} s (build {verdict.spent.build_s:.1f} check {verdict.spent.check_s:.1f} "
              f"measure {verdict.spent.measure_s:.1f})  {times}", flush=True)  # fmt: skip
        print(f"      {verdict.message[:300]}")
        for warning in sorted({w for m in verdict.measurements for w in m.warnings}):
            print(f"      warning: {warning}")
        if mode is Mode.PROFILE:
            print("\n".join("      " + line[:160] for line in verdict.log.splitlines()[:22]))
            print("      files: " + ", ".join(f"{a.name} {a.bytes:,} B" for a in verdict.artefacts))
        if not good:
            print(f"      expected {expected}\n      fault: {verdict.fault[-6000:]}")
            print(f"      log: {verdict.log[-6000:]}\n      judge's stderr: {errors[-6000:]}")
        if (what in ("torch out=", "all-reduce") and mode is Mode.TEST) or not good:
            print(f"      device {json.dumps(provenance(verdict))}", flush=True)
    print("all as expected" if not failures else f"{failures} unexpected verdicts")
    return 1 if failures else 0


def provenance(verdict: Verdict) -> dict[str, object]:
    return {"device": vars(verdict.device), "harness": vars(verdict.harness)}


if __name__ == "__main__":
    sys.exit(main())
