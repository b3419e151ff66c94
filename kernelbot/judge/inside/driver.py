"""CUDA's driver, through ctypes: what torch has no word for.

Memory that two processes share by a descriptor, words of host memory that the device can see,
events and kernels of our own. The names are looked up once, before anything submitted is loaded.
The primary context of torch must be current.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
from collections.abc import Sequence
from typing import Any

from .kernels import PTX

L2_CACHE_SIZE, MULTIPROCESSORS = 38, 16
POSIX_DESCRIPTOR = 1
OUT_OF_MEMORY = 2
FUNCTIONS = (
    "cuCtxGetCurrent", "cuCtxGetDevice", "cuDeviceGetAttribute",
    "cuMemGetAllocationGranularity", "cuMemCreate", "cuMemRelease", "cuMemAddressReserve",
    "cuMemAddressFree", "cuMemMap", "cuMemUnmap", "cuMemSetAccess",
    "cuMemExportToShareableHandle", "cuMemImportFromShareableHandle",
    "cuMemHostRegister_v2", "cuMemHostUnregister", "cuMemHostGetDevicePointer_v2",
    "cuModuleLoadData", "cuModuleGetFunction", "cuLaunchKernel",
    "cuEventCreate", "cuEventRecord", "cuEventElapsedTime", "cuEventSynchronize",
    "cuStreamWaitEvent", "cuStreamSynchronize", "cuGetErrorName",
)  # fmt: skip


class Unavailable(Exception):
    """The driver, or the part of it that was asked for, is not there."""


class NoRoom(RuntimeError):
    """The device has no memory left."""


class _Location(ctypes.Structure):
    _fields_ = (("kind", ctypes.c_int), ("number", ctypes.c_int))


class _Properties(ctypes.Structure):
    """CUmemAllocationProp."""

    _fields_ = (
        ("kind", ctypes.c_int),
        ("handles", ctypes.c_int),
        ("location", _Location),
        ("security", ctypes.c_void_p),
        ("flags", ctypes.c_ubyte * 8),
    )


class _Access(ctypes.Structure):
    _fields_ = (("location", _Location), ("flags", ctypes.c_int))


class Driver:
    """The functions that are used, each raising RuntimeError with the driver's own word for it."""

    def __init__(self) -> None:
        try:
            library = ctypes.CDLL("libcuda.so.1")
            self._functions = {name: getattr(library, name) for name in FUNCTIONS}
        except (OSError, AttributeError) as error:
            raise Unavailable(f"no usable CUDA driver: {error}") from error
        # Drivers before 12.5 do not have it.
        self._join = getattr(library, "cuCtxRecordEvent", None)
        context, device = ctypes.c_void_p(), ctypes.c_int()
        self("cuCtxGetCurrent", ctypes.byref(context))
        self("cuCtxGetDevice", ctypes.byref(device))
        self.context, self.device = context, device.value

    def __call__(self, name: str, *arguments: Any) -> None:
        status = self._functions[name](*arguments)
        if status:
            fault = NoRoom if status == OUT_OF_MEMORY else RuntimeError
            raise fault(f"{name} failed: {self._word(status)}")

    def _word(self, status: int) -> str:
        word = ctypes.c_char_p()
        self._functions["cuGetErrorName"](ctypes.c_int(status), ctypes.byref(word))
        return (word.value or b"driver error %d" % status).decode()

    def attribute(self, which: int) -> int:
        found = ctypes.c_int()
        self("cuDeviceGetAttribute", ctypes.byref(found), ctypes.c_int(which), self.device)
        return found.value

    def kernels(self) -> Kernels:
        module = ctypes.c_void_p()
        self("cuModuleLoadData", ctypes.byref(module), ctypes.c_char_p(PTX))
        return Kernels(self, module)

    def event(self, *, timing: bool = True) -> ctypes.c_void_p:
        event = ctypes.c_void_p()
        self("cuEventCreate", ctypes.byref(event), ctypes.c_uint(0 if timing else 2))
        return event

    def record(self, event: ctypes.c_void_p, stream: int) -> None:
        self("cuEventRecord", event, ctypes.c_void_p(stream))

    def elapsed_ns(self, start: ctypes.c_void_p, end: ctypes.c_void_p) -> float:
        found = ctypes.c_float()
        self("cuEventElapsedTime", ctypes.byref(found), start, end)
        return found.value * 1e6

    def join(self, event: ctypes.c_void_p, stream: int) -> None:
        """Make a stream wait for whatever any stream of the context has been given so far."""
        if self._join is None:
            return
        status = self._join(self.context, event)
        if status:
            raise RuntimeError(f"the streams could not be joined: {self._word(status)}")
        self("cuStreamWaitEvent", ctypes.c_void_p(stream), event, ctypes.c_uint(0))


class Kernels:
    """The judge's own kernels."""

    def __init__(self, driver: Driver, module: ctypes.c_void_p) -> None:
        self._driver = driver
        self._functions = {}
        for name in ("gate", "answer", "sweep", "nothing"):
            function = ctypes.c_void_p()
            driver("cuModuleGetFunction", ctypes.byref(function), module, name.encode())
            self._functions[name] = function

    def launch(
        self, name: str, stream: int, arguments: Sequence[Any], blocks: int = 1, threads: int = 1
    ) -> None:
        """Launch with ctypes values as arguments."""
        pointers = (ctypes.c_void_p * len(arguments))(
            *(ctypes.cast(ctypes.byref(value), ctypes.c_void_p) for value in arguments)
        )
        one = ctypes.c_uint(1)
        self._driver(
            "cuLaunchKernel", self._functions[name], ctypes.c_uint(blocks), one, one,
            ctypes.c_uint(threads), one, one, ctypes.c_uint(0), ctypes.c_void_p(stream),
            pointers, None,
        )  # fmt: skip


class Mapped:
    """Host memory, usually shared with another process, that the device can read and write."""

    def __init__(self, driver: Driver, memory: mmap.mmap) -> None:
        self._driver = driver
        self._host = ctypes.c_void_p(address_of(memory))
        device = ctypes.c_uint64()
        driver("cuMemHostRegister_v2", self._host, ctypes.c_size_t(len(memory)), ctypes.c_uint(2))
        driver("cuMemHostGetDevicePointer_v2", ctypes.byref(device), self._host, ctypes.c_uint(0))
        self.address = device.value

    def close(self) -> None:
        self._driver("cuMemHostUnregister", self._host)


class DeviceMemory:
    """Device memory with a descriptor, or the memory behind a descriptor. A torch tensor on it
    (``torch.as_tensor``) keeps this alive; it is unmapped with the last one."""

    def __init__(self, driver: Driver, size: int, descriptor: int | None = None) -> None:
        self._driver = driver
        self._address = ctypes.c_uint64()
        self._handle = ctypes.c_uint64()
        properties = _Properties(
            kind=1, handles=POSIX_DESCRIPTOR, location=_Location(1, driver.device)
        )
        grain = ctypes.c_size_t()
        driver("cuMemGetAllocationGranularity", ctypes.byref(grain), ctypes.byref(properties), 0)
        self.size = -(-size // grain.value) * grain.value
        length = ctypes.c_size_t(self.size)
        if descriptor is None:
            driver("cuMemCreate", ctypes.byref(self._handle), length, ctypes.byref(properties),
                   ctypes.c_uint64(0))  # fmt: skip
        else:
            driver("cuMemImportFromShareableHandle", ctypes.byref(self._handle),
                   ctypes.c_void_p(descriptor), POSIX_DESCRIPTOR)  # fmt: skip
        zero = ctypes.c_uint64(0)
        driver("cuMemAddressReserve", ctypes.byref(self._address), length, grain, zero, zero)
        driver("cuMemMap", self._address, length, ctypes.c_size_t(0), self._handle, zero)
        access = _Access(_Location(1, driver.device), 3)
        driver("cuMemSetAccess", self._address, length, ctypes.byref(access), ctypes.c_size_t(1))

    @property
    def address(self) -> int:
        return self._address.value

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "shape": (self.size,),
            "typestr": "|u1",
            "data": (self.address, False),
            "version": 2,
        }

    def export(self) -> int:
        """A descriptor for another process; the caller closes it."""
        descriptor = ctypes.c_int(-1)
        self._driver(
            "cuMemExportToShareableHandle", ctypes.byref(descriptor), self._handle,
            POSIX_DESCRIPTOR, ctypes.c_uint64(0),
        )  # fmt: skip
        os.set_inheritable(descriptor.value, False)
        return descriptor.value

    def __del__(self) -> None:
        length = ctypes.c_size_t(self.size)
        for name, arguments in (
            ("cuMemUnmap", (self._address, length)),
            ("cuMemRelease", (self._handle,)),
            ("cuMemAddressFree", (self._address, length)),
        ):
            with contextlib.suppress(RuntimeError):  # the context may be gone, and the memory too
                self._driver(name, *arguments)


def address_of(memory: mmap.mmap) -> int:
    anchor = ctypes.c_char.from_buffer(memory)
    address = ctypes.addressof(anchor)
    del anchor
    return address
