"""A job and what came of it as one piece of bytes each, for places that share no disk with us.

:func:`judged` is all that happens there. A parcel is ``MAGIC``, the length of a JSON header (4 bytes, big
endian), the header, and the contents in the order in which the header lists them. What comes back was made on
a machine that ran submitted code: every length is checked, and nothing in it is more than data.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from kernelbot.judge import artefacts, folders, staging
from kernelbot.judge.protocol import (
    ARTEFACTS_DIR,
    MAX_EVENT_BYTES,
    Event,
    Job,
    Limits,
    ProtocolError,
    Verdict,
    VerdictKind,
    dump,
    from_json,
    load,
    to_json,
)

MAGIC = b"kernelbot parcel 1\n"
LENGTH_BYTES = 4
MAX_HEADER_BYTES = 32 << 20
MAX_JOB_BYTES = 128 << 20
MAX_OUTCOME_BYTES = artefacts.MAX_BYTES + MAX_HEADER_BYTES
MAX_EVENTS_BYTES = 1 << 20
KEPT_ERROR_BYTES = 8192

STARTING_S = 120.0
"""Importing torch on a cold, busy machine; nobody's fault, so outside every stage's budget."""
GRACE_S = 5.0

PROBLEM = "problem/"
SUBMISSION = "submission"
CANARY = "canary"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a job."""

    verdict: Verdict
    events: tuple[Event, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)  # the artefacts that the verdict lists
    stderr: str = ""  # the end of what the judge said, for the operator
    canary: Verdict | None = None  # what came of the one that was judged before it


def deadline_s(limits: Limits) -> float:
    """When a referee that has not ended hangs, in seconds; it keeps the budgets of the stages itself."""
    return STARTING_S + 2 * (limits.build_s + limits.check_s + limits.measure_s)


def pack_job(
    job: Job,
    problem_files: Mapping[str, bytes],
    submission: bytes,
    isolation: str = "",
    canary: bytes = b"",
) -> bytes:
    """The parcel that :func:`judged` takes; ``isolation`` is the only kind of fence to accept there. ``canary`` is the
    parcel of a job that is judged there before it.

    Raises ValueError when it is larger than ``MAX_JOB_BYTES``, not counting the canary.
    """
    contents = {f"{PROBLEM}{name}": content for name, content in problem_files.items()}
    contents[SUBMISSION] = submission
    if canary:
        contents[CANARY] = canary
    parcel = _pack({"job": to_json(job), "isolation": isolation}, contents)
    if (size := len(parcel) - len(canary)) > MAX_JOB_BYTES:
        raise ValueError(f"a job of {size} bytes is over the limit of {MAX_JOB_BYTES}")
    return parcel


@dataclass(frozen=True, kw_only=True)
class Packed:
    """What a job's parcel holds."""

    job: Job
    problem_files: Mapping[str, bytes]
    submission: bytes
    isolation: str = ""
    canary: Packed | None = None


def open_job(parcel: bytes) -> Packed:
    """What :func:`pack_job` packed. Raises ProtocolError when the parcel is none."""
    header, contents = _unpack(parcel, 2 * MAX_JOB_BYTES)  # with a canary
    if SUBMISSION not in contents:
        raise ProtocolError("a job's parcel has no submission")
    return Packed(
        job=from_json(Job, header.get("job")),
        problem_files={
            name.removeprefix(PROBLEM): content
            for name, content in contents.items()
            if name.startswith(PROBLEM)
        },
        submission=contents[SUBMISSION],
        isolation=str(header.get("isolation", "")),
        canary=open_job(contents[CANARY]) if CANARY in contents else None,
    )


def judged(parcel: bytes) -> bytes:
    """Judge a packed job on this machine and pack what came of it.

    Raises ProtocolError when the parcel is none, OSError when there is no room for it.
    """
    packed = open_job(parcel)
    job, first = packed.job, packed.canary
    # Read before the submission has run, which could write over it where no fence holds it.
    canary = None if first is None else _first(first, packed.isolation)
    with _staged(packed) as directory:
        line = staging.command(directory, isolation=packed.isolation)
        with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as errors:
            fault = _run(directory, line, deadline_s(job.limits), said, errors)
            verdict = staging.read_verdict(directory, job.run_id)
            if fault and verdict.kind is VerdictKind.JUDGE_FAILED:
                verdict = dataclasses.replace(verdict, fault=fault)
            return _pack_outcome(directory, verdict, said, errors, canary)


def _first(packed: Packed, isolation: str) -> Verdict:
    """What comes of a canary."""
    with _staged(packed) as directory, open(os.devnull, "r+b") as nobody:
        line = staging.command(directory, isolation=isolation)
        _run(directory, line, deadline_s(packed.job.limits), nobody, nobody)
        return staging.read_verdict(directory, packed.job.run_id)


@contextlib.contextmanager
def _staged(packed: Packed) -> Iterator[Path]:
    directory, held = folders.make(Path(tempfile.gettempdir()), f"run-{packed.job.run_id}-")
    try:
        staging.stage(directory, packed.job, packed.problem_files, packed.submission)
        yield directory
    finally:
        folders.remove(directory)
        os.close(held)


def open_outcome(parcel: bytes, run_id: str) -> Outcome:
    """What a place answered. Raises ProtocolError for whatever :func:`judged` would not have packed for this
    run."""
    header, files = _unpack(parcel, MAX_OUTCOME_BYTES)
    text, events, stderr = (header.get(name) for name in ("verdict", "events", "stderr"))
    canary = header.get("canary")
    if not isinstance(text, str) or not isinstance(events, list) or not isinstance(stderr, str):
        raise ProtocolError("an outcome's header is not complete")
    verdict = load(Verdict, text)
    if verdict.run_id != run_id:
        raise ProtocolError(f"the verdict is about run {verdict.run_id!r}")
    if not artefacts.sound(verdict.artefacts):
        raise ProtocolError("the verdict's files break the limits")
    if {item.name: item.bytes for item in verdict.artefacts} != {
        name: len(content) for name, content in files.items()
    }:
        raise ProtocolError("the files are not those that the verdict lists")
    return Outcome(
        verdict=verdict,
        events=tuple(from_json(Event, event) for event in events),
        files=files,
        stderr=stderr[-KEPT_ERROR_BYTES:],
        canary=load(Verdict, canary) if isinstance(canary, str) else None,
    )


def _run(
    directory: Path, line: list[str], limit_s: float, said: IO[bytes], errors: IO[bytes]
) -> str:
    """Have it judged, to the end of the referee and all it started; returns what is wrong with that."""
    process = subprocess.Popen(
        line,
        stdin=subprocess.DEVNULL,
        stdout=said,
        stderr=errors,
        env=staging.environment(staging.without_secrets(os.environ)),
        cwd=directory,
        start_new_session=True,
    )
    try:
        process.wait(limit_s)
        return ""
    except subprocess.TimeoutExpired:
        return f"the judge did not end within {limit_s:.0f} s"
    finally:
        _end(process)  # also when the call is cancelled, which is an exception here


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()  # a referee ends its contestants, then itself
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_S)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _pack_outcome(
    directory: Path,
    verdict: Verdict,
    said: IO[bytes],
    errors: IO[bytes],
    canary: Verdict | None,
) -> bytes:
    files = {}
    for item in verdict.artefacts:
        with (directory / ARTEFACTS_DIR / item.name).open("rb") as file:
            files[item.name] = file.read(artefacts.MAX_FILE_BYTES)
    errors.seek(max(0, errors.seek(0, os.SEEK_END) - KEPT_ERROR_BYTES))
    header = {
        "verdict": dump(verdict),
        "events": [to_json(event) for event in _events(said)],
        "stderr": errors.read().decode("utf-8", "replace"),
        "canary": dump(canary) if canary is not None else None,
    }
    return _pack(header, files)


def _events(said: IO[bytes]) -> list[Event]:
    """The first of what the referee reported, up to a limit."""
    said.seek(0)
    found = []
    for line in said.read(MAX_EVENTS_BYTES).splitlines():
        with contextlib.suppress(ProtocolError):  # the last one may be cut
            found.append(load(Event, line, limit=MAX_EVENT_BYTES))
    return found


def _pack(header: Mapping[str, Any], contents: Mapping[str, bytes]) -> bytes:
    listed = [[name, len(content)] for name, content in contents.items()]
    text = json.dumps({**header, "contents": listed}, allow_nan=False).encode()
    if len(text) > MAX_HEADER_BYTES:
        raise ValueError(f"a header of {len(text)} bytes is over the limit of {MAX_HEADER_BYTES}")
    return b"".join((MAGIC, len(text).to_bytes(LENGTH_BYTES, "big"), text, *contents.values()))


def _unpack(parcel: bytes, limit: int) -> tuple[dict[str, Any], dict[str, bytes]]:
    if len(parcel) > limit:
        raise ProtocolError(f"a parcel of {len(parcel)} bytes is over the limit of {limit}")
    start = len(MAGIC) + LENGTH_BYTES
    if len(parcel) < start or not parcel.startswith(MAGIC):
        raise ProtocolError("this is no parcel of this version")
    end = start + int.from_bytes(parcel[len(MAGIC) : start], "big")
    if end - start > MAX_HEADER_BYTES:
        raise ProtocolError(f"a header of {end - start} bytes is over the limit")
    try:
        header = json.loads(parcel[start:end])
        listed = [(str(name), int(size)) for name, size in header.pop("contents")]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ProtocolError(f"the header of a parcel cannot be read: {error!r}") from error
    sizes = [size for _, size in listed]
    if min(sizes, default=0) < 0 or end + sum(sizes) != len(parcel):
        raise ProtocolError("the contents of a parcel are not as long as it says")
    if len(dict(listed)) != len(listed):
        raise ProtocolError("a parcel has two contents of one name")
    contents, at = {}, end
    for name, size in listed:
        contents[name] = parcel[at : at + size]
        at += size
    return header, contents
