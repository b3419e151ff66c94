"""A case on the CPU."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from .data import deliver, fresh, view


class CpuCase:
    """Inputs and outputs are the shared memory itself."""

    def __init__(self, layout: dict[str, Any], descriptor: int) -> None:
        # Page faults belong to the preparation, not to the first call.
        flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
        memory = mmap.mmap(descriptor, layout["size"], flags=flags)
        os.close(descriptor)
        self.slots = [view(memory, slot) for slot in layout["slots"]]
        self.single = layout["single"]
        self.targets = [self.slots[at] for at in layout["outputs"]]
        self.tree = layout["data"]

    @property
    def data(self) -> Any:
        """What one call is given."""
        return fresh(self.tree, self.slots)

    def nothing(self) -> Any:
        """The empty call: the output as it stands."""
        return self.targets[0] if self.single else tuple(self.targets)

    def call(
        self,
        kernel: Callable[[Any], Any],
        number: int,
        loaded: Callable[[], None],
        around: AbstractContextManager[Any],
    ) -> bytes:
        with around:
            deliver(kernel(self.data), self.targets, self.single)
        return b""
