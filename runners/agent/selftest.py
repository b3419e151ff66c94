"""What this machine has, proved rather than believed: ``python -m runners.agent.selftest`` prints it as JSON.

In a process of its own: a CUDA context in the agent would sit in every measurement.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from kernelbot.judge import device, staging
from kernelbot.launchers import devices

LONGEST_S = 300.0


class Unfit(Exception):
    """This machine cannot judge; the message says why, and what to do."""


@dataclass(frozen=True)
class Unit:
    """One device, in torch's order; the processor comes last."""

    id: str
    kind: str  # "cuda" | "hip" | "cpu"
    name: str
    memory_bytes: int = 0
    sm_count: int = 0
    capability: str = ""


@dataclass(frozen=True)
class Proof:
    """What the self-test found."""

    python: str
    torch: str
    triton: str
    driver: str
    units: tuple[Unit, ...]

    @property
    def names(self) -> list[str]:
        """Those of the accelerators, in torch's order."""
        return [unit.name for unit in self.units if unit.kind != "cpu"]


def prove() -> Proof:
    """Ask the machine. Takes the time that importing torch takes. Raises Unfit."""
    line = [sys.executable, "-m", "runners.agent.selftest"]
    try:
        answer = subprocess.run(
            line, capture_output=True, timeout=LONGEST_S, check=False, cwd="/",
            env=staging.environment(os.environ),
        )  # fmt: skip
        if answer.returncode:
            raise Unfit(answer.stderr.decode("utf-8", "replace").strip()[-2000:])
        said = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise Unfit(f"the self-test did not end well: {error}") from error
    units = tuple(Unit(**unit) for unit in said.pop("units"))
    return Proof(units=units, **said)


def fence(demanded: str) -> str:
    """The kind of fence that stands here. Raises Unfit where none does that is demanded."""
    line = [sys.executable, "-m", "kernelbot.judge", "fence", "--isolation", demanded]
    try:
        asked = subprocess.run(
            line, capture_output=True, text=True, timeout=staging.FENCE_S, check=False, cwd="/",
            env=staging.environment(os.environ),
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        raise Unfit(f"no process came up behind a fence: {error}") from error
    if asked.returncode:
        raise Unfit(
            f"nothing here can hold strangers' code (demanded: {demanded}).\n{asked.stdout}"
        )
    return asked.stdout.strip()


def look() -> dict[str, Any]:
    """The machine as torch sees it, each accelerator after it has computed something that is known."""
    try:
        import torch
    except ImportError:
        raise SystemExit(
            "PyTorch is not installed, and the judge needs it: install the build for this machine's "
            "devices (https://pytorch.org tells which) beside kernelbot."
        ) from None
    units: list[dict[str, Any]] = []
    kind = "hip" if getattr(torch.version, "hip", None) else "cuda"
    driver = ""
    if torch.cuda.is_available():
        driver = device.inspect("cuda").driver
        for index in range(torch.cuda.device_count()):
            _compute(index)
            units.append(_unit(index, kind))
        ids = devices.told_apart([unit["id"] for unit in units])
        units = [{**unit, "id": id_} for unit, id_ in zip(units, ids, strict=True)]
    processor = device.inspect("cpu")
    units.append(
        {"id": "cpu", "kind": "cpu", "name": processor.name, "memory_bytes": processor.memory_bytes}
    )
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "triton": _version("triton"),
        "driver": driver,
        "units": units,
    }


def _unit(index: int, kind: str) -> dict[str, Any]:
    import torch

    found: Any = torch.cuda.get_device_properties(index)
    if kind == "hip":
        capability = str(found.gcnArchName).split(":")[0]
    else:
        capability = f"{found.major}.{found.minor}"
    return {
        "id": str(getattr(found, "uuid", "")),
        "kind": kind,
        "name": found.name,
        "memory_bytes": found.total_memory,
        "sm_count": found.multi_processor_count,
        "capability": capability,
    }


def _compute(index: int) -> None:
    """Whole numbers, so that every way of adding them up gives the same."""
    import torch

    one = torch.arange(256 * 256, dtype=torch.float32).reshape(256, 256) % 7
    there = one.to(f"cuda:{index}")
    if not torch.equal((there @ there).cpu(), one @ one):
        raise SystemExit(f"device {index} computes a product wrongly")


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return ""


if __name__ == "__main__":
    print(json.dumps(look()))
