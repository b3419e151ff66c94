"""What machine this run really has, and whether it is the one the job asked for."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernelbot.judge.protocol import Device


class WrongDevice(Exception):
    """The machine is not the one the job was meant for: refused, never scored."""


def cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0))


def inspect(kind: str) -> Device:
    """Describe the device. Raises WrongDevice when there is none of this kind."""
    if kind == "cpu":
        return Device(kind="cpu", name=_cpu_name(), count=cores(), memory_bytes=_total_memory())
    if kind == "cuda":
        return _accelerator()
    raise WrongDevice(f"the job asks for device {kind!r}; this judge knows cpu and cuda")


def demand(device: Device, pattern: str, count: int = 1) -> None:
    """Raise WrongDevice unless there are as many devices as the job needs, the first of its kind, and the
    name of each matches its regular expression; ranks share a processor."""
    if device.kind != "cpu" and device.count < count:
        raise WrongDevice(f"the job needs {count} devices at once; this machine has {device.count}")
    try:
        wanted = re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise WrongDevice(f"expect_device {pattern!r} is no regular expression: {error}") from error
    for index, name in enumerate([device.name, *_others(device, count)]):
        if not wanted.search(name):
            which = f"number {index}" if count > 1 else "this"
            raise WrongDevice(f"the job expects devices matching {pattern!r}; {which} is {name!r}")


def _others(device: Device, count: int) -> list[str]:
    """The names of the devices that a run on ``count`` has besides the first."""
    if device.kind == "cpu" or count == 1:
        return []
    import torch

    return [torch.cuda.get_device_name(index) for index in range(1, count)]


def _accelerator() -> Device:
    import torch

    if not torch.cuda.is_available():
        raise WrongDevice("the job asks for device cuda; torch sees none here")
    found: Any = torch.cuda.get_device_properties(0)
    hip = getattr(torch.version, "hip", None)
    return Device(
        kind="hip" if hip else "cuda",
        name=found.name,
        count=torch.cuda.device_count(),
        memory_bytes=found.total_memory,
        sm_count=found.multi_processor_count,
        capability=found.gcnArchName.split(":")[0] if hip else f"{found.major}.{found.minor}",
        driver=_driver(),
    )


def _driver() -> str:
    for path in ("/proc/driver/nvidia/version", "/sys/module/amdgpu/version"):
        try:
            text = Path(path).read_text()
        except OSError:
            continue
        found = re.search(r"\d+\.\d+(\.\d+)?", text)
        if found:
            return found.group(0)
    return ""


def _cpu_name() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1).strip() if found else platform.processor() or platform.machine()


def _total_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


HOLDS = {
    0x04: "its power limit",
    0x08: "a slow-down by the hardware",
    0x20: "heat",
    0x40: "heat",
    0x80: "a power brake from outside",
}
"""What the driver says holds a clock down (NVML's clocks event reasons), but for idling and what somebody has set."""
FAULTS = 0x08 | 0x20 | 0x40 | 0x80
"""Those that no kernel brings about on a well cooled and well fed machine. The power limit is not among them: a large
matrix product reaches it everywhere."""


@dataclass(frozen=True)
class Reading:
    """The devices at one moment; 0 is what could not be told."""

    mhz: float = 0.0  # of the multiprocessors, of the slowest device
    watts: float = 0.0  # of all together
    holds: int = 0  # bits of HOLDS, of any of them


class Meter:
    """The devices' clock and power as the driver's management library tells them; 0 where it is not.

    Read by the referee, so nothing submitted can lie about them.
    """

    SM_CLOCK = 1
    REASONS = (
        "nvmlDeviceGetCurrentClocksEventReasons",
        "nvmlDeviceGetCurrentClocksThrottleReasons",
    )
    """Its name since driver 535, and before."""

    def __init__(self, kind: str, count: int = 1) -> None:
        """Of the first ``count`` devices."""
        self.normal_mhz = 0.0
        self._handles: list[ctypes.c_void_p] = []
        self._reasons: Any = None
        if kind == "cpu":
            return
        try:
            self._library = ctypes.CDLL("libnvidia-ml.so.1")
            if not self._library.nvmlInit_v2():
                self._handles = [
                    found for index in range(count) if (found := self._find(index)) is not None
                ]
        except (OSError, AttributeError):
            return
        there = (name for name in self.REASONS if hasattr(self._library, name))
        self._reasons = getattr(self._library, next(there, ""), None)

    def learn(self) -> None:
        """Take the clock of the moment for the normal one, if it is the highest seen."""
        self.normal_mhz = max(self.normal_mhz, self.read().mhz)

    def read(self) -> Reading:
        """Now."""
        clocks, watts, holds = [0.0], 0.0, 0
        mhz, milliwatts, reasons = ctypes.c_uint(), ctypes.c_uint(), ctypes.c_ulonglong()
        for handle in self._handles:
            if not self._library.nvmlDeviceGetClockInfo(handle, self.SM_CLOCK, ctypes.byref(mhz)):
                clocks.append(float(mhz.value))
            if not self._library.nvmlDeviceGetPowerUsage(handle, ctypes.byref(milliwatts)):
                watts += milliwatts.value / 1e3
            if self._reasons and not self._reasons(handle, ctypes.byref(reasons)):
                holds |= reasons.value
        return Reading(min(filter(None, clocks), default=0.0), watts, holds)

    def _find(self, index: int) -> ctypes.c_void_p | None:
        import torch

        handle = ctypes.c_void_p()
        place = ctypes.byref(handle)
        uuid = getattr(torch.cuda.get_device_properties(index), "uuid", "")
        status = self._library.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}".encode(), place)
        if status and self._library.nvmlDeviceGetHandleByIndex_v2(index, place):
            return None
        return handle


def slowed(readings: Sequence[Reading], normal_mhz: float, tolerance: float) -> str:
    """Why times taken meanwhile do not count, in words, or nothing: a clock below the normal one, or a fault that held
    it down most of the time, as it may have done when the normal one was learnt."""
    if not readings:
        return ""
    mhz = statistics.median(item.mhz for item in readings)
    often = [
        bit for bit in HOLDS if 2 * sum(bool(item.holds & bit) for item in readings) > len(readings)
    ]
    by = " and ".join(dict.fromkeys(HOLDS[bit] for bit in often))
    if 0 < mhz < (1 - tolerance) * normal_mhz:
        held = f", held down by {by}" if by else ""
        return f"at {mhz:.0f} MHz, its normal clock is {normal_mhz:.0f}{held}"
    if any(bit & FAULTS for bit in often):
        return f"at {mhz:.0f} MHz, held down by {by}"
    return ""


def keep_busy(kind: str, count: int, seconds: float) -> None:
    """Load that brings the clocks of the first devices up: memory and arithmetic."""
    if kind == "cpu" or not seconds:
        return
    import torch

    devices = [torch.device("cuda", index) for index in range(count)]
    some = [torch.ones(2048, 2048, dtype=torch.bfloat16, device=device) for device in devices]
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for each in some:
            for _ in range(20):
                torch.mm(each, each)
        for device in devices:
            torch.cuda.synchronize(device)
