"""What runs inside the untrusted process: load the submission, give it one input at a time, ring.

A convenience for honest submissions and nothing more: the verdict stays sound when a submission
replaces every line of it. Until ``load`` arrives nothing of the submission has run in this
process, which is what makes the null calls that the referee times before it trustworthy.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import json
import mmap
import os
import socket
import struct
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from . import native
from .answer import Adapter
from .cpu import CpuCase
from .cuda import CudaCase, can_share
from .data import Mismatch
from .gates import PAGE_BYTES, Gating, NoGates, gates_on
from .profiling import Traced, marked
from .ranks import Meeting, divide

HEADER = struct.Struct("<cQ")
MAX_TEXT = 100_000
MOST_DESCRIPTORS = 8
FOLDER = str(Path(__file__).parent) + os.sep


def main() -> None:
    channel = socket.socket(fileno=int(sys.argv[1]))
    sys.argv = ["submission.py"]
    hello, descriptors = receive(channel)
    meeting = None
    if hello.get("op") == "divide":
        channel, meeting = divide(channel, descriptors)
        hello, descriptors = receive(channel)
    runtime = Runtime(channel, hello, _only(descriptors), meeting)
    while True:
        message, descriptors = receive(channel)
        runtime.handle(message, _only(descriptors))


def _only(descriptors: list[int]) -> int | None:
    return descriptors[0] if descriptors else None


def receive(channel: socket.socket) -> tuple[dict[str, Any], list[int]]:
    packet, descriptors, _, _ = socket.recv_fds(channel, 4 << 20, MOST_DESCRIPTORS)
    if not packet:
        os._exit(0)
    return json.loads(packet), descriptors


class Runtime:
    """State between messages: the kernel, the case in hand, the number of the call."""

    def __init__(
        self,
        channel: socket.socket,
        hello: dict[str, Any],
        page: int | None,
        meeting: Meeting | None,
    ) -> None:
        import torch

        self.channel = channel
        self.directory = Path(hello["directory"])
        self.submission = self.directory / hello["submission"]
        self.number = 0
        self.kernel: Callable[[Any], Any] = self.nothing
        self.case: CpuCase | CudaCase | None = None
        self.adapter: Adapter | None = None
        self.around: contextlib.AbstractContextManager[Any] = contextlib.nullcontext()
        self.traced: Traced | None = None
        self.page: mmap.mmap | None = None
        self.gates: Gating | None = None
        rank, world_size = hello["rank"], hello["world_size"]
        if page is not None:
            self.page = mmap.mmap(page, PAGE_BYTES)
            os.close(page)
            # The referee waits for the clock on the core that is not among these.
            os.sched_setaffinity(0, hello["cores"])
            torch.cuda.set_device(rank)
            torch.zeros(1, device="cuda").add_(1).cpu()
            plain = hello["plain"]
            self.gates = NoGates(self.page, holding=False) if plain else gates_on(self.page)
        if page is None or meeting is not None:
            torch.set_num_threads(hello["threads"])
        if meeting is not None:
            own = None if page is None else torch.device("cuda", rank)
            meeting.join(rank, world_size, own)
        self.ring(b"W", self.gates.evidence if self.gates else b"")

    def handle(self, message: dict[str, Any], descriptor: int | None) -> None:
        op = message.get("op")
        if op is None:
            self.call()
        elif op == "case" and descriptor is not None:
            self.prepare(message, descriptor)
        elif op == "share" and descriptor is not None:
            shared = self.gates is not None and can_share(descriptor, self.gates)
            self.ring(b"P", b"shared" if shared else b"")
        elif op == "load":
            self.load(message.get("native"))
        elif op == "watch":
            self.watch(message["how"])
        elif op == "trace" and descriptor is not None:
            self.trace(descriptor)
        elif op == "leave":
            # As a program that is over: profilers write their reports then.
            ctypes.CDLL(None).exit(0)

    @property
    def entry(self) -> Callable[[Any], Any]:
        """The kernel as the case calls it."""
        if self.adapter is None or self.kernel == self.nothing:
            return self.kernel
        return self.adapter.adapted(self.kernel)

    def nothing(self, data: Any) -> Any:
        """The null kernel: its answer is the output buffer as it stands."""
        assert self.case is not None
        return self.case.nothing()

    def prepare(self, message: dict[str, Any], descriptor: int) -> None:
        layout = message["layout"]
        if self.kernel == self.nothing:
            # Objects need the problem's classes, and nothing from the folder may run yet.
            layout["data"] = {"tuple": []}
        self.case = None
        if self.page is not None and self.gates is not None:
            self.case = CudaCase(message, descriptor, self.page, self.gates)
        else:
            self.case = CpuCase(layout, descriptor)
        self.adapter = Adapter(layout) if layout["answer"] is not None else None
        self.ring(b"P")

    def load(self, recipe: dict[str, Any] | None) -> None:
        with self.reporting():
            if recipe is not None:
                self.kernel = native.load(self.directory, recipe)
                self.ring(b"R")
                return
            sys.path.insert(0, str(self.directory))
            tempfile.tempdir = None  # the folder may have become ours only now
            spec = importlib.util.spec_from_file_location("submission", self.submission)
            if spec is None or spec.loader is None:
                raise ImportError(f"{self.submission.name} is not a Python file")
            module = importlib.util.module_from_spec(spec)
            sys.modules["submission"] = module
            spec.loader.exec_module(module)
            # A module may have put another object in its place, as an import would find.
            placed = getattr(sys.modules.get("submission"), "custom_kernel", None)
            kernel = getattr(module, "custom_kernel", placed)
            if not callable(kernel):
                raise ImportError(f"{self.submission.name} defines no function custom_kernel(data)")
            self.kernel = kernel
            self.ring(b"R")

    def call(self) -> None:
        self.number += 1
        with self.reporting():
            assert self.case is not None
            around, self.around = self.around, contextlib.nullcontext()
            elapsed = self.case.call(self.entry, self.number, lambda: self.ring(b"L"), around)
            self.ring(b"D", elapsed)

    def watch(self, how: str) -> None:
        """Have the next call profiled: by torch, or by a tool that waits for the range."""
        on_device = self.page is not None
        if how == "torch":
            self.around = self.traced = Traced(on_device)
        else:
            self.around = marked(on_device)

    def trace(self, descriptor: int) -> None:
        """What torch's profiler found: its table by the doorbell, its trace into the descriptor."""
        with self.reporting():
            assert self.traced is not None
            self.traced.write(descriptor)
            self.ring(b"P", self.traced.table().encode("utf-8", "replace"))
        os.close(descriptor)

    @contextlib.contextmanager
    def reporting(self) -> Iterator[None]:
        """Whatever the submission raises becomes a doorbell; BaseException too."""
        try:
            yield
        except Mismatch as mismatch:
            self.ring(b"M", str(mismatch).encode("utf-8", "replace"))
        except BaseException as error:
            self.ring(b"E", self.describe(error))

    def describe(self, error: BaseException) -> bytes:
        """Name of the error's type, a NUL, and the traceback of the submission's own frames."""
        try:
            name, text = type(error).__name__, ""
            if isinstance(error, native.Told):
                name, text = error.name, error.text
            else:
                text = trimmed(error, str(self.directory))
        except BaseException:
            name, text = "Exception", "the exception could not be printed"
        return name.encode("utf-8", "replace") + b"\0" + text.encode("utf-8", "replace")

    def ring(self, tag: bytes, text: bytes = b"") -> None:
        self.channel.send(HEADER.pack(tag, self.number) + text[:MAX_TEXT])


def trimmed(error: BaseException, directory: str) -> str:
    """The traceback with only the submission's frames, named as the contestant knows them."""
    found: traceback.TracebackException | None
    found = top = traceback.TracebackException.from_exception(error, limit=-64)
    for _ in range(8):
        if found is None:
            break
        own = [frame for frame in found.stack if frame.filename.startswith(directory)]
        foreign = [frame for frame in found.stack if not _ours(frame.filename)]
        found.stack = traceback.StackSummary.from_list(own or foreign[-3:])
        found = found.__cause__ or found.__context__
    text = "".join(top.format()).replace(directory + os.sep, "")
    return text if len(text) < 60_000 else f"{text[:20_000]}\n...\n{text[-40_000:]}"


def _ours(filename: str) -> bool:
    return filename.startswith((FOLDER, "<frozen importlib"))
