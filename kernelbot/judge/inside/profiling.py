"""A call under torch's profiler, or in the range that a profiler outside looks for."""

from __future__ import annotations

import contextlib
import gzip
import os
import tempfile
from collections.abc import Iterator
from typing import Any

RANGE = "custom_kernel"
ROWS = 30


class Traced(contextlib.AbstractContextManager[None]):
    """torch's profiler around a call; afterwards its table, and its trace in a descriptor."""

    def __init__(self, cuda: bool) -> None:
        import torch

        kinds = [torch.profiler.ProfilerActivity.CPU]
        if cuda:
            kinds.append(torch.profiler.ProfilerActivity.CUDA)
        self._order = "self_device_time_total" if cuda else "self_cpu_time_total"
        self._profiler: Any = torch.profiler.profile(activities=kinds, record_shapes=True)
        self._range: Any = torch.profiler.record_function(RANGE)

    def __enter__(self) -> None:
        self._profiler.__enter__()
        self._range.__enter__()

    def __exit__(self, *exception: object) -> None:
        self._range.__exit__(*exception)
        self._profiler.__exit__(*exception)

    def table(self) -> str:
        return str(self._profiler.key_averages().table(sort_by=self._order, row_limit=ROWS))

    def write(self, descriptor: int) -> None:
        """The trace as gzipped JSON, which browsers' viewers open."""
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            self._profiler.export_chrome_trace(file.name)
            with open(file.name, "rb") as plain:
                content = gzip.compress(plain.read(), compresslevel=6, mtime=0)
        with os.fdopen(os.dup(descriptor), "wb") as target:
            target.write(content)


@contextlib.contextmanager
def marked(cuda: bool) -> Iterator[None]:
    """The range, by both of its kinds: the second one holds for other threads' launches too."""
    import torch

    if not cuda:
        yield
        return
    nvtx: Any = torch.cuda.nvtx
    nvtx.range_push(RANGE)
    handle = nvtx.range_start(RANGE)
    try:
        yield
        torch.cuda.synchronize()
    finally:
        nvtx.range_end(handle)
        nvtx.range_pop()
