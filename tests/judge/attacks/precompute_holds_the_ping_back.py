# expect: quarantined or wrong_answer
# device: cuda
# problem: large
# build seconds: 120
# at least: 0.12 ms
# Replaces the runtime: adds before the gate opens and mends in the call what came late. Where a decoy was replaced it
# adds once more before it says that its device runs again, which may take a millisecond.

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


def only_what_came_late(self, a, b, out, number):
    """Behind the gate: complete the input, and recompute the few sums that changed; answer."""
    stream, base = torch.cuda.current_stream().cuda_stream, self.bases[self.at]
    self.gates.hold(stream, number, base, self.withheld)
    from_a, from_b = a.data_ptr() - base, b.data_ptr() - base
    mend[(1,)](page_words(self, gates.WITHHELD_AT), a, b, out, base, from_a, from_b, a.numel(), self.withheld, BLOCK=1024)
    self.gates.release(stream, number, base, self.asked)


def everything(self, a, b, out, number):
    stream, base = torch.cuda.current_stream().cuda_stream, self.bases[self.at]
    self.gates.hold(stream, number, base, self.withheld)
    torch.add(a, b, out=out)
    self.gates.release(stream, number, base, self.asked)


def add(a, b, out):
    torch.add(a, b, out=out)
    torch.cuda.synchronize()


def custom_kernel(data):
    a, b, out = data
    return torch.add(a, b, out=out)


def call(self, kernel, number, loaded, around):
    if self.targets[0].numel() < LARGE:
        return honest(self, kernel, number, loaded, around)
    wanted, words = number & MASK, self.words
    self._load(torch.cuda.current_stream().cuda_stream)
    a, b, out = self.slots[self.at]

    loaded()
    add(a, b, out)
    words[gates.ARMED] = wanted
    pinged = False
    while words[gates.GATE] != wanted:
        if words[gates.PING] == wanted and not pinged:
            pinged = True
            add(a, b, out)
            words[gates.PONG] = wanted
    began = time.perf_counter_ns()
    only_what_came_late(self, a, b, out, number)
    torch.cuda.synchronize()
    return struct.pack("<d", time.perf_counter_ns() - began)


Case.call = call
