"""A case on CUDA.

A call is queued behind a gate: a word in shared memory that the stream waits for. The referee opens
it when everything is enqueued and reads its own clock when the stream has written the answering
word, so launch time is hidden and the contestant's clock is never needed.
"""

from __future__ import annotations

import functools
import mmap
import os
import struct
from collections.abc import Callable
from typing import Any

from .data import build, deliver, view
from .gates import ANSWER, ARMED, WORDS, gates_on

FLUSH_BYTES = 256 << 20


class CudaCase:
    """Inputs are copied to the device before the gate; outputs leave it after the answer."""

    def __init__(self, layout: dict[str, Any], descriptor: int) -> None:
        import torch

        self.memory = mmap.mmap(descriptor, layout["size"])
        os.close(descriptor)
        self.words = memoryview(self.memory)[:WORDS].cast("I")
        self.gates = gates_on(self.memory)
        self.host = [view(self.memory, slot) for slot in layout["slots"]]
        self.slots = [
            torch.empty_strided(
                slot["shape"],
                slot["stride"],
                dtype=getattr(torch, slot["dtype"]),
                device=slot["device"] or "cuda",
            )
            for slot in layout["slots"]
        ]
        self.single = layout["single"]
        self.outputs = layout["outputs"]
        self.targets = [self.slots[at] for at in self.outputs]
        self.data = build(layout["data"], self.slots)
        # The answer leaves through a copy of our own, taken in stream order right behind the call:
        # work that another stream still does for it comes too late.
        self.captured = [torch.empty_like(target) for target in self.targets]

    @property
    def answer(self) -> Any:
        return self.targets[0] if self.single else tuple(self.targets)

    def call(self, kernel: Callable[[Any], Any], number: int, loaded: Callable[[], None]) -> bytes:
        """One gated call; returns the device's own idea of its time in ms, as evidence."""
        import torch

        self._load()
        stream = torch.cuda.current_stream()
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        loaded()
        self.gates.wait(stream, number)
        start.record(stream)
        deliver(kernel(self.data), self.targets, self.single)
        end.record(stream)
        self.gates.answer(stream, number)
        self._capture()
        self.words[ARMED] = number & 0xFFFFFFFF
        stream.synchronize()
        self.words[ANSWER] = number & 0xFFFFFFFF  # where there is no gate to do it
        self._bring_home()
        return struct.pack("<d", start.elapsed_time(end))

    def profile(self, kernel: Callable[[Any], Any]) -> str:
        import torch

        self._load()
        kinds = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
        with torch.profiler.profile(activities=kinds) as profiler:
            deliver(kernel(self.data), self.targets, self.single)
            self._capture()
            torch.cuda.synchronize()
        self._bring_home()
        table: str = profiler.key_averages().table(sort_by="self_device_time_total", row_limit=30)
        return table

    def _load(self) -> None:
        import torch

        for host, slot in zip(self.host, self.slots, strict=True):
            slot.copy_(host)
        # A reading flush: lines left dirty by a writing one would be paid for by the kernel.
        flush_buffer().sum()
        torch.cuda.synchronize()

    def close(self) -> None:
        self.gates.close()

    def _capture(self) -> None:
        for copy, target in zip(self.captured, self.targets, strict=True):
            copy.copy_(target)

    def _bring_home(self) -> None:
        for at, copy in zip(self.outputs, self.captured, strict=True):
            self.host[at].copy_(copy)


@functools.cache
def flush_buffer() -> Any:
    import torch

    return torch.zeros(FLUSH_BYTES // 4, dtype=torch.float32, device="cuda")
