"""The gate before a call and the answer behind it.

A page of host memory is shared with the referee and mapped for the device. A kernel holds the
stream until the referee opens the gate; everything of the call is queued behind it, so launching
costs nothing. The kernel behind the call tells the referee so, and then the words of the output that
the referee asks for. See kernels.cu and the referee's page.py.
"""

from __future__ import annotations

import ctypes
import mmap
import time
from collections.abc import Callable
from typing import Any, Protocol

from .driver import L2_CACHE_SIZE, MULTIPROCESSORS, Driver, Kernels, Mapped, Unavailable

GATE, ANSWER, ASKED, PROBED, ARMED, SET, PONG = 0, 16, 32, 48, 64, 80, 96
PING = GATE + 1
"""Indexes of 32-bit words, a cache line apart but for PING, which the device reads together with GATE. All but
ARMED and SET are also in kernels.cu."""
PROBES = 1024
"""Words of the output that are asked for, and the most words of the input that come late."""
WORDS_BYTES = 4096
WITHHELD_AT = WORDS_BYTES  # PROBES times offset and value
ASKED_AT = WITHHELD_AT + 16 * PROBES  # PROBES offsets
PROBED_AT = ASKED_AT + 8 * PROBES  # PROBES values
PAGE_BYTES = PROBED_AT + 8 * PROBES
THREADS = 1024
MASK = 0xFFFFFFFF
FLUSHES = 2
"""How many times the size of the L2 cache is read to empty it."""
FLUSH_BYTES = (
    512 << 20
)  # where its size cannot be told, or is not all: an MI300X has 256 MiB behind its L2
SPIN_CYCLES = 500_000
"""For which the device is held where there is no gate: a quarter of a millisecond at 2 GHz, in which Python launches some 30 kernels."""


class Gating(Protocol):
    """What a case needs around a call. ``stream`` is a raw stream, ``base`` an address."""

    evidence: bytes

    def flush(self, stream: int) -> None:
        """Queue what empties the cache."""

    def hold(self, stream: int, number: int, base: int, withheld: int) -> None:
        """Queue what waits for the referee and then completes the input."""

    def release(self, stream: int, number: int, base: int, asked: int) -> None:
        """Queue what waits for all streams, then answers the referee."""

    def nothing(self, stream: int) -> None:
        """Queue an empty kernel: the call whose cost is known."""

    def claimed_ns(self) -> float:
        """What the device's own clock says of the call."""


class Sweeper:
    """Empties the cache of the current device by reading: lines that writing leaves dirty would be paid for by
    the kernel."""

    def __init__(self, driver: Driver, kernels: Kernels) -> None:
        import torch

        size = FLUSHES * driver.attribute(L2_CACHE_SIZE) or FLUSH_BYTES
        self._kernels = kernels
        self._blocks = 2 * driver.attribute(MULTIPROCESSORS)
        self._swept = torch.zeros(size, dtype=torch.uint8, device="cuda")
        self._sink = torch.zeros(1, dtype=torch.int32, device="cuda")
        self._arguments = (
            ctypes.c_void_p(self._swept.data_ptr()),
            ctypes.c_uint64(size // 16),
            ctypes.c_void_p(self._sink.data_ptr()),
        )

    def __call__(self, stream: int | None = None) -> None:
        """Queue it, on torch's current stream when none is named."""
        import torch

        queued = torch.cuda.current_stream().cuda_stream if stream is None else stream
        self._kernels.launch("sweep", queued, self._arguments, self._blocks, THREADS)


class Gates:
    """By kernels of our own."""

    evidence = b"gates"

    def __init__(self, page: mmap.mmap) -> None:
        self.driver = Driver()
        self._kernels = self.driver.kernels()
        self._page = Mapped(self.driver, page)
        self._start, self._end = self.driver.event(), self.driver.event()
        self._joined = self.driver.event(timing=False)
        self._sweep = Sweeper(self.driver, self._kernels)

    def flush(self, stream: int) -> None:
        self._sweep(stream)

    def hold(self, stream: int, number: int, base: int, withheld: int) -> None:
        arguments = (
            self._word(0), ctypes.c_uint32(number & MASK), self._word(WITHHELD_AT),
            ctypes.c_uint32(withheld), ctypes.c_uint64(base),
        )  # fmt: skip
        self._kernels.launch("gate", stream, arguments, 1, THREADS)
        self.driver.record(self._start, stream)

    def release(self, stream: int, number: int, base: int, asked: int) -> None:
        self.driver.join(self._joined, stream)
        self.driver.record(self._end, stream)
        arguments = (
            self._word(0), ctypes.c_uint32(number & MASK), self._word(ASKED_AT),
            self._word(PROBED_AT), ctypes.c_uint32(asked), ctypes.c_uint64(base),
        )  # fmt: skip
        self._kernels.launch("answer", stream, arguments, 1, THREADS)

    def nothing(self, stream: int) -> None:
        self._kernels.launch("nothing", stream, ())

    def claimed_ns(self) -> float:
        return self.driver.elapsed_ns(self._start, self._end)

    def _word(self, offset: int) -> ctypes.c_uint64:
        return ctypes.c_uint64(self._page.address + offset)


class NoGates:
    """Where the driver offers none: the referee's word is waited for here, and then a kernel holds the device until the call is
    enqueued behind it, so that launching is in no time, as it is behind a gate."""

    evidence = b"events"

    def __init__(self, page: mmap.mmap, *, holding: bool = True) -> None:
        """``holding``: not for profilers, which would show the kernel that holds the device."""
        import torch

        self._words = memoryview(page)[:WORDS_BYTES].cast("I")
        self._start, self._end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        self._holding = holding
        self._spin: Callable[[int], None] = torch.cuda._sleep
        self._swept = torch.zeros(flush_bytes() // 4, dtype=torch.float32, device="cuda")

    def flush(self, stream: int) -> None:
        self._swept.sum()

    def hold(self, stream: int, number: int, base: int, withheld: int) -> None:
        while self._words[GATE] != number & MASK:
            pass
        if self._holding:
            self._spin(SPIN_CYCLES)
        self._start.record()

    def release(self, stream: int, number: int, base: int, asked: int) -> None:
        self._end.record()

    def nothing(self, stream: int) -> None:
        self._spin(0)

    def claimed_ns(self) -> float:
        elapsed: float = self._start.elapsed_time(self._end)
        return elapsed * 1e6


def flush_bytes() -> int:
    """What has to be read or written so that nothing of before is in a cache of the current device."""
    import torch

    found = torch.cuda.get_device_properties(torch.cuda.current_device())
    size = 0 if getattr(torch.version, "hip", None) else getattr(found, "L2_cache_size", 0)
    return FLUSHES * size or FLUSH_BYTES


def gates_on(page: mmap.mmap) -> Gating:
    """Gates on the referee's page if they work on this machine: one opened beforehand is tried."""
    import torch

    words = memoryview(page)[:WORDS_BYTES].cast("I")
    if getattr(torch.version, "hip", None):
        return NoGates(page)
    try:
        gates = Gates(page)
        stream = torch.cuda.current_stream().cuda_stream
        words[GATE] = words[ASKED] = 1
        gates.hold(stream, 1, 0, 0)
        gates.release(stream, 1, 0, 0)
        if not _answered(words):
            return NoGates(page)
    except (Unavailable, RuntimeError):
        return NoGates(page)
    finally:
        words[GATE] = words[ANSWER] = words[ASKED] = words[PROBED] = 0
    return gates


def _answered(words: Any, patience_s: float = 5.0) -> bool:
    deadline = time.monotonic() + patience_s
    while words[PROBED] != 1:
        if time.monotonic() > deadline:
            return False
    return bool(words[ANSWER] == 1)
