# expect: wrong_answer or quarantined or crashed or out_of_memory
# device: cuda
# build seconds: 120
# at least: 15 ms
# Computes on demand the words that the referee asks for and the rest behind them. So that the referee's own look at the
# output comes late, the engines that copy to the host are busy with gigabytes of this program's.

import gc
import struct
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
    torch.cuda._sleep(60_000_000)
    return torch.add(a, b, out=out)


def custom_kernel(data):
    return slow_add(*data)


streams = [torch.cuda.Stream() for _ in range(4)]
source = torch.zeros(1 << 30, dtype=torch.uint8, device="cuda")
targets = [torch.empty(1 << 30, dtype=torch.uint8, pin_memory=True) for _ in streams]


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
    for each, target in zip(streams, targets, strict=True):
        with torch.cuda.stream(each):
            target.copy_(source, non_blocking=True)
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
    
    stream.synchronize()
    return struct.pack("<d", took)


Case.call = call
