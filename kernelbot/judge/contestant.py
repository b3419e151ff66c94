"""What runs inside the untrusted process: load the submission, give it one input at a time, ring.

A convenience for honest submissions and nothing more: the verdict stays sound when a submission
replaces every line of it. It imports nothing of ours, because it is started from a copy of this
one file. Until ``load`` arrives nothing of the submission has run in this process, which is what
makes the null calls that the referee times before it trustworthy.

On CUDA a call is queued behind a gate: a word in shared memory that the stream waits for. The
referee opens it when everything is enqueued and reads its own clock when the stream has written
the answering word, so launch time is hidden and the contestant's clock is never needed.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
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

HEADER = struct.Struct("<cQ")
MAX_TEXT = 100_000
WORDS = 4096
GATE, ANSWER, ARMED = 0, 16, 32  # indexes of 32-bit words, a cache line apart
FLUSH_BYTES = 256 << 20


class Mismatch(Exception):
    """The submission returned something that cannot be an answer."""


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
            self.load()
        elif op == "profile":
            self.profile()

    def nothing(self, data: Any) -> Any:
        """The null kernel: its answer is the output buffer as it stands."""
        assert self.case is not None
        return self.case.answer

    def prepare(self, layout: dict[str, Any], descriptor: int) -> None:
        if isinstance(self.case, CudaCase):
            self.case.close()
        self.case = None
        self.case = CudaCase(layout, descriptor) if self.cuda else CpuCase(layout, descriptor)
        self.ring(b"P")

    def load(self) -> None:
        with self.reporting():
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
            elapsed = self.case.call(self.kernel, self.number, lambda: self.ring(b"L"))
            self.ring(b"D", elapsed)

    def profile(self) -> None:
        self.number += 1
        with self.reporting():
            assert self.case is not None
            self.ring(b"D", self.case.profile(self.kernel).encode("utf-8", "replace"))

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
            name = type(error).__name__
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
    return filename == __file__ or filename.startswith("<frozen importlib")


# --- the data of a case ------------------------------------------------------------------------


def view(memory: Any, slot: dict[str, Any]) -> Any:
    """The tensor that lies at a slot of the shared memory."""
    import torch

    dtype = getattr(torch, slot["dtype"])
    if not slot["nbytes"]:
        return torch.empty(slot["shape"], dtype=dtype)
    raw = torch.frombuffer(memory, dtype=torch.uint8, count=slot["nbytes"], offset=slot["offset"])
    return raw.view(dtype).as_strided(slot["shape"], slot["stride"])


def build(node: dict[str, Any], slots: list[Any]) -> Any:
    """A data tree with its tensors in place."""
    kind, value = next(iter(node.items()))
    if kind == "t":
        return slots[value]
    if kind == "v":
        return value
    if kind == "dict":
        return {name: build(entry, slots) for name, entry in value.items()}
    items = [build(entry, slots) for entry in value]
    return tuple(items) if kind == "tuple" else items


def deliver(result: Any, targets: list[Any], single: bool) -> None:
    """Bring the answer into the referee's buffers; nothing to do when it was computed there."""
    for at, (value, target) in enumerate(
        zip(listed(result, targets, single), targets, strict=True)
    ):
        check(value, target, "" if single else f" of output {at}")
        in_place = value.data_ptr() == target.data_ptr() and value.stride() == target.stride()
        if not in_place:
            # Detached, in case the submission asked for gradients of the buffer.
            target.detach().copy_(value.detach())


def listed(result: Any, targets: list[Any], single: bool) -> list[Any]:
    if single:
        return [result]
    if not isinstance(result, tuple | list):
        raise Mismatch(
            f"custom_kernel returned {kind_of(result)}, expected a tuple of {len(targets)} tensors"
        )
    if len(result) != len(targets):
        raise Mismatch(f"custom_kernel returned {len(result)} outputs, expected {len(targets)}")
    return list(result)


def check(value: Any, target: Any, which: str) -> None:
    import torch

    if not isinstance(value, torch.Tensor):
        raise Mismatch(
            f"custom_kernel returned {kind_of(value)}{which}, expected a tensor of "
            f"shape {list(target.shape)} and dtype {target.dtype}"
        )
    for what, got, expected in (
        ("shape", list(value.shape), list(target.shape)),
        ("dtype", value.dtype, target.dtype),
        ("device", value.device.type, target.device.type),
        ("layout", value.layout, target.layout),
    ):
        if got != expected:
            raise Mismatch(f"the {what}{which} is wrong: got {got}, expected {expected}")


def kind_of(value: Any) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"


class CpuCase:
    """Inputs and outputs are the shared memory itself."""

    def __init__(self, layout: dict[str, Any], descriptor: int) -> None:
        # Page faults belong to the preparation, not to the first call.
        flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
        memory = mmap.mmap(descriptor, layout["size"], flags=flags)
        os.close(descriptor)
        slots = [view(memory, slot) for slot in layout["slots"]]
        self.single = layout["single"]
        self.targets = [slots[at] for at in layout["outputs"]]
        self.data = build(layout["data"], slots)

    @property
    def answer(self) -> Any:
        return self.targets[0] if self.single else tuple(self.targets)

    def call(self, kernel: Callable[[Any], Any], number: int, loaded: Callable[[], None]) -> bytes:
        deliver(kernel(self.data), self.targets, self.single)
        return b""

    def profile(self, kernel: Callable[[Any], Any]) -> str:
        import torch

        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
            deliver(kernel(self.data), self.targets, self.single)
        table: str = profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=30)
        return table


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
                slot["shape"], slot["stride"], dtype=getattr(torch, slot["dtype"]), device="cuda"
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


class Gates:
    """Stream-ordered waits and writes on a page shared with the referee (driver API)."""

    def __init__(self, driver: Any, host: int, address: int) -> None:
        self.driver = driver
        self.host = host
        self.address = address

    def close(self) -> None:
        self.driver.cuMemHostUnregister(ctypes.c_void_p(self.host))

    def wait(self, stream: Any, number: int) -> None:
        self._call(self.driver.cuStreamWaitValue32_v2, stream, GATE, number)

    def answer(self, stream: Any, number: int) -> None:
        self._call(self.driver.cuStreamWriteValue32_v2, stream, ANSWER, number)

    def _call(self, function: Any, stream: Any, word: int, number: int) -> None:
        status = function(
            ctypes.c_void_p(stream.cuda_stream),
            ctypes.c_uint64(self.address + 4 * word),
            ctypes.c_uint32(number & 0xFFFFFFFF),
            ctypes.c_uint(0),  # wait: greater or equal; write: default, with a memory barrier
        )
        if status:
            raise RuntimeError(f"the stream's gate failed with driver error {status}")


class NoGates:
    """Where the driver offers none: the call starts at once, events and host bound it."""

    def wait(self, stream: Any, number: int) -> None:
        pass

    def answer(self, stream: Any, number: int) -> None:
        pass

    def close(self) -> None:
        pass


def evidence_of_gates() -> bytes:
    """Whether stream gates work on this machine: one opened beforehand, on a page of our own."""
    import torch

    with mmap.mmap(-1, WORDS) as page:
        gates = gates_on(page)
        if isinstance(gates, NoGates):
            return b"events"
        struct.pack_into("<I", page, 4 * GATE, 1)
        stream = torch.cuda.current_stream()
        try:
            gates.wait(stream, 1)
            gates.answer(stream, 1)
            stream.synchronize()
            (answer,) = struct.unpack_from("<I", page, 4 * ANSWER)
        except RuntimeError:
            answer = 0
        gates.close()
    return b"gates" if answer == 1 else b"events"


def gates_on(memory: mmap.mmap) -> Gates | NoGates:
    import torch

    try:
        driver = ctypes.CDLL("libcuda.so.1")
        functions = (driver.cuStreamWaitValue32_v2, driver.cuStreamWriteValue32_v2)
    except (OSError, AttributeError):
        return NoGates()
    if getattr(torch.version, "hip", None) or not all(functions):
        return NoGates()
    host = ctypes.c_void_p(address_of(memory))
    device = ctypes.c_uint64()
    mapped = driver.cuMemHostRegister_v2(host, ctypes.c_size_t(WORDS), ctypes.c_uint(2)) == 0
    if not mapped or driver.cuMemHostGetDevicePointer_v2(ctypes.byref(device), host, 0):
        return NoGates()
    return Gates(driver, address_of(memory), device.value)


def address_of(memory: mmap.mmap) -> int:
    anchor = ctypes.c_char.from_buffer(memory)
    address = ctypes.addressof(anchor)
    del anchor
    return address


if __name__ == "__main__":
    main()
