"""A case on CUDA.

The input lies in device memory that the referee owns and has filled, except for the words that
come when the gate opens; the output is left there too, and the referee takes it from there. Where
memory cannot be shared between the processes, host memory carries both.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from .data import deliver, fresh, view
from .driver import DeviceMemory, Driver
from .gates import ANSWER, ARMED, MASK, SET, WORDS_BYTES, Gating


class Place:
    """A stretch of device memory that torch can make a tensor of; keeps its owner alive."""

    def __init__(self, address: int, size: int, owner: Any) -> None:
        self.owner = owner
        self.__cuda_array_interface__ = {
            "shape": (size,),
            "typestr": "|u1",
            "data": (address, False),
            "version": 2,
        }


class CudaCase:
    """Some sets of the same layout; the referee says before each call which one is to be used."""

    def __init__(
        self, message: dict[str, Any], descriptor: int, page: mmap.mmap, gates: Gating
    ) -> None:
        layout = message["layout"]
        self.words = memoryview(page)[:WORDS_BYTES].cast("I")
        self.gates = gates
        self.withheld, self.asked = message["withheld"], message["asked"]
        self.single = layout["single"]
        self.outputs = layout["outputs"]
        self.host: list[Any] = []
        if message["sets"]:
            self.bases, self.slots = _shared(message, descriptor, gates)
        else:
            self.memory = mmap.mmap(descriptor, layout["size"])
            self.host = [view(self.memory, slot) for slot in layout["slots"]]
            self.bases, self.slots = _own(layout)
        os.close(descriptor)
        self.tree = layout["data"]
        self.at = 0

    @property
    def data(self) -> Any:
        """What one call is given."""
        return fresh(self.tree, self.slots[self.at])

    @property
    def targets(self) -> list[Any]:
        return [self.slots[self.at][output] for output in self.outputs]

    def nothing(self) -> Any:
        """The empty call: one kernel that does nothing, and the output as it stands."""
        import torch

        self.gates.nothing(torch.cuda.current_stream().cuda_stream)
        return self.targets[0] if self.single else tuple(self.targets)

    def call(
        self,
        kernel: Callable[[Any], Any],
        number: int,
        loaded: Callable[[], None],
        around: AbstractContextManager[Any],
    ) -> bytes:
        """One gated call, ``around`` it a profiler if any; returns the device's own idea of its time in ns, as evidence."""
        import torch

        stream = torch.cuda.current_stream().cuda_stream
        self._load(stream)
        targets, data = self.targets, self.data
        loaded()
        self.gates.hold(stream, number, self.bases[self.at], self.withheld)
        with around:
            deliver(kernel(data), targets, self.single)
        self.gates.release(stream, number, self.bases[self.at], self.asked)
        self.words[ARMED] = number & MASK
        torch.cuda.synchronize()
        self.words[ANSWER] = number & MASK  # where there is no gate to do it
        self._bring_home()
        return struct.pack("<d", self.gates.claimed_ns())

    def _load(self, stream: int) -> None:
        import torch

        self.at = self.words[SET] % len(self.bases)
        for host, slot in zip(self.host, self.slots[self.at], strict=bool(self.host)):
            slot.copy_(host)
        self.gates.flush(stream)
        torch.cuda.synchronize()

    def _bring_home(self) -> None:
        if self.host:
            for output, target in zip(self.outputs, self.targets, strict=True):
                self.host[output].copy_(target)


def can_share(descriptor: int, gates: Gating) -> bool:
    """Whether the referee's device memory can be used from this process: its first word is 1."""
    import torch

    driver = getattr(gates, "driver", None)
    try:
        if driver is None:
            return False
        memory = DeviceMemory(driver, 4096, descriptor)
        return bool(torch.as_tensor(Place(memory.address, 1, memory), device="cuda").item() == 1)
    except RuntimeError:
        return False
    finally:
        os.close(descriptor)


def _shared(
    message: dict[str, Any], descriptor: int, gates: Gating
) -> tuple[list[int], list[list[Any]]]:
    driver: Driver = gates.driver  # type: ignore[attr-defined]  # memory is shared behind gates only
    memory = DeviceMemory(driver, message["sets"] * message["stride"], descriptor)
    bases = [memory.address + at * message["stride"] for at in range(message["sets"])]
    slots = message["layout"]["slots"]
    return bases, [[_tensor(slot, base, memory) for slot in slots] for base in bases]


def _own(layout: dict[str, Any]) -> tuple[list[int], list[list[Any]]]:
    """One set in memory of this process, in the same layout."""
    import torch

    memory = torch.zeros(max(layout["size"], 1), dtype=torch.uint8, device="cuda")
    slots = [
        _place(memory, slot)
        if slot["device"] != "cpu"
        # Submissions may have made another device the default.
        else torch.empty_strided(
            slot["shape"], slot["stride"], dtype=getattr(torch, slot["dtype"]), device="cpu"
        )
        for slot in layout["slots"]
    ]
    return [memory.data_ptr()], [slots]


def _tensor(slot: dict[str, Any], base: int, owner: Any) -> Any:
    import torch

    dtype = getattr(torch, slot["dtype"])
    if not slot["nbytes"]:
        return torch.empty(slot["shape"], dtype=dtype, device="cuda")
    raw = torch.as_tensor(Place(base + slot["offset"], slot["nbytes"], owner), device="cuda")
    return raw.view(dtype).as_strided(slot["shape"], slot["stride"])


def _place(memory: Any, slot: dict[str, Any]) -> Any:
    import torch

    dtype = getattr(torch, slot["dtype"])
    raw = memory.narrow(0, slot["offset"], slot["nbytes"])
    return raw.view(dtype).as_strided(slot["shape"], slot["stride"])
