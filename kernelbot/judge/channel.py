"""What the referee and a contestant share: memory of a fixed layout, and doorbells.

The referee owns both. The memory is a sealed memfd, so the contestant cannot shrink it under the
referee's hands; what it holds is bytes at offsets that the referee chose, read back as tensors of
the shapes and dtypes that the referee chose. A doorbell is a tag, the number of the call and some
opaque text; nothing from the contestant is ever parsed, unpickled or evaluated.
"""

from __future__ import annotations

import fcntl
import json
import math
import mmap
import os
import select
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kernelbot.judge.tree import flatten

ALIGN = 256
MAX_TEXT = 128 << 10
HEADER = struct.Struct("<cQ")

WARM, READY, PREPARED, LOADED, DONE = b"W", b"R", b"P", b"L", b"D"
FAILED, MISMATCH = b"E", b"M"
ENDED = b"X"


@dataclass(frozen=True)
class Doorbell:
    """One message of the contestant: nothing in it is to be believed."""

    tag: bytes
    number: int
    text: bytes = b""


class Closed(Exception):
    """The contestant's end is gone."""


class Garbled(Exception):
    """Something came that is no doorbell: the contestant wrote to a descriptor it was not given."""


class Channel:
    """The referee's end of the socket."""

    def __init__(self) -> None:
        self._mine, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._mine.setblocking(False)

    def send(self, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
        """One JSON message, with descriptors if there are any. Raises Closed."""
        try:
            socket.send_fds(self._mine, [json.dumps(message).encode()], list(descriptors))
        except OSError as error:
            raise Closed from error

    def ring(self) -> None:
        """The message that starts a call: always the same, whatever the call is for."""
        try:
            self._mine.send(b"{}")
        except OSError as error:
            raise Closed from error

    def fileno(self) -> int:
        return self._mine.fileno()

    def receive(self) -> Doorbell:
        """The doorbell that has come. Raises Closed or Garbled."""
        try:
            packet = self._mine.recv(HEADER.size + MAX_TEXT)
        except OSError as error:
            raise Closed from error
        if not packet:
            raise Closed
        if len(packet) < HEADER.size:
            raise Garbled
        tag, number = HEADER.unpack_from(packet)
        return Doorbell(tag, number, packet[HEADER.size :])

    def close(self) -> None:
        self._mine.close()
        self.theirs.close()


class Switchboard:
    """The channels of all processes that run a submission together."""

    def __init__(self, channels: Sequence[Channel]) -> None:
        self._poll = select.poll()
        self._numbers: dict[int, int] = {}
        for number, channel in enumerate(channels):
            self.add(channel.fileno(), number)

    def add(self, descriptor: int, number: int) -> None:
        """Take what becomes readable for one of the channels."""
        self._numbers[descriptor] = number
        self._poll.register(descriptor, select.POLLIN)

    def heard(self, timeout_s: float) -> list[int]:
        """Which channels have something to say or no other end any more, by their numbers; none when all
        are silent that long."""
        found = self._poll.poll(max(0.0, timeout_s) * 1000)
        return list(dict.fromkeys(self._numbers[descriptor] for descriptor, _ in found))


@dataclass(frozen=True)
class Slot:
    """Where a tensor lies in the memory."""

    offset: int
    nbytes: int
    dtype: str  # "float16"
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    device: str = ""  # "cpu" where the problem keeps it there; empty: the job's

    def to_json(self) -> dict[str, Any]:
        return {
            "offset": self.offset,
            "nbytes": self.nbytes,
            "dtype": self.dtype,
            "shape": self.shape,
            "stride": self.stride,
            "device": self.device,
        }


@dataclass(frozen=True)
class Layout:
    """How one case's data and outputs lie in the memory."""

    data: Any  # tree as tree.flatten() writes it; {"t": index of slot} is a tensor
    slots: tuple[Slot, ...]
    inputs: tuple[int, ...]  # slots that carry data to the contestant
    outputs: tuple[int, ...]  # slots that the answer must end up in
    single: bool  # the answer is one tensor, not a tuple of them
    size: int
    answer: Any = None  # tree of an answer of another form; its tensors are the outputs in order

    def to_json(self) -> dict[str, Any]:
        return {
            "data": self.data,
            "slots": [slot.to_json() for slot in self.slots],
            "inputs": self.inputs,
            "outputs": self.outputs,
            "single": self.single,
            "size": self.size,
            "answer": self.answer,
        }


def plan(data: Sequence[Any], expected: Any, buffers: int) -> Layout:
    """Lay out the data of a case and its outputs; the last ``buffers`` entries are outputs.

    ``expected`` is a tensor or a tuple of tensors. Raises TypeError for data that cannot be handed
    over.
    """
    planner = _Planner()
    tree, found = flatten(tuple(data))
    for tensor in found:
        planner.add(tensor)
    single = not isinstance(expected, tuple | list)
    wanted = [expected] if single else list(expected)
    given = [node["t"] for node in tree["tuple"][len(data) - buffers :] if "t" in node]
    outputs: list[int] = []
    for at, tensor in enumerate(wanted):
        slot = planner.slots[given[at]] if at < len(given) else None
        if slot and slot.shape == tuple(tensor.shape) and slot.dtype == dtype_name(tensor):
            outputs.append(given[at])
        else:
            outputs.append(planner.add(tensor))
    taken = set(outputs) | set(given)
    inputs = tuple(at for at in range(len(found)) if at not in taken)
    return Layout(tree, tuple(planner.slots), inputs, tuple(outputs), single, planner.size)


def plan_as_given(data: Any, answer: Any, places: Sequence[int | None]) -> Layout:
    """Lay out data of any form, each tensor on the device it is on, and outputs like ``answer``'s.

    ``places`` says for each tensor of the answer which one of the data it is, for answers that are
    written in place: such a tensor travels both ways. Raises TypeError as :func:`plan` does.
    """
    planner = _Planner()
    tree, found = flatten(data)
    for tensor in found:
        planner.add(tensor, tensor.device.type)
    form, wanted = flatten(answer)
    outputs = tuple(
        planner.add(tensor, tensor.device.type) if place is None else place
        for tensor, place in zip(wanted, places, strict=True)
    )
    inputs = tuple(range(len(found)))
    return Layout(tree, tuple(planner.slots), inputs, outputs, False, planner.size, form)


class _Planner:
    def __init__(self) -> None:
        self.slots: list[Slot] = []
        self.size = ALIGN  # memory of no size cannot be shared

    def add(self, tensor: Any, device: str = "") -> int:
        stride = _dense_stride(tensor)
        nbytes = tensor.numel() * tensor.element_size()
        slot = Slot(self.size, nbytes, dtype_name(tensor), tuple(tensor.shape), stride, device)
        self.slots.append(slot)
        self.size += math.ceil(max(nbytes, 1) / ALIGN) * ALIGN
        return len(self.slots) - 1


def tensors(data: Any) -> list[Any]:
    """The tensors of some data in the order that plan() numbers them."""
    return flatten(data)[1]


def dtype_name(tensor: Any) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _dense_stride(tensor: Any) -> tuple[int, ...]:
    """The tensor's own strides when it fills its memory without gaps or overlap, else contiguous."""
    expected = 1
    for size, step in sorted(
        zip(tensor.shape, tensor.stride(), strict=True), key=lambda x: (x[1], x[0])
    ):
        if size != 1 and step != expected:
            return _contiguous(tuple(tensor.shape))
        expected *= max(size, 1)
    return tuple(tensor.stride())


def _contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    stride: list[int] = []
    step = 1
    for size in reversed(shape):
        stride.append(step)
        step *= max(size, 1)
    return tuple(reversed(stride))


class Arena:
    """The shared memory of one case."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.descriptor = os.memfd_create("case", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.descriptor, layout.size)
        # A contestant that shrank the file would make the referee die of SIGBUS.
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, seals)
        self._memory = mmap.mmap(self.descriptor, layout.size)
        self._views = [self._view(slot) for slot in layout.slots]

    def fill(self, data: Any, poison: int) -> None:
        """Write one input and overwrite every output slot with the poison byte."""
        sources = tensors(data)
        for at in self.layout.inputs:
            self._views[at].copy_(sources[at].detach())
        for at, slot in enumerate(self.layout.slots):
            if at not in self.layout.inputs and slot.nbytes:
                self._bytes(slot).fill_(poison)

    def to_json(self) -> dict[str, Any]:
        """What the contestant must know."""
        return {"layout": self.layout.to_json()}

    def contents(self) -> Any:
        """All of it, as one tensor of bytes."""
        import torch

        return torch.frombuffer(self._memory, dtype=torch.uint8)

    def outputs(self) -> list[Any]:
        """Private copies of the output slots, in host memory."""
        return [self._views[at].clone() for at in self.layout.outputs]

    def close(self) -> None:
        """Give the memory back; views that are still alive keep the mapping until they die."""
        self._views.clear()
        os.close(self.descriptor)
        try:
            self._memory.close()
        except BufferError:
            pass  # a tensor still refers to it; the mapping goes with the tensor

    def _bytes(self, slot: Slot) -> Any:
        import torch

        return torch.frombuffer(
            self._memory, dtype=torch.uint8, count=slot.nbytes, offset=slot.offset
        )

    def _view(self, slot: Slot) -> Any:
        import torch

        dtype = getattr(torch, slot.dtype)
        if not slot.nbytes:
            return torch.empty(slot.shape, dtype=dtype)
        return self._bytes(slot).view(dtype).as_strided(slot.shape, slot.stride)


def monotonic_ns() -> int:
    """The deciding clock: the referee's, not steered by the time of day."""
    return time.perf_counter_ns()
