"""A cluster in a folder: what ``sbatch``, ``squeue``, ``scancel`` and ``sacct`` of this folder have in common.

The folder is named by SLURM_CONF, as a real cluster's file is. In it are ``conf.json`` with how the cluster
behaves just now (read anew by every command), ``jobs/ID.json``, and ``jobs/ID.order`` with the state that
somebody, like an administrator or a broken node, has decided on for a job.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

HOME = Path(os.environ["SLURM_CONF"])
JOBS = HOME / "jobs"
DEFAULTS: dict[str, Any] = {
    "away": False,  # the controller does not answer
    "refuse": "",  # why it takes no job
    "swallow": False,  # it takes a job, and the answer is lost
    "partitions": ["gpu"],
    "pending_s": 0.0,
    "reason": "Resources",
    "minute_s": 60.0,  # of a job's time limit
    "kill_wait_s": 0.5,
    "lag_s": 0.0,  # until what a node wrote is seen elsewhere
    "purge_s": 300.0,  # until the controller forgets a job that is over
    "accounting": True,
}
OVER = ["CANCELLED", "COMPLETED", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "TIMEOUT"]


def conf() -> dict[str, Any]:
    return {**DEFAULTS, **json.loads((HOME / "conf.json").read_text())}


def fail(words: str) -> NoReturn:
    name = Path(sys.argv[0]).name
    raise SystemExit(f"{name}: error: {words}")


def answering() -> dict[str, Any]:
    """How the cluster behaves; ends the command where the controller is away."""
    found = conf()
    if found["away"]:
        fail("Unable to contact slurm controller (connect failure)")
    return found


def write(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(text)
    fresh.replace(path)


def change(number: int, **fields: Any) -> None:
    path = JOBS / f"{number}.json"
    write(path, json.dumps({**json.loads(path.read_text()), **fields}))


def jobs(purge_s: float) -> Iterator[dict[str, Any]]:
    """Those that the controller knows."""
    for path in sorted(JOBS.glob("*.json")):
        with contextlib.suppress(FileNotFoundError):
            job = json.loads(path.read_text())
            if not job["ended_at"] or time.time() - job["ended_at"] < purge_s:
                yield job


def new_number() -> int:
    with (HOME / "counter").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        number = int(file.read() or 40) + 1
        file.truncate(0)
        file.write(str(number))
    return number


def options(allowed: str) -> tuple[dict[str, str], list[str]]:
    """The long options of the command line and what follows them; an unknown one ends the command."""
    known, found = allowed.split(), {}
    rest = sys.argv[1:]
    while rest and rest[0].startswith("--"):
        name, _, value = rest.pop(0)[2:].partition("=")
        if name not in known:
            fail(f"unrecognized option '--{name}'")
        found[name] = value
    return found, rest
