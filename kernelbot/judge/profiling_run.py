"""One benchmark of one submission under the profilers of this machine, after it was found right.

First in a plain process under torch's profiler, for the trace; then in another one under the vendor's
tool, for the counters. Each makes a call to warm up and one that is looked at, both with fresh inputs
and checked like any other. Whatever fails here is told and costs the run nothing.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import math
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from kernelbot.judge import aside, folders, profiling
from kernelbot.judge.artefacts import NotKept, Shelf, text_of
from kernelbot.judge.aside import Unfinished
from kernelbot.judge.build import Workshop
from kernelbot.judge.cases import Problem
from kernelbot.judge.measuring import Budget, Lane
from kernelbot.judge.process import Contestant, Failure, NotStarted, Sample
from kernelbot.judge.profiling import Kernel, Profiler
from kernelbot.judge.profiling_ncu import NsightCompute
from kernelbot.judge.profiling_rocprof import RocProf
from kernelbot.judge.protocol import Job, Stage
from kernelbot.judge.sandbox import Fence
from kernelbot.judge.warm import Nursery

Tool = Callable[[list[str]], list[str]]
"""Puts a program's command line in front of the runtime's."""
TRACE = "trace.json.gz"
TEXT_BYTES = 16 << 20
"""Of what a tool says: some forty thousand characters for each kernel."""


def limit_s(job: Job) -> float:
    """How long profiling may take, from starting its processes to reading what they left: the three limits
    of a run together, once more. Launchers wait for that long."""
    limits = job.limits
    return limits.build_s + limits.check_s + limits.measure_s


class Stand:
    """Processes for profiling and checked calls in them, on a budget of their own: what was found
    right before must not be called too slow for being profiled."""

    def __init__(
        self,
        nursery: Nursery,
        workshop: Workshop,
        job: Job,
        fence: Fence,
        problem: Problem,
        args: dict[str, Any],
        recipe: dict[str, Any] | None,
    ) -> None:
        self.printed = ""
        """What the last process said, once it has ended."""
        self._nursery = nursery
        self._workshop = workshop
        self._job = job
        self._fence = fence
        self._problem = problem
        self._args = args
        self._recipe = recipe
        self._budget = Budget(limit_s(job))

    @contextlib.contextmanager
    def fresh(self, tool: Tool | None = None) -> Iterator[Contestant]:
        """A warm, plain process that has loaded the submission, under the tool if there is one."""
        self.printed = ""
        contestant = Contestant(
            self._nursery, self._workshop, self._job, self._fence, tool, plain=True
        )
        try:
            with self._budget.charged() as left:
                contestant.warm(timeout_s=left)
        except NotStarted as error:  # which has ended it
            self.printed = str(error).partition(": ")[2]
            raise
        try:
            with self._budget.charged() as left:
                contestant.load(left, self._recipe)
            contestant.enter(Stage.MEASURE)
            yield contestant
        finally:
            self.printed = contestant.close()

    @contextlib.contextmanager
    def calls(self, contestant: Contestant) -> Iterator[Callable[[], Sample]]:
        """Calls of the benchmark, each with a fresh input and checked."""
        with Lane(contestant, self._problem, self._args, self._budget, self._budget) as lane:
            yield lane.sample

    def trace(self, contestant: Contestant) -> tuple[str, BinaryIO]:
        """What torch's profiler saw of the last call: its table, and its trace as an open file."""
        with self._budget.charged() as left:
            return contestant.trace(left)

    def leave(self, contestant: Contestant) -> None:
        """Have it end like a program that is over; the tool writes its report then."""
        with self._budget.charged() as left:
            contestant.leave(left)

    @contextlib.contextmanager
    def folder(self) -> Iterator[tuple[Path, int]]:
        """A new folder of the contestant's, under a name that it could not take before, held open:
        what lies under the name later is up to the contestant."""
        made = self._workshop.work / f"profile-{secrets.token_hex(8)}"
        made.mkdir()
        place = os.open(made, folders.FOLDER)
        try:
            folders.give(made, self._fence.uid)
            yield made, place
        finally:
            os.close(place)

    def output_of(self, line: list[str]) -> str:
        """What a command prints behind the contestant's fence. Raises Unfinished."""
        with self._budget.charged() as left:
            return aside.output_of(
                self._nursery, self._workshop, self._job, self._fence, line,
                timeout_s=left, limit=TEXT_BYTES,
            )  # fmt: skip

    @property
    def overrun(self) -> str:
        """That the time for profiling is over, in words; empty while some is left."""
        if self._budget.left_s > 0:
            return ""
        return (
            f"profiling took longer than the {self._budget.limit_s:g} s that it may take, as long as the "
            "problem's limits for build, check and measure together"
        )


def tool_for(device: str) -> Profiler | None:
    """The vendor's profiler for a kind of device; on a processor torch's own is all there is."""
    tools: dict[str, Callable[[], Profiler]] = {"cuda": NsightCompute, "hip": RocProf}
    return tools[device]() if device in tools else None


def profile(stand: Stand, tool: Profiler | None, shelf: Shelf, call_ns: float = math.nan) -> str:
    """Everything there is to say, the plain words first; files go to the shelf."""
    traced = _traced(stand, shelf)  # first: it is quick, and whatever time is left is the tool's
    parts = [_counted(stand, tool, shelf, call_ns)] if tool is not None else []
    return "\n\n".join((*parts, traced))


def _traced(stand: Stand, shelf: Shelf) -> str:
    """The table of torch's profiler."""
    try:
        with stand.fresh() as contestant, stand.calls(contestant) as call:
            call()
            contestant.watch("torch")
            call()
            table, file = stand.trace(contestant)
            with file:
                size = os.fstat(file.fileno()).st_size
                note = _kept(functools.partial(shelf.put, file, size, TRACE, "application/gzip"))
    except (Failure, NotStarted) as error:
        return f"torch.profiler gave nothing: {stand.overrun or _reason(error)}"
    return f"torch.profiler\n{table.strip()}{note}"


def _counted(stand: Stand, tool: Profiler, shelf: Shelf, call_ns: float) -> str:
    """What the vendor's tool found, in words."""
    reason = tool.missing()
    if reason:
        return f"{tool.name} was not used: {reason}."
    try:
        with stand.folder() as (folder, place):
            with stand.fresh(lambda line: tool.command(folder, line)) as contestant:
                with stand.calls(contestant) as call:
                    call()
                    contestant.watch("range")
                    call()
                stand.leave(contestant)
            kernels = _found(stand, tool, folder, place)
            notes = [
                _kept(functools.partial(shelf.take, place, item.path, item.name, item.media_type))
                for item in tool.reports
            ]
    except (Failure, NotStarted, Unfinished, NotKept, ValueError, OSError, csv.Error) as error:
        trouble = stand.overrun or tool.trouble(stand.printed) or _reason(error)
        return f"{tool.name} gave nothing: {trouble}"
    return f"{tool.name}\n{profiling.summary(kernels, call_ns)}{''.join(notes)}"


def _found(stand: Stand, tool: Profiler, folder: Path, place: int) -> list[Kernel]:
    line = tool.export(folder)
    if line:
        return tool.kernels([stand.output_of(line)])
    return tool.kernels([text_of(place, name, TEXT_BYTES) for name in tool.tables])


def _kept(keep: Callable[[], None]) -> str:
    """A line about a file that could not be kept; empty when it was."""
    try:
        keep()
    except NotKept as reason:
        return f"\n{reason}"
    return ""


def _reason(error: Exception) -> str:
    return getattr(error, "message", "") or str(error) or type(error).__name__
