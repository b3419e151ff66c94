"""Runs the judge on a submission in real processes, as a launcher does.

``judge`` asks a template that has imported torch already, one for each test process; ``judge_afresh``
starts the judge's command, which says the same, seconds later.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import functools
import json
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernelbot.judge import staging
from kernelbot.judge.protocol import Job, Limits, Mode, Tolerance, Verdict
from kernelbot.judge.template import PROGRAM, Template

HERE = Path(__file__).parent
LIMITS = Limits(
    build_s=120,
    check_s=120,
    measure_s=20,
    memory_bytes=2 << 30,
    processes=200,
    output_bytes=8 << 10,
)
"""Of time there is plenty: a first call that imports half of torch is no endless one on a busy machine."""
SOON = dataclasses.replace(LIMITS, build_s=20, check_s=8)
"""For what never ends."""
COLD_S = 240.0
"""For a judge that imports torch first, on a machine that is busy with others that do."""


@dataclass(frozen=True)
class Judged:
    verdict: Verdict
    events: list[dict[str, Any]]
    returncode: int
    errors: str

    @property
    def explanation(self) -> str:
        """What a failing test should print."""
        verdict = self.verdict
        parts = (verdict.kind, verdict.message, verdict.fault, verdict.log[-3000:], self.errors)
        return "\n".join(str(part) for part in parts)


def problem(name: str) -> dict[str, bytes]:
    folder = HERE / "problems" / name
    return {path.name: path.read_bytes() for path in folder.glob("*.py")}


def a_job(mode: Mode = Mode.TEST, **changes: Any) -> Job:
    job = Job(
        run_id="run-1",
        mode=mode,
        problem="add",
        problem_digest="0" * 64,
        tests=({"n": 1000},),
        benchmarks=({"n": 20000},),
        contestant_files=("task.py",),
        tolerances=(Tolerance(rtol=1e-5, atol=1e-6),),
        limits=LIMITS,
    )
    return dataclasses.replace(job, **changes)


@functools.cache
def template(device: str, program: Sequence[str] = PROGRAM) -> Template:
    """The one that this test process shares; one job at a time."""
    made = Template(device, program=program)
    atexit.register(made.close)
    return made


def judge(
    directory: Path,
    submission: str | bytes,
    job: Job | None = None,
    files: Mapping[str, bytes] | None = None,
    timeout_s: float = COLD_S,
    program: Sequence[str] = PROGRAM,
    isolation: str = "",
) -> Judged:
    """Stage a directory, have a warm judge judge it, read what came of it."""
    job = _stage(directory, submission, job, files)
    serving = template("cpu" if job.device == "cpu" else "cuda", program)
    with contextlib.ExitStack() as stack:
        (events, told), (errors, said) = os.pipe(), os.pipe()
        heard = [stack.enter_context(_Heard(end)) for end in (events, errors)]
        try:
            referee = serving.fork(directory, told, said, isolation=isolation)
        finally:
            os.close(told)
            os.close(said)
        code = serving.ended(referee, timeout_s)
    return _judged(directory, job, code, [item.text for item in heard])


def judge_afresh(
    directory: Path,
    submission: str | bytes,
    job: Job | None = None,
    files: Mapping[str, bytes] | None = None,
    timeout_s: float = COLD_S,
) -> Judged:
    """The same by the judge's command, from a cold start."""
    job = _stage(directory, submission, job, files)
    done = subprocess.run(
        staging.command(directory), capture_output=True, timeout=timeout_s, check=False
    )
    return _judged(directory, job, done.returncode, [done.stdout, done.stderr])


def _stage(
    directory: Path,
    submission: str | bytes,
    job: Job | None,
    files: Mapping[str, bytes] | None,
) -> Job:
    job = job or a_job()
    content = submission.encode() if isinstance(submission, str) else submission
    staging.stage(directory, job, files or problem("add"), content)
    return job


def _judged(directory: Path, job: Job, code: int, said: Sequence[bytes]) -> Judged:
    return Judged(
        verdict=staging.read_verdict(directory, job.run_id),
        events=[json.loads(line) for line in said[0].splitlines()],
        returncode=code,
        errors=said[1].decode(errors="replace"),
    )


class _Heard(threading.Thread):
    """Everything that comes out of a pipe, read while it comes. Closes it."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(daemon=True)
        self._descriptor = descriptor
        self.text = b""

    def __enter__(self) -> _Heard:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.join()

    def run(self) -> None:
        with os.fdopen(self._descriptor, "rb") as pipe:
            self.text = pipe.read()
