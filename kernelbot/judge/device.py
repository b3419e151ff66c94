"""What machine this run really has, and whether it is the one the job asked for."""

from __future__ import annotations

import os
import platform
import re
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


def demand(device: Device, pattern: str) -> None:
    """Raise WrongDevice unless the device's name matches the job's regular expression."""
    try:
        matches = not pattern or re.search(pattern, device.name, re.IGNORECASE) is not None
    except re.error as error:
        raise WrongDevice(f"expect_device {pattern!r} is no regular expression: {error}") from error
    if not matches:
        raise WrongDevice(f"the job expects a device matching {pattern!r}; this is {device.name!r}")


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
