"""Writing a job directory and reading what came of it: the one way, for launchers and the CLI."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from kernelbot.judge import sandbox
from kernelbot.judge.protocol import (
    JOB_FILE,
    MAX_VERDICT_BYTES,
    PROBLEM_DIR,
    SUBMISSION_DIR,
    VERDICT_FILE,
    Job,
    ProtocolError,
    Verdict,
    VerdictKind,
    dump,
    load,
)

FENCE_S = 120.0
NO_FENCE = (
    "For the fence bubblewrap, install bubblewrap; for the fence user, judge as root in a container or "
    "machine of its own."
)


def stage(directory: Path, job: Job, problem_files: Mapping[str, bytes], submission: bytes) -> None:
    """Write ``job.json``, ``problem/`` and ``submission/`` into an existing, empty directory.

    ``problem_files`` maps paths relative to the problem's folder to contents. Raises ValueError
    when a path is absolute, climbs out or is empty.
    """
    for name, content in problem_files.items():
        _write(directory / PROBLEM_DIR, name, content)
    _write(directory / SUBMISSION_DIR, job.submission, submission)
    (directory / JOB_FILE).write_text(dump(job))


def command(
    directory: Path,
    *,
    events_fd: int | None = None,
    isolation: str = "",
    cache: str = "",
    before: Path | None = None,
) -> list[str]:
    """The command line that judges a staged directory.

    Events go to stdout unless a descriptor is given. ``isolation`` is the only kind of fence to
    accept ("bubblewrap", "user", "processes"); empty takes the strongest that works there.
    ``cache`` is a folder for people's compile caches, ``before`` another staged directory that is judged first.
    """
    line = [sys.executable, "-m", "kernelbot.judge", "run", str(directory)]
    if events_fd is not None:
        line += ["--events-fd", str(events_fd)]
    if cache:
        line += ["--cache", cache]
    if before is not None:
        line += ["--before", str(before)]
    return [*line, "--isolation", isolation] if isolation else line


def environment(base: Mapping[str, str]) -> dict[str, str]:
    """``base``, changed so that :func:`command` and the like run this tree, wherever they are started.

    That may be in the job's directory: nothing that lies there is imported by the referee.
    """
    tree = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [tree, base.get("PYTHONPATH")]))
    return {**base, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"}


def without_secrets(base: Mapping[str, str]) -> dict[str, str]:
    """What of a worker's environment a judge may know: no database address, no token."""
    names = (*sandbox.JUDGES_KNOW, "PYTHONPATH")
    return {name: base[name] for name in names if name in base}


def fence_fault(isolation: str, ranks: int = 1) -> str:
    """Why no fence of the accepted kind stands on this machine; "" when a process runs behind one, as one
    of so many ranks."""
    if not sandbox.fences(isolation):
        return NO_FENCE
    line = [sys.executable, "-m", "kernelbot.judge", "fence", "--isolation", isolation]
    line += ["--ranks", str(ranks)]
    try:
        asked = subprocess.run(
            line, capture_output=True, text=True, timeout=FENCE_S, check=False, cwd="/",
            env=environment(os.environ),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"No process came up behind a fence within {FENCE_S:.0f} s."
    said = (asked.stdout + asked.stderr).strip()
    return said or f"It ended with {asked.returncode}." if asked.returncode else ""


def read_verdict(directory: Path, run_id: str = "") -> Verdict:
    """The verdict in a job directory; ``judge_failed`` when there is none or it cannot be read.

    A verdict for another run than ``run_id`` (when given) counts as none.
    """
    path = directory / VERDICT_FILE
    try:
        with path.open("rb") as file:
            verdict = load(Verdict, file.read(MAX_VERDICT_BYTES + 1))
    except FileNotFoundError:
        return _no_verdict(run_id, "the judge ended without a verdict")
    except (OSError, ProtocolError) as error:
        return _no_verdict(run_id, f"the verdict cannot be read: {error}")
    if run_id and verdict.run_id != run_id:
        return _no_verdict(run_id, f"the verdict is about run {verdict.run_id!r}")
    return verdict


def _no_verdict(run_id: str, fault: str) -> Verdict:
    message = "The judge failed; this is not your fault and the run will be repeated."
    return Verdict(kind=VerdictKind.JUDGE_FAILED, run_id=run_id, message=message, fault=fault)


def _write(root: Path, name: str, content: bytes) -> None:
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts or not relative.parts or "\0" in name:
        raise ValueError(f"{name!r} is not a path inside the {root.name} folder")
    path = root / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
