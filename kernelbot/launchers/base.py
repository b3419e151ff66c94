"""What a way to reach a GPU must do. Local, Modal, agents and clusters pass one contract suite."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from kernelbot.domain.target import Target
from kernelbot.judge.protocol import Event, Job, Verdict, VerdictKind

STEP_EVERY_S = 0.5
ANSWERED = frozenset({VerdictKind.PASSED, VerdictKind.QUARANTINED, VerdictKind.WRONG_ANSWER})
"""What only a device can have decided."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """What travels to the GPU: a job with the files it speaks of."""

    job: Job
    problem_files: Mapping[str, bytes]
    code: bytes
    canary: Package | None = None
    """To be judged before it on the very device, where runs get another one each time."""


class Launch(Protocol):
    """A run under way."""

    @property
    def handle(self) -> str:
        """What :meth:`Launcher.attach` finds it by, from another process too; empty: nothing does."""
        ...

    def events(self) -> AsyncIterator[Event]:
        """The steps as the referee reports them; ends when the run does."""
        ...

    async def verdict(self) -> Verdict:
        """What the referee decided. ``judge_failed`` when the run ended without a word of its own;
        never raises for anything that happened on the other side."""
        ...

    async def canary(self) -> Verdict | None:
        """What came of the package's canary, once there is a verdict; None where none was judged."""
        ...

    def artefact(self, name: str) -> AsyncIterator[bytes]:
        """The content of a file that the verdict lists, until :meth:`close`. Raises OSError."""
        ...

    async def cancel(self) -> None:
        """Stop it and everything it started. May come late, twice, or after the end."""
        ...

    async def leave(self) -> None:
        """Let it go on without us, for whoever attaches to it; stop it where nobody can. The verdict here is
        ``judge_failed`` then, unless there was one before."""
        ...

    async def close(self) -> None:
        """The verdict and its files have been taken: leave nothing behind. May come twice."""
        ...


async def thinned(events: AsyncIterator[Event]) -> AsyncIterator[Event]:
    """The steps of a run that are passed on: every change of stage and every last one, of the others one in a while."""
    told_at, told_stage = 0.0, None
    async for event in events:
        last = event.total and event.done == event.total
        soon = time.monotonic() - told_at < STEP_EVERY_S
        if event.stage == told_stage and soon and not last:
            continue
        told_at, told_stage = time.monotonic(), event.stage
        yield event


class Launcher(Protocol):
    """One way to reach GPUs."""

    def open(self) -> None:
        """Get ready for the first run. Returns at once, and need not be called."""
        ...

    async def start(self, package: Package) -> Launch:
        """Stage and start. Raises OSError when the place to run cannot be had just now. May be cancelled,
        and leaves nothing behind then."""
        ...

    @property
    def backlog(self) -> int:
        """How many of its runs wait for a machine that it has not got yet, as far as it knows."""
        ...

    async def attach(self, package: Package, handle: str) -> Launch | None:
        """The run of this job that was started under this handle, by whichever process: one that was killed
        perhaps. None where nobody knows it any more, or it was reached in another way. Raises OSError when
        that cannot be found out just now."""
        ...

    async def close(self) -> None:
        """End what is still running and leave nothing behind; but for what was left to go on."""
        ...


@dataclass(frozen=True, kw_only=True)
class Site:
    """The worker that launchers are made for."""

    folder: Path
    """Its own: for job directories, and what outlives them."""
    environment: Mapping[str, str]
    isolation: str = ""
    """The only kind of fence to accept; empty: the strongest that works."""
    devices: Sequence[str] = ()
    """The CUDA devices of this machine by name, in torch's order."""
    cpu_slots: int = 1
    """Runs at once on this machine's processor."""
    held: dict[int, asyncio.Lock] = field(default_factory=dict)
    """The locks of the devices: the same one may be offered under several targets."""


Settings = Mapping[str, Any]
"""What ``targets.yaml`` says of one launcher of one target."""


@dataclass(frozen=True, kw_only=True)
class Factory:
    """A kind of launcher, as the registry has it under the name that ``targets.yaml`` gives."""

    make: Callable[[Target, Settings, Site], Sequence[Launcher]]
    """One launcher for each run at once; the same one may come several times. None where the target cannot
    be reached that way from this site. Neither blocks nor starts anything."""
    keys: Collection[str] = ()
    """The settings that it knows; any other is refused when the file is read."""
    check: Callable[[Target, Settings], None] = lambda target, settings: None
    """Raises ValueError where settings are wrong or missing: ``"KEY must be ..."``, with the remedy."""
    here: bool = False
    """Whether it judges on this machine, which then needs torch and a fence."""


def met_no_device(found: Verdict) -> bool:
    """Whether a run ended before anything was put on a device: what was sent is no program."""
    return not found.device.name and found.kind not in ANSWERED
