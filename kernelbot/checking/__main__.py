"""``python -m kernelbot.checking PATIENCE_S BUDGET_S DIR...``: audit problems, each in a process of its own.

PATIENCE_S is how long one case may take beyond the problem's limits, in seconds; BUDGET_S, or ``inf``, how
long all cases of a task of the field may take together, which are made for GPUs alone.
Progress goes to stdout as JSON lines, whatever the problems print to stderr. Exit code 0 means that
every directory has its ``audit.json``. A problem that hangs is killed by the kernel's alarm clock,
which no code of the problem has to return for, and the others go on.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import sys
import time
import traceback
from pathlib import Path

from kernelbot.checking import audit, findings
from kernelbot.checking.findings import AUDIT_FILE, SO_FAR_FILE, Audit
from kernelbot.judge.protocol import JOB_FILE, MAX_JOB_BYTES, Job, load

WHERE_FILE = "where"


MEMORY_SHARE = 0.5
"""Of the memory that is free, what a task of the field may take on a processor."""


def main(patience_s: float, budget_s: float, directories: list[str]) -> int:
    # Imported once; no work is done here, so that the forks inherit neither threads nor devices.
    import torch  # noqa: F401

    progress = os.dup(1)
    os.dup2(2, 1)
    failed = 0
    for directory in directories:
        child = os.fork()
        if child == 0:
            os._exit(_audit(Path(directory), progress, patience_s, budget_s))
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM:
            audit.write(Path(directory), _overdue(Path(directory), patience_s))
            status = 0
        failed |= status
    return 1 if failed else 0


def _audit(directory: Path, progress: int, patience_s: float, budget_s: float) -> int:
    def tell(where: str, done: int, total: int) -> None:
        (directory / WHERE_FILE).write_text(where)
        left_s = max(0.1, until - time.monotonic())
        signal.setitimer(signal.ITIMER_REAL, min(audit.case_limit_s(job, patience_s), left_s))
        line = {"problem": job.problem, "where": where, "done": done, "total": total}
        os.write(progress, json.dumps(line).encode() + b"\n")

    try:
        job = _job(directory)
        as_given = job.style != "reference"
        until = time.monotonic() + budget_s if as_given else math.inf
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        os.chdir(directory)
        if as_given:
            _spare_memory()
        tell("reference.py", 0, 1)
        for found in audit.audit(directory, job, tell, patience_s, until):
            audit.write(directory, found, SO_FAR_FILE)
        signal.setitimer(signal.ITIMER_REAL, 0)
        (directory / SO_FAR_FILE).replace(directory / AUDIT_FILE)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _job(directory: Path) -> Job:
    return load(Job, (directory / JOB_FILE).read_bytes(), limit=MAX_JOB_BYTES)


def _overdue(directory: Path, patience_s: float) -> Audit:
    where = (directory / WHERE_FILE).read_text()
    so_far = directory / SO_FAR_FILE
    before = findings.read(so_far.read_bytes()) if so_far.exists() else None
    return audit.overdue(_job(directory), where, patience_s, before)


def _spare_memory() -> None:
    """Sizes made for a GPU's memory must not take the machine down with them."""
    import torch

    if torch.cuda.is_available():  # its address space is larger than any memory
        return
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            most = int(int(line.split()[1]) * 1024 * MEMORY_SHARE)
            resource.setrlimit(resource.RLIMIT_DATA, (most, most))


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
