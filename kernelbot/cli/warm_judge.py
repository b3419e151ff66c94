"""The judge that counts, for many submissions in a row: torch is imported once for all of them."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from kernelbot.domain.peaks import Peaks
from kernelbot.domain.problem import DeviceKind, Problem
from kernelbot.judge import staging
from kernelbot.judge.protocol import Limits, Mode, Verdict
from kernelbot.judge.template import ANSWER_S, PROGRAM, Template


class WarmJudge(Template):
    """``with WarmJudge("cpu") as judge: judge(problem, "examples/right.py", Mode.RANKED)``."""

    def __init__(self, device: DeviceKind, program: Sequence[str] = PROGRAM) -> None:
        super().__init__(device, program=program)
        self._device: DeviceKind = device

    def __call__(
        self,
        problem: Problem,
        path: str,
        mode: Mode,
        peaks: Peaks | None = None,
        limits: Limits | None = None,
    ) -> Verdict:
        """The verdict on one of the problem's own files, on a device that can do so much.

        ``limits``: others than the problem's.
        """
        name = Path(path).name
        job = problem.job(
            run_id="local", mode=mode, device=self._device, submission_name=name, peaks=peaks
        )
        limits = limits or job.limits
        job = replace(job, limits=limits)
        patience_s = ANSWER_S + 2 * (limits.build_s + limits.check_s + limits.measure_s)
        with tempfile.TemporaryDirectory(prefix="kernelbot-judge-") as place:
            directory = Path(place)
            staging.stage(directory, job, problem.judge_files, problem.files[path])
            with contextlib.suppress(OSError):  # it has ended; that there is no verdict says so
                self.judge(directory, patience_s)
            return staging.read_verdict(directory, job.run_id)

    def judge(self, directory: Path, patience_s: float) -> None:
        """Judge what is staged in a directory; the verdict is left there."""
        with open(os.devnull, "r+b") as null:
            pid = self.fork(directory, null.fileno(), null.fileno())
        try:
            self.ended(pid, patience_s)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            raise
