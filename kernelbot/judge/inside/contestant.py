"""What runs inside the untrusted process: load the submission, give it one input at a time, ring.

A convenience for honest submissions and nothing more: the verdict stays sound when a submission
replaces every line of it. Until ``load`` arrives nothing of the submission has run in this
process, which is what makes the null calls that the referee times before it trustworthy.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
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
from .cuda import CudaCase
from .data import Mismatch
from .gates import evidence_of_gates

HEADER = struct.Struct("<cQ")
MAX_TEXT = 100_000
FOLDER = str(Path(__file__).parent) + os.sep


def main() -> None:
    channel = socket.socket(fileno=int(sys.argv[1]))
    sys.argv = ["submission.py"]
    hello, _ = receive(channel)
    runtime = Runtime(channel, hello)
    while True:
        message, descriptor = receive(channel)
        runtime.handle(message, descriptor)


def receive(channel: socket.socket) -> tuple[dict[str, Any], int | None]:
    packet, descriptors, _, _ = socket.recv_fds(channel, 4 << 20, 1)
    if not packet:
        os._exit(0)
    return json.loads(packet), descriptors[0] if descriptors else None


class Runtime:
    """State between messages: the kernel, the case in hand, the number of the call."""

    def __init__(self, channel: socket.socket, hello: dict[str, Any]) -> None:
        import torch

        self.channel = channel
        self.directory = Path(hello["directory"])
        self.submission = self.directory / hello["submission"]
        self.number = 0
        self.kernel: Callable[[Any], Any] = self.nothing
        self.case: CpuCase | CudaCase | None = None
        self.adapter: Adapter | None = None
        self.cuda = hello["device"] == "cuda"
        if self.cuda:
            torch.zeros(1, device="cuda").add_(1).cpu()
        else:
            torch.set_num_threads(hello["threads"])
        self.ring(b"W", evidence_of_gates() if self.cuda else b"")

    def handle(self, message: dict[str, Any], descriptor: int | None) -> None:
        op = message.get("op")
        if op is None:
            self.call()
        elif op == "case" and descriptor is not None:
            self.prepare(message["layout"], descriptor)
        elif op == "load":
            self.load(message.get("native"))
        elif op == "profile":
            self.profile()

    @property
    def entry(self) -> Callable[[Any], Any]:
        """The kernel as the case calls it."""
        return self.adapter.adapted(self.kernel) if self.adapter else self.kernel

    def nothing(self, data: Any) -> Any:
        """The null kernel: its answer is the output buffer as it stands."""
        assert self.case is not None
        return self.case.answer

    def prepare(self, layout: dict[str, Any], descriptor: int) -> None:
        if isinstance(self.case, CudaCase):
            self.case.close()
        self.case = None
        self.case = CudaCase(layout, descriptor) if self.cuda else CpuCase(layout, descriptor)
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
            kernel = getattr(module, "custom_kernel", None)
            if not callable(kernel):
                raise ImportError(f"{self.submission.name} defines no function custom_kernel(data)")
            self.kernel = kernel
            self.ring(b"R")

    def call(self) -> None:
        self.number += 1
        with self.reporting():
            assert self.case is not None
            elapsed = self.case.call(self.entry, self.number, lambda: self.ring(b"L"))
            self.ring(b"D", elapsed)

    def profile(self) -> None:
        self.number += 1
        with self.reporting():
            assert self.case is not None
            self.ring(b"D", self.case.profile(self.entry).encode("utf-8", "replace"))

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
