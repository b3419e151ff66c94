"""Which CUDA or HIP devices this machine has, found out without holding any of them."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import socket
import subprocess
import sys
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from pathlib import Path

from kernelbot.domain.target import Target
from kernelbot.errors import InvalidInput
from kernelbot.judge import staging

NODES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/kfd")
"""Without one of these there is no device, and torch need not be imported to learn it."""

ASK = """
import json, torch
count = torch.cuda.device_count() if torch.cuda.is_available() else 0
named = [(torch.cuda.get_device_name(at), torch.cuda.get_device_properties(at)) for at in range(count)]
print(json.dumps([[name, str(getattr(found, "uuid", ""))] for name, found in named]))
"""
LONGEST_S = 120


class Pool:
    """Devices that runs of one target may have, each of them in one run at a time.

    ``machine`` has the locks of all devices: the same one may be offered under several targets.
    """

    def __init__(
        self, indices: Collection[int], machine: dict[int, asyncio.Lock] | None = None
    ) -> None:
        locks = {} if machine is None else machine
        self._locks = {index: locks.setdefault(index, asyncio.Lock()) for index in sorted(indices)}

    async def take(self, own: int, count: int) -> tuple[list[int], ExitStack]:
        """``own``, or for a run on several devices the first ``count``, which are always the same; and what
        gives them back. Waits until all of them are free. Raises ValueError if there are not that many.
        """
        if count > len(self._locks):
            has = f"has {len(self._locks)} of this kind" if len(self._locks) > 1 else "has one"
            raise ValueError(f"the problem needs {count} devices at once, and this machine {has}")
        wanted = [own] if count == 1 else list(self._locks)[:count]
        with ExitStack() as held:
            for index in wanted:
                await self._locks[index].acquire()
                held.callback(self._locks[index].release)
            return wanted, held.pop_all()


def shares(target: Target, names: Sequence[str]) -> list[list[int]]:
    """Which of the devices with these names each of the runs at once has to itself.

    One run a device: a neighbour would be in the measurement. A target of several GPUs needs as many for
    each run.
    """
    fitting = [at for at, name in enumerate(names) if target.match and target.fits(name)]
    whole = len(fitting) // target.gpus
    return [fitting[at * target.gpus :][: target.gpus] for at in range(whole)]


def demand_torch() -> None:
    """Raise InvalidInput where the judge could not import torch: every run would be a fault of ours."""
    if importlib.util.find_spec("torch") is None:
        raise InvalidInput(
            "PyTorch is not installed, and the judge needs it. Run scripts/setup with "
            "KERNELBOT_TORCH=cpu or =cuda, or start this machine without a worker.",
            code="no_torch",
        )


def demand_fence(isolation: str, ranks: int = 1) -> None:
    """Raise InvalidInput where no fence of the kind that is demanded stands on this machine for runs of so
    many ranks."""
    if isolation in ("", "processes"):
        return
    if fault := staging.fence_fault(isolation, ranks):
        raise InvalidInput(
            "This server is there for others, and nothing here can hold strangers' code "
            f"(demanded: {isolation}).\n{fault}\n"
            "KERNELBOT_ISOLATION=processes judges without a fence all the same.",
            code="no_fence",
        )


def cuda_devices() -> list[tuple[str, str]]:
    """Name and id of each as torch reports them, in torch's order; empty when there are none or torch is
    missing. The id is its UUID, or where that tells none apart its number here.

    Asked in a process of its own: a CUDA context in the worker would sit in every measurement.
    """
    if not any(Path(node).exists() for node in NODES):
        return []
    try:
        answer = subprocess.run(
            [sys.executable, "-c", ASK], capture_output=True, timeout=LONGEST_S, check=True
        )
        found = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return []
    ids = told_apart([str(uuid) for _, uuid in found], f"@{socket.gethostname()}")
    return [(str(name), id_) for (name, _), id_ in zip(found, ids, strict=True)]


def told_apart(uuids: Sequence[str], where: str = "") -> list[str]:
    """An id for each of a machine's devices: its UUID, or its number where there is none, or it is that of another one
    too, as with partitions of one device. ``where`` is added to a number."""
    return [
        f"GPU-{uuid}" if uuid and uuids.count(uuid) == 1 else f"GPU-number-{at}{where}"
        for at, uuid in enumerate(uuids)
    ]
