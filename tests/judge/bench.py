"""Runs the judge on a submission in a real process, as a launcher does."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernelbot.judge import staging
from kernelbot.judge.protocol import Job, Limits, Mode, Tolerance, Verdict

HERE = Path(__file__).parent
LIMITS = Limits(
    build_s=20, check_s=8, measure_s=20, memory_bytes=2 << 30, processes=200, output_bytes=8 << 10
)


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


def judge(
    directory: Path,
    submission: str | bytes,
    job: Job | None = None,
    files: Mapping[str, bytes] | None = None,
    timeout_s: float = 120,
) -> Judged:
    """Stage a directory, run the judge's command on it, read what came of it."""
    job = job or a_job()
    content = submission.encode() if isinstance(submission, str) else submission
    staging.stage(directory, job, files or problem("add"), content)
    done = subprocess.run(
        staging.command(directory), capture_output=True, timeout=timeout_s, check=False
    )
    return Judged(
        verdict=staging.read_verdict(directory, job.run_id),
        events=[json.loads(line) for line in done.stdout.splitlines()],
        returncode=done.returncode,
        errors=done.stderr.decode(errors="replace"),
    )
