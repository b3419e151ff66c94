"""``kernelbot judge``: the judge that counts, on this machine, without a server."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from kernelbot.cli.failure import Declined
from kernelbot.cli.screen import clean, note
from kernelbot.cli.watch import counted
from kernelbot.config import Settings
from kernelbot.domain import admission, directives
from kernelbot.domain.peaks import of_device
from kernelbot.domain.problem import DeviceKind, Problem
from kernelbot.judge import staging
from kernelbot.judge.protocol import (
    ARTEFACTS_DIR,
    MAX_EVENT_BYTES,
    Event,
    Mode,
    ProtocolError,
    Verdict,
    load,
    to_json,
)
from kernelbot.services.devices import load_devices

GRACE_S = 5.0


def judge(
    problem: Problem,
    file: Path,
    mode: Mode,
    device: DeviceKind,
    case: int | None = None,
    output: Path | None = None,
) -> Verdict:
    """The verdict on ``file``. Shows progress on stderr. A profile is of benchmark ``case``, else of
    the slowest, and leaves its files in ``output`` if that is given.

    Raises the refusals of admission for a file that no server would take either.
    """
    code = read_code(file)
    text = admission.code_text(code)
    name = admission.file_name(file.name)
    admission.language(name, problem.suffixes)
    job = problem.job(run_id="local", mode=mode, device=device, submission_name=name)
    wanted = admission.profile_case(
        case, directives.parse(text), mode, {device: len(job.benchmarks)}
    )
    job = job if wanted is None else replace(job, profile_case=wanted)
    isolation = Settings().isolation
    _demand_fence(isolation, job.world_size)
    with tempfile.TemporaryDirectory(prefix="kernelbot-judge-") as place:
        directory = Path(place)
        staging.stage(directory, job, problem.judge_files, code)
        _run(directory, isolation)
        verdict = staging.read_verdict(directory, job.run_id)
        if output is not None and verdict.artefacts:
            output.mkdir(parents=True, exist_ok=True)
            for artefact in verdict.artefacts:
                shutil.copyfile(directory / ARTEFACTS_DIR / artefact.name, output / artefact.name)
        return verdict


def bounds(problem: Problem, device: DeviceKind, verdict: Verdict) -> tuple[float | None, ...]:
    """Seconds that each benchmark takes at the speed of light of the device that judged."""
    known = load_devices(Settings().devices_file)
    peaks = of_device(known, verdict.device.name)
    found = problem.bounds(device, peaks)
    return tuple(None if item is None else item.seconds for item in found)


def read_code(file: Path) -> bytes:
    """The file's content. Raises Declined."""
    try:
        with file.open("rb") as stream:
            code = stream.read(admission.MAX_CODE_BYTES + 1)
    except OSError as error:
        raise Declined(
            f"{clean(file)} cannot be read: {error.strerror}.", code="unreadable_file"
        ) from None
    if len(code) > admission.MAX_CODE_BYTES:
        raise Declined(
            f"{clean(file)} has more than {admission.MAX_CODE_BYTES:,} bytes, which is the limit.",
            code="file_too_large",
        )
    return code


def _demand_fence(isolation: str, ranks: int) -> None:
    """Raise Declined where the fence that was asked for does not stand, and say what helps."""
    if isolation and (fault := staging.fence_fault(isolation, ranks)):
        raise Declined(
            f"KERNELBOT_ISOLATION={isolation} cannot be had on this machine.\n{fault}",
            code="no_fence",
        )


def _run(directory: Path, isolation: str) -> None:
    with _judging(directory, isolation) as process:
        assert process.stdout is not None
        said = ""
        while line := process.stdout.readline(MAX_EVENT_BYTES):
            said = _show(line, said)


def _show(line: bytes, said: str) -> str:
    try:
        event = load(Event, line, limit=MAX_EVENT_BYTES)
    except ProtocolError:
        return said
    words = counted(to_json(event))
    if words == said or not (event.kind == "stage" or sys.stderr.isatty()):
        return said
    note(clean(words))
    return words


@contextmanager
def _judging(directory: Path, isolation: str) -> Iterator[subprocess.Popen[bytes]]:
    """The judge as a process group of its own, gone when this is left."""
    process = subprocess.Popen(
        staging.command(directory, isolation=isolation),
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        cwd=directory,
        env=staging.environment(os.environ),
        start_new_session=True,
    )
    try:
        yield process
        process.wait()
    finally:
        if process.poll() is None:
            # Asked first: the judge ends what it started in sessions of their own.
            process.terminate()
            try:
                process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if process.stdout is not None:
            process.stdout.close()
