# expect: wrong_answer or quarantined or crashed
# device: cuda
# build seconds: 120
# at least: 2 ms
# Computes on demand the words that the referee asks for and the rest behind them. Processes on the core that the referee
# waits on wake up at that moment, so that its own look at the output comes late.

import gc
import os
import struct
import subprocess
import sys
import time

import torch
import triton
import triton.language as tl

runtime = next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")
Case = sys.modules[type(runtime).__module__].CudaCase
Place = sys.modules[Case.__module__].Place
gates = sys.modules[Case.__module__.replace("cuda", "gates")]
MASK = 0xFFFFFFFF
LARGE = 1 << 20
honest = Case.call


def page_words(case, offset):
    """Words of the judge's page as the device sees them."""
    place = Place(case.gates._page.address + offset, 16 * gates.PROBES, case.gates)
    return torch.as_tensor(place, device="cuda").view(torch.int64)


@triton.jit
def mend(late, a, b, out, base, from_a, from_b, n, count, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    inside = at < count
    offset = tl.load(late + 2 * at, mask=inside, other=0)
    for start in tl.static_range(2):
        first = from_a if start == 0 else from_b
        for k in tl.static_range(2):
            i = (offset - first) // 4 + k
            good = inside & (i >= 0) & (i < n)
            x = tl.load(a + i, mask=good)
            tl.store(out + i, x + tl.load(b + i, mask=good), mask=good)


@triton.jit
def probe(asked, probes, a, b, start, count, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    inside = at < count
    i = (tl.load(asked + at, mask=inside, other=0) - start) // 4
    low = (tl.load(a + i, mask=inside) + tl.load(b + i, mask=inside)).to(tl.uint32, bitcast=True).to(tl.uint64)
    high = (tl.load(a + i + 1, mask=inside) + tl.load(b + i + 1, mask=inside)).to(tl.uint32, bitcast=True).to(tl.uint64)
    tl.store(probes + at, (low | (high << 32)).to(tl.int64, bitcast=True), mask=inside)


def slow_add(a, b, out):
    torch.cuda._sleep(5_000_000)
    return torch.add(a, b, out=out)


def custom_kernel(data):
    return slow_add(*data)


SPIN = """
import os, time
os.sched_setaffinity(0, {%s})
while os.read(0, 1):
    end = time.monotonic() + 0.02
    while time.monotonic() < end: pass
"""
left_out = sorted(set(range(os.cpu_count())) - os.sched_getaffinity(0))
print("cores left out:", left_out, flush=True)
reads, writes = os.pipe()
if len(left_out) == 1:
    crowd = [subprocess.Popen([sys.executable, "-S", "-c", SPIN % left_out[0]], stdin=reads) for _ in range(8)]


def call(self, kernel, number, loaded, around):
    a, b, out = self.slots[self.words[gates.SET] % len(self.bases)]
    if out.numel() < 4000:
        return honest(self, kernel, number, loaded, around)
    wanted, words = number & MASK, self.words
    stream, done = torch.cuda.current_stream(), torch.cuda.Event()
    self._load(stream.cuda_stream)
    base = self.bases[self.at]
    asked, probes = page_words(self, gates.ASKED_AT), page_words(self, gates.PROBED_AT)
    loaded()
    self.gates.hold(stream.cuda_stream, number, base, self.withheld)
    words[gates.ARMED] = wanted
    while words[gates.GATE] != wanted:
        pass
    began = time.perf_counter_ns()
    words[gates.ANSWER] = wanted
    while words[gates.ASKED] != wanted:
        pass
    probe[(1,)](asked, probes, a, b, out.data_ptr() - base, self.asked, BLOCK=1024)
    done.record(stream)
    slow_add(a, b, out)
    while not done.query():
        pass
    words[gates.PROBED] = wanted
    took = time.perf_counter_ns() - began
    os.write(writes, b"!" * 8)
    stream.synchronize()
    return struct.pack("<d", took)


Case.call = call
