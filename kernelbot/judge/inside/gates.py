"""Gates: words in shared memory that a CUDA stream waits for and writes (driver API)."""

from __future__ import annotations

import ctypes
import mmap
import struct
from typing import Any

WORDS = 4096
GATE, ANSWER, ARMED = 0, 16, 32  # indexes of 32-bit words, a cache line apart


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
