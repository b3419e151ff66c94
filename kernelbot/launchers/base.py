"""What a way to reach a GPU must do. Local, Modal, agents and clusters pass one contract suite."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from kernelbot.judge.protocol import Event, Job, Verdict


@dataclass(frozen=True, kw_only=True)
class Package:
    """What travels to the GPU: a job with the files it speaks of."""

    job: Job
    problem_files: Mapping[str, bytes]
    code: bytes


class Launch(Protocol):
    """A run under way."""

    def events(self) -> AsyncIterator[Event]:
        """The steps as the referee reports them; ends when the run does."""
        ...

    async def verdict(self) -> Verdict:
        """What the referee decided. ``judge_failed`` when the run ended without a word of its own;
        never raises for anything that happened on the other side."""
        ...

    def artefact(self, name: str) -> AsyncIterator[bytes]:
        """The content of a file that the verdict lists, until :meth:`close`. Raises OSError."""
        ...

    async def cancel(self) -> None:
        """Stop it and everything it started. May come late, twice, or after the end."""
        ...

    async def close(self) -> None:
        """The verdict and its files have been taken: leave nothing behind. May come twice."""
        ...


class Launcher(Protocol):
    """One way to reach GPUs."""

    def open(self) -> None:
        """Get ready for the first run. Returns at once, and need not be called."""
        ...

    async def start(self, package: Package) -> Launch:
        """Stage and start. Raises OSError when the place to run cannot be had just now. May be cancelled,
        and leaves nothing behind then."""
        ...

    async def close(self) -> None:
        """End what is still running and leave nothing behind."""
        ...
